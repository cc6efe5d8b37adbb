# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the options of the inventory may come from."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible_collections.fleet.ssm.plugins.inventory import managed_nodes
from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import NAMES

OPTIONS: dict[str, t.Any] = yaml.safe_load(managed_nodes.DOCUMENTATION)["options"]
# The file itself, and what Ansible has for every cache.
OF_THE_FILE = {"plugin", "cache_timeout"}


@pytest.mark.parametrize("name", sorted(set(OPTIONS) - OF_THE_FILE))
def test_every_option_can_come_from_the_environment(name: str) -> None:
    """AWX takes no variables for an inventory that comes from a project (awx issue 12263)."""
    assert OPTIONS[name]["env"] == [{"name": f"FLEET_SSM_{name.upper()}"}]


def test_no_option_hides_one_of_aws() -> None:
    assert not set(OPTIONS) & set(NAMES)


@pytest.mark.parametrize("text", managed_nodes.EXAMPLES.split("\n---\n"))
def test_every_example_is_an_inventory_file(text: str) -> None:
    example = yaml.safe_load(text)
    known = {*OPTIONS, *NAMES, "compose", "groups", "keyed_groups", "strict", "cache", "cache_plugin", "cache_connection"}
    assert example["plugin"] == managed_nodes.InventoryModule.NAME
    assert set(example) <= known
