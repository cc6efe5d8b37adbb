# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hybrid nodes have tags, by Systems Manager and by Resource Groups Tagging."""

from __future__ import annotations

import typing as t

import pytest

from tests.integration.bare_server import BareServer
from tests.integration.emulator.calls import FLEET, activation, refused
from tests.integration.running_emulator import RunningEmulator

_MANAGED = "ManagedInstance"


def _arn(node: str) -> str:
    return f"arn:aws:ssm:us-east-1:123456789012:managed-instance/{node}"


def _tags(ssm: t.Any, node: str) -> dict[str, str]:
    tags = ssm.list_tags_for_resource(ResourceType=_MANAGED, ResourceId=node)["TagList"]
    return {tag["Key"]: tag["Value"] for tag in tags}


def test_tags_of_a_hybrid_node_are_added_changed_and_removed(ssm: t.Any, emulator: RunningEmulator) -> None:
    node = BareServer(emulator).register(activation(ssm, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]))
    ssm.add_tags_to_resource(ResourceType=_MANAGED, ResourceId=node, Tags=[{"Key": "b", "Value": "3"}, {"Key": "c", "Value": ""}])
    ssm.remove_tags_from_resource(ResourceType=_MANAGED, ResourceId=node, TagKeys=["a"])
    assert _tags(ssm, node) == {"b": "3", "c": ""}


@pytest.mark.parametrize("machine", ["mi-0123456789abcdef0", "web-1"])
def test_systems_manager_has_tags_of_registered_hybrid_nodes_only(ssm: t.Any, emulator: RunningEmulator, machine: str) -> None:
    with refused("InvalidResourceId"):
        _tags(ssm, emulator.nodes().get(machine, machine))


def test_the_tagging_api_knows_the_tags_of_a_hybrid_node(tagging: t.Any, emulator: RunningEmulator) -> None:
    arn = _arn(emulator.nodes()["db-1"])
    (mapping,) = tagging.get_resources(ResourceARNList=[arn, _arn("mi-0123456789abcdef0")])["ResourceTagMappingList"]
    assert mapping == {"ResourceARN": arn, "Tags": [{"Key": "Name", "Value": "db-1"}, {"Key": "role", "Value": "db"}]}


@pytest.mark.parametrize(
    ("wanted", "machines"),
    [
        ({"ResourceTypeFilters": ["ssm:managed-instance"]}, {"db-1"}),
        ({"ResourceTypeFilters": ["ssm:managed-instance"], "TagFilters": [{"Key": "role", "Values": ["web"]}]}, set()),
        ({"ResourceTypeFilters": ["ec2:instance"], "TagFilters": [{"Key": "env"}]}, {"web-1", "web-2"}),
        ({"TagFilters": [{"Key": "role", "Values": ["web", "db"]}]}, {"web-1", "web-2", "db-1"}),
        ({"TagFilters": [{"Key": "role"}, {"Key": "Patch Group", "Values": ["weekly"]}]}, {"web-2"}),
    ],
)
def test_the_tagging_api_finds_nodes_by_type_and_tags(tagging: t.Any, wanted: dict[str, t.Any], machines: set[str]) -> None:
    rows = tagging.get_resources(**wanted)["ResourceTagMappingList"]
    assert {tag["Value"] for row in rows for tag in row["Tags"] if tag["Key"] == "Name"} & FLEET == machines


def test_the_tagging_api_gives_pages(ssm: t.Any, tagging: t.Any, emulator: RunningEmulator) -> None:
    made = activation(ssm, RegistrationLimit=2, Tags=[{"Key": "site", "Value": "oslo"}])
    nodes = {BareServer(emulator).register(made) for _time in range(2)}
    paged = {"TagFilters": [{"Key": "site"}], "ResourceTypeFilters": ["ssm:managed-instance"], "ResourcesPerPage": 1}
    first = tagging.get_resources(**paged)
    second = tagging.get_resources(**paged, PaginationToken=first["PaginationToken"])
    assert {row["ResourceARN"] for page in (first, second) for row in page["ResourceTagMappingList"]} == set(map(_arn, nodes))
    assert second["PaginationToken"] == ""


@pytest.mark.parametrize("more", [{"TagFilters": [{"Key": "role"}]}, {"ResourceTypeFilters": ["ssm"]}, {"ResourcesPerPage": 10}])
def test_the_tagging_api_takes_arns_alone(tagging: t.Any, more: dict[str, t.Any]) -> None:
    with refused("InvalidParameterException", next(iter(more))):
        tagging.get_resources(ResourceARNList=[_arn("mi-0123456789abcdef0")], **more)
