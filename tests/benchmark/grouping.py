# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time how long it takes to make groups of hosts by expressions: the inventory plugin against stock Constructable."""

from __future__ import annotations

import time
import typing as t

from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.utils.collection_loader._collection_config import AnsibleCollectionConfig

HOSTS = 2000
_OPTIONS: dict[str, t.Any] = {
    "compose": {"site": "ssm_tags.site | default('cloud')", "address": "ssm_ip_address"},
    "groups": {"early_linux": "ssm_platform_type == 'Linux' and ssm_tags.wave in ['early', 'earlier']"},
    "keyed_groups": [
        {"key": "ssm_tags.env", "prefix": "env"},
        {"key": "ssm_tags.role", "prefix": "role"},
        {"key": "ssm_platform_name | lower", "prefix": "os"},
    ],
    "strict": True,
    "use_extra_vars": False,
    "leading_separator": True,
}


class _Stock(BaseInventoryPlugin, Constructable):
    """Ansible's own."""

    NAME = "stock"

    def construct(self, host: str, variables: dict[str, t.Any]) -> None:
        self._set_composite_vars(self.get_option("compose"), variables, host, strict=True)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=True)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=True)


def compared(make: t.Callable[[str, str, bool], t.Any]) -> t.Any:
    """Time both, and compare what they made."""
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader()
    from ansible_collections.fleet.ssm.plugins.inventory.managed_nodes import InventoryModule
    from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.marking import inert, trusted
    from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.remembering import RememberingTemplar

    def marked(value: t.Any) -> t.Any:
        if isinstance(value, str):
            return trusted(value)
        if isinstance(value, dict):
            return {key: marked(item) for key, item in value.items()}
        return [marked(item) for item in value] if isinstance(value, list) else value

    options = marked(_OPTIONS)  # as ansible-core marks what it reads from a file
    hosts = {f"host{number}": inert(_host(number)) for number in range(HOSTS)}
    stock: t.Any = _Stock()
    ours: t.Any = InventoryModule()
    stock.get_option = ours.get_option = options.__getitem__
    theirs = _time(stock, Templar(loader=DataLoader()), hosts, lambda: stock.construct)

    def construct() -> t.Callable[[str, dict[str, t.Any]], None]:
        fetch = ours._must_fetch_variables()
        return lambda host, variables: ours._construct(host, variables, fetch)

    mine = _time(ours, RememberingTemplar(Templar(loader=DataLoader())), hosts, construct)
    what = f"grouping {HOSTS:,} hosts, 2 compose, 1 group, 3 keyed_groups: at least 10 times faster than stock"
    equal = mine[1] == theirs[1]
    measured = f"{mine[0]:.2f} s / {theirs[0]:.2f} s: {theirs[0] / mine[0]:.0f} times, {'equal' if equal else 'NOT EQUAL'}"
    return make(what, measured, equal and theirs[0] >= 10 * mine[0])


def _host(number: int) -> dict[str, t.Any]:
    return {
        "ssm_instance_id": f"i-{number:017d}",
        "ssm_ip_address": f"10.0.{number // 250}.{number % 250}",
        "ssm_platform_type": ("Linux", "Windows")[number % 2],
        "ssm_platform_name": ("Debian GNU/Linux", "Ubuntu", "Amazon Linux")[number % 3],
        "ssm_tags": {
            "Name": f"machine-{number}",
            "env": ("prod", "test", "dev")[number % 3],
            "role": ("web", "db", "cache", "queue")[number % 4],
            "wave": ("early", "late")[number % 2],
            **({"site": f"site{number % 5}"} if number % 2 else {}),
        },
    }


def _time(plugin: t.Any, templar: t.Any, hosts: dict[str, t.Any], construct: t.Callable[[], t.Any]) -> tuple[float, t.Any]:
    """Return CPU seconds, and what hosts and groups there are."""
    plugin.templar = templar
    plugin.inventory = InventoryData()
    for name, variables in hosts.items():
        plugin.inventory.add_host(name)
        for variable, value in variables.items():
            plugin.inventory.set_variable(name, variable, value)
    began = time.process_time()
    one = construct()
    for name, variables in hosts.items():
        one(name, variables)
    seconds = time.process_time() - began
    made = (
        {name: host.vars for name, host in plugin.inventory.hosts.items()},
        {name: sorted(host.name for host in group.hosts) for name, group in plugin.inventory.groups.items()},
    )
    return seconds, made
