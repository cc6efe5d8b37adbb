# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags of hybrid nodes, by Systems Manager and by the tagging API."""

from __future__ import annotations

from tests.emulator.answers import ApiError, LeaveToMotoError
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.paging import page
from tests.emulator.state import Node

_KIND = "ManagedInstance"
_TAGGING = "resourcegroupstaggingapi"


def _node(caller: Caller, params: Params) -> Node:
    if params["ResourceType"] != _KIND:
        raise LeaveToMotoError
    node = caller.state.nodes.get(params["ResourceId"])
    if node is None or not node.instance_id.startswith("mi-"):
        raise ApiError("InvalidResourceId", "The resource ID is not valid. Verify that you entered the correct ID and try again.")
    return node


@operation("AddTagsToResource")
def add_tags_to_resource(caller: Caller, params: Params) -> Answer:
    """Set tags."""
    node = _node(caller, params)
    with caller.state.lock:
        node.tags.update({tag["Key"]: tag["Value"] for tag in params["Tags"]})
    return {}


@operation("RemoveTagsFromResource")
def remove_tags_from_resource(caller: Caller, params: Params) -> Answer:
    """Remove tags."""
    node = _node(caller, params)
    with caller.state.lock:
        for key in params["TagKeys"]:
            node.tags.pop(key, None)
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(caller: Caller, params: Params) -> Answer:
    """List the tags of one node."""
    return {"TagList": _tags(_node(caller, params))}


@operation("GetResources", _TAGGING)
def get_resources(caller: Caller, params: Params) -> Answer:
    """List hybrid nodes that have tags, chosen or all."""
    prefix = f"arn:aws:ssm:{caller.state.region}:{caller.state.account}:managed-instance/"
    chosen = params.get("ResourceARNList")
    kinds = params.get("ResourceTypeFilters")
    if chosen is None and kinds is not None and "ssm:managed-instance" not in kinds:
        raise LeaveToMotoError
    tagged = {
        prefix + node.instance_id: node for node in caller.state.nodes.values() if node.tags and node.instance_id.startswith("mi-")
    }
    found = [arn for arn in sorted(tagged) if chosen is None or arn in chosen]
    rows, token = page(
        found, "GetResources", params.get("ResourcesPerPage", 100), params.get("PaginationToken"), "PaginationTokenExpiredException"
    )
    return {
        "ResourceTagMappingList": [{"ResourceARN": arn, "Tags": _tags(tagged[arn])} for arn in rows],
        "PaginationToken": token or "",
    }


def _tags(node: Node) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(node.tags.items())]
