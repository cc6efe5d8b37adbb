# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the nodes that a command's InstanceIds and Targets mean."""

from __future__ import annotations

import json
import typing as t

import moto.backends

from tests.emulator.answers import ApiError
from tests.emulator.operations import nodes
from tests.emulator.operations.registry import Caller, Params


def chosen(caller: Caller, params: Params) -> list[str]:
    """Return the nodes in their order; those that all targets mean."""
    ids: list[str] = params.get("InstanceIds", [])
    if len(set(ids)) < len(ids):
        raise ApiError("DuplicateInstanceId", "You can't specify a managed node ID in more than one association.")
    for instance_id in ids:
        if instance_id not in caller.state.nodes:
            raise ApiError(
                "InvalidInstanceId", f"Instances [[{instance_id}]] not in a valid state for account {caller.state.account}"
            )
    targets = params.get("Targets", [])
    if not ids and not targets:
        raise ApiError("InvalidTarget", "The target is not valid: give InstanceIds or Targets.")
    if not targets:
        return sorted(ids)
    return sorted({*ids, *(node for node in caller.state.nodes if all(_is_target(caller, node, target) for target in targets))})


def _is_target(caller: Caller, node: str, target: t.Any) -> bool:
    key, values = target["Key"], target.get("Values", [])
    if key == "InstanceIds":
        return node in values or "*" in values
    tags = nodes.tags_of(caller, caller.state.nodes[node])
    if key.startswith("tag:"):
        return tags.get(key[4:]) in values
    if key == "tag-key":
        return any(value in tags for value in values)
    if key == "resource-groups:Name":
        return all(_is_in_group(caller, tags, name) for name in values)
    raise ApiError("InvalidTarget", f"{key} is not a valid target key.")


def _is_in_group(caller: Caller, tags: dict[str, str], name: str) -> bool:
    """Say whether a node with these tags is in a group, which is moto's; of its queries those by tags are known."""
    backend: t.Any = moto.backends.get_backend("resource-groups")
    groups = backend[caller.state.account][caller.state.region].groups.by_name
    if name not in groups:
        return False
    query = json.loads(groups[name].resource_query["Query"])
    return all(tags.get(one["Key"]) in one["Values"] for one in query.get("TagFilters", []))
