# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the guide to AWX shows is what the inventory understands."""

from __future__ import annotations

import pathlib
import re
import textwrap
import typing as t

import pytest
import yaml
from ansible_collections.fleet.ssm.plugins.doc_fragments.aws import ModuleDocFragment
from ansible_collections.fleet.ssm.plugins.inventory import managed_nodes

GUIDE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "docsite" / "rst" / "guide_awx.rst"
VARIABLES = {
    variable["name"]
    for documentation in (managed_nodes.DOCUMENTATION, ModuleDocFragment.PLUGINS)
    for option in yaml.safe_load(documentation)["options"].values()
    for variable in option.get("env", ())
}


class _Loader(yaml.SafeLoader):
    """Takes Ansible's tag for text that is no template."""


_Loader.add_constructor("!unsafe", lambda _loader, node: str(node.value))


def _blocks() -> list[t.Any]:
    found = re.findall(
        r"^( *)\.\. code-block:: yaml(?:\+jinja)?\n\n((?:\1 +.*\n|\n)+)", GUIDE.read_text(encoding="utf-8"), re.MULTILINE
    )
    return [yaml.load(textwrap.dedent(text), _Loader) for _indent, text in found]


@pytest.fixture(scope="module")
def playbook() -> list[dict[str, t.Any]]:
    """The tasks that set up everything."""
    (plays,) = (block for block in _blocks() if isinstance(block, list))
    tasks: list[dict[str, t.Any]] = plays[0]["tasks"]
    return tasks


def _members(tasks: list[dict[str, t.Any]], module: str) -> list[dict[str, t.Any]]:
    return [task[f"awx.awx.{module}"] for task in tasks if f"awx.awx.{module}" in task]


def test_the_inventory_file_is_one() -> None:
    (inventory,) = (block for block in _blocks() if isinstance(block, dict) and "plugin" in block)
    assert inventory.pop("plugin") == managed_nodes.InventoryModule.NAME
    assert set(inventory) <= set(yaml.safe_load(managed_nodes.DOCUMENTATION)["options"])


def test_the_credential_type_injects_what_the_inventory_reads() -> None:
    (injectors,) = (block["env"] for block in _blocks() if isinstance(block, dict) and "env" in block)
    (inputs,) = (block for block in _blocks() if isinstance(block, dict) and "fields" in block)
    assert set(injectors) <= VARIABLES
    assert set(injectors.values()) == {"{{ " + field["id"] + " }}" for field in inputs["fields"]}


def test_clicks_and_code_make_the_same_credential_type(playbook: list[dict[str, t.Any]]) -> None:
    (credential_type,) = _members(playbook, "credential_type")
    assert credential_type["inputs"] in _blocks()
    assert credential_type["injectors"] in _blocks()


def test_what_the_code_refers_to_it_has_made_before(playbook: list[dict[str, t.Any]]) -> None:
    made: set[str] = {"Amazon Web Services"}
    for task in playbook:
        (module,) = (name for name in task if name.startswith("awx.awx."))
        members = task[module]
        referred = [
            members[name]
            for name in ("project", "source_project", "inventory", "execution_environment", "job_template")
            if name in members
        ]
        referred += [members.get("credential_type"), members.get("credential"), *members.get("credentials", [])]
        assert {name for name in referred if name} <= made, module
        made.add(members.get("name", ""))


def test_the_source_is_the_file_shown(playbook: list[dict[str, t.Any]]) -> None:
    (source,) = _members(playbook, "inventory_source")
    assert f"# {source['source_path']}" in GUIDE.read_text(encoding="utf-8")
