# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hosts and groups are made of expressions is what stock Constructable makes of them, only sooner."""

from __future__ import annotations

import copy
import typing as t

import ansible.template
import pytest
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible.template import Templar
from ansible_collections.fleet.ssm.plugins.inventory.managed_nodes import InventoryModule
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.marking import inert, trusted
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.remembering import RememberingTemplar
from hypothesis import given, settings
from hypothesis import strategies as st

Options = dict[str, t.Any]
Hosts = list[dict[str, t.Any]]

_IS_TRUSTED = getattr(ansible.template, "is_trusted_as_template", None)


class _Stock(BaseInventoryPlugin, Constructable):
    """Ansible's own."""

    NAME = "stock"

    def construct(self, host: str, variables: dict[str, t.Any]) -> None:
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)


class _Ours(InventoryModule):
    """The plugin's, without AWS."""

    def construct(self, host: str, variables: dict[str, t.Any]) -> None:
        self._construct(host, variables, self._must_fetch_variables())


def _constructed(kind: t.Any, options: Options, hosts: Hosts, templar: t.Any) -> t.Any:
    """Return hosts with variables and groups with members, or the error."""
    plugin = kind()
    everything = {"compose": {}, "groups": {}, "keyed_groups": [], "strict": False, "use_extra_vars": False, **_trusted(options)}
    plugin.get_option = {"leading_separator": True, **everything}.__getitem__
    plugin.inventory = InventoryData()
    plugin.templar = templar
    try:
        for number, facts in enumerate(hosts):
            name = f"host{number}"
            variables = inert(copy.deepcopy(facts))
            plugin.inventory.add_host(name)
            for variable, value in variables.items():
                plugin.inventory.set_variable(name, variable, value)
            plugin.inventory.add_child(plugin.inventory.add_group(f"default{number % 2}"), name)
            plugin.construct(name, variables)
    except Exception as error:
        return type(error).__name__, str(error)
    return (
        {name: _seen(host.vars) for name, host in plugin.inventory.hosts.items()},
        {
            name: (sorted(host.name for host in group.hosts), sorted(child.name for child in group.child_groups))
            for name, group in plugin.inventory.groups.items()
        },
    )


def _trusted(value: t.Any) -> t.Any:
    """Mark the user's texts as ansible-core does when it reads them."""
    if isinstance(value, str):
        return trusted(value)
    if isinstance(value, dict):
        return {key: _trusted(item) for key, item in value.items()}
    return [_trusted(item) for item in value] if isinstance(value, list) else value


def _seen(value: t.Any) -> t.Any:
    """Make comparable what can be seen of a value: its type, and whether it may be a template."""
    if isinstance(value, dict):
        return {str(key): _seen(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_seen(item) for item in value]
    if isinstance(value, str):
        return "text", str(value), hasattr(value, "__UNSAFE__"), "{" in value and _IS_TRUSTED is not None and _IS_TRUSTED(value)
    return type(value).__name__, value


def _both(options: Options, hosts: Hosts) -> tuple[t.Any, t.Any]:
    stock = _constructed(_Stock, options, hosts, Templar(loader=DataLoader()))
    return stock, _constructed(_Ours, options, hosts, RememberingTemplar(Templar(loader=DataLoader())))


# Values with which something is wrong for somebody: templates, other types written as text, empty ones.
TEXTS = st.sampled_from(
    ["prod", "test", "a b", "", "5", "True", "['a', 'b']", "[", '{"a": 1}', "{{ 7 * 7 }}", "#jinja2: x", "x\n", "None", "ä/ö", "-"]
)
TAGS = st.dictionaries(st.sampled_from(["env", "role", "Name", "items", "a b"]), TEXTS, max_size=4)
HOSTS = st.lists(
    st.fixed_dictionaries(
        {"ssm_tags": TAGS, "ssm_platform": TEXTS, "ssm_count": st.integers(0, 2), "ssm_flag": st.booleans()},
        optional={
            "ssm_list": st.lists(TEXTS, max_size=3),
            "ssm_ec2": st.fixed_dictionaries(
                {"groups": st.lists(st.fixed_dictionaries({"id": TEXTS}), max_size=2), "none": st.none()}
            ),
            "ssm_none": st.none(),
        },
    ),
    min_size=1,
    max_size=5,
)
PATHS = st.sampled_from(
    """
    ssm_tags.env; ssm_tags['role']; ssm_tags; ssm_platform; ssm_count; ssm_flag; ssm_none; ssm_list; ssm_list[0]; ssm_ec2.groups;
    ssm_ec2.groups[0].id; ssm_ec2.none; nowhere; ssm_tags.env.deeper; composed; inventory_hostname; group_names;
    ssm_tags['a\\x20b']; ssm_list.nothing
    """.replace("\n", "")
    .replace(" ", "")
    .split(";")
)
ENDINGS = [
    " | default('none')",
    " | default('')",
    " ~ '-' ~ ssm_count",
    " | upper",
    ".upper()",
    " == 'prod'",
    " is defined",
    " | length",
    " in ['prod', 'test']",
    " | default([]) | map(attribute='id') | list",
    " if ssm_flag else 'off'",
    " | dict2items",
    " | string | regex_replace('a', 'b')",
    "[:1]",
    " | nosuchfilter",
    " is none",
    ".split('-')",
    " +",
]
OTHERS = ["'literal'", "'True'", "5", "true", "none", "['x', 'y']", "''", "'{{ ssm_platform }}'", "lookup('pipe', 'echo x')"]
EXPRESSIONS = st.one_of(PATHS, st.sampled_from(OTHERS), st.builds(str.__add__, PATHS, st.sampled_from(ENDINGS)))
CONDITIONS = st.one_of(
    st.builds(str.__add__, PATHS, st.sampled_from([" is defined", " == 'prod'", " in ['5', 5]", " | bool", " > 1"])),
    st.sampled_from(
        ["true", "ssm_flag and ssm_count > 0", "not ssm_flag", "'default1' in group_names", "ssm_flag", "ssm_platform"]
    ),
)
OPTIONS = st.fixed_dictionaries(
    {
        "compose": st.dictionaries(st.sampled_from(["composed", "other", "ssm_tags"]), EXPRESSIONS, max_size=2),
        "groups": st.dictionaries(st.sampled_from(["some", "a-b"]), CONDITIONS, max_size=2),
        "keyed_groups": st.lists(
            st.fixed_dictionaries(
                {"key": EXPRESSIONS},
                optional={
                    "prefix": st.sampled_from(["", "p"]),
                    "separator": st.sampled_from(["", "-"]),
                    "parent_group": st.sampled_from(["above", "{{ ssm_platform }}", "{{ group_names[0] }}"]),
                    "default_value": st.just("none"),
                },
            ),
            max_size=2,
        ),
        "strict": st.booleans(),
        "leading_separator": st.booleans(),
    }
)


@settings(max_examples=60)
@given(OPTIONS, HOSTS)
def test_the_result_is_that_of_stock_constructable(options: Options, hosts: Hosts) -> None:
    stock, ours = _both(options, hosts)
    assert ours == stock


def _counting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what is left to Ansible's templar."""
    asked: list[str] = []
    for name in ("evaluate_expression", "evaluate_conditional", "template"):
        original = getattr(Templar, name, None)
        if original is not None:

            def noted(self: t.Any, text: t.Any, *args: t.Any, original: t.Any = original, **more: t.Any) -> t.Any:
                if "ssm_" in str(text):
                    asked.append(str(text))
                return original(self, text, *args, **more)

            monkeypatch.setattr(Templar, name, noted)
    return asked


def test_like_hosts_cost_no_more_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _counting(monkeypatch)
    options = {
        "compose": {"address": "ssm_platform", "site": "ssm_tags.site | default('cloud')"},
        "groups": {"some": "ssm_tags.env == 'prod'"},
        "keyed_groups": [{"key": "ssm_tags.env", "prefix": "env"}],
    }
    hosts = [{"ssm_platform": f"unique{number}", "ssm_tags": {"env": "prod", "Name": str(number)}} for number in range(50)]
    templar = RememberingTemplar(Templar(loader=DataLoader()))
    everything = _constructed(_Ours, options, hosts, templar)
    assert len(everything[0]) == 50
    assert len(asked) <= 3


def test_what_chance_decides_is_decided_for_each_host() -> None:
    options = {"compose": {"dice": "range(1000000) | random"}}
    everything = _constructed(_Ours, options, [{"ssm_count": 1}] * 5, RememberingTemplar(Templar(loader=DataLoader())))
    assert len({str(variables["dice"]) for variables in everything[0].values()}) > 1


def test_hosts_share_no_container() -> None:
    templar = RememberingTemplar(Templar(loader=DataLoader()))
    templar.available_variables = {"ssm_list": [trusted("a"), trusted("b")]}
    evaluate = templar.evaluate_expression if templar._types_kept else lambda text: templar.template("{{" + text + "}}")
    first, second = (evaluate(trusted("ssm_list | list")) for _time in range(2))
    first.append("c")
    assert second == ["a", "b"]
