# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags of hybrid nodes and other things of ours, by Systems Manager, and those of nodes by the tagging API."""

from __future__ import annotations

import sys
import typing as t

import moto.backends

from tests.emulator.answers import ApiError, LeaveToMotoError
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.paging import page

_KIND = "ManagedInstance"
_OURS = {"Document", "MaintenanceWindow", "PatchBaseline"}
"""Kinds that moto is never asked for."""
_RESOURCE_TYPE = "ssm:managed-instance"
_TAGGING: t.Final = "resourcegroupstaggingapi"
_MOST = 100  # resources a page


def _tags_of(caller: Caller, params: Params) -> dict[str, str]:
    """Give the tags of what is asked for, to be changed; what is not ours is moto's affair."""
    kind, resource_id = params["ResourceType"], params["ResourceId"]
    if kind != _KIND:
        if (kind, resource_id) in caller.state.tags:
            return caller.state.tags[kind, resource_id]
        if kind not in _OURS:
            raise LeaveToMotoError
    node = caller.state.nodes.get(resource_id)
    if kind != _KIND or node is None or not node.instance_id.startswith("mi-"):
        raise ApiError("InvalidResourceId", "The resource ID is not valid. Verify that you entered the correct ID and try again.")
    return node.tags


@operation("AddTagsToResource")
def add_tags_to_resource(caller: Caller, params: Params) -> Answer:
    """Set tags."""
    with caller.state.lock:
        _tags_of(caller, params).update({tag["Key"]: tag["Value"] for tag in params["Tags"]})
    return {}


@operation("RemoveTagsFromResource")
def remove_tags_from_resource(caller: Caller, params: Params) -> Answer:
    """Remove tags."""
    with caller.state.lock:
        tags = _tags_of(caller, params)
        for key in params["TagKeys"]:
            tags.pop(key, None)
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(caller: Caller, params: Params) -> Answer:
    """List the tags of one thing."""
    return {"TagList": _tags(_tags_of(caller, params))}


@operation("GetResources", _TAGGING)
def get_resources(caller: Caller, params: Params) -> Answer:
    """List tagged resources: hybrid nodes are ours, all others moto's."""
    _check_request(params)
    found = _managed(caller, params) | _elsewhere(caller, params)
    arns, token = page(
        sorted(found),
        "GetResources",
        params.get("ResourcesPerPage", _MOST),
        params.get("PaginationToken"),
        "PaginationTokenExpiredException",
    )
    return {
        "ResourceTagMappingList": [{"ResourceARN": arn, "Tags": _tags(found[arn])} for arn in arns],
        "PaginationToken": token or "",
    }


def _check_request(params: Params) -> None:
    others = sorted(set(params) & {"ResourceTypeFilters", "TagFilters", "ResourcesPerPage", "TagsPerPage", "PaginationToken"})
    if "ResourceARNList" in params and others:
        raise ApiError("InvalidParameterException", f"ResourceARNList cannot be combined with {', '.join(others)}.")
    if not 1 <= params.get("ResourcesPerPage", _MOST) <= _MOST:
        raise ApiError("InvalidParameterException", f"ResourcesPerPage must be between 1 and {_MOST}")


def _managed(caller: Caller, params: Params) -> dict[str, dict[str, str]]:
    """Return the tags of the hybrid nodes that are asked for, by ARN."""
    if not {_RESOURCE_TYPE, "ssm"}.intersection(params.get("ResourceTypeFilters", [_RESOURCE_TYPE])):
        return {}
    prefix = _prefix(caller)
    nodes = {prefix + node.instance_id: node.tags for node in caller.state.nodes.values() if node.resource_type == _KIND}
    return {
        arn: tags
        for arn, tags in nodes.items()
        if tags and arn in params.get("ResourceARNList", nodes) and _meets(tags, params.get("TagFilters", []))
    }


def _meets(tags: dict[str, str], filters: list[Params]) -> bool:
    return all(given["Key"] in tags and (not given.get("Values") or tags[given["Key"]] in given["Values"]) for given in filters)


def _elsewhere(caller: Caller, params: Params) -> dict[str, dict[str, str]]:
    """Return the tags of moto's resources, by ARN; it goes through all of its services for that, so only when it must."""
    kinds = [kind for kind in params.get("ResourceTypeFilters", []) if kind != _RESOURCE_TYPE]
    arns = [arn for arn in params.get("ResourceARNList", []) if not arn.startswith(_prefix(caller))]
    if not (kinds or arns) and ("ResourceTypeFilters" in params or "ResourceARNList" in params):
        return {}
    backend: t.Any = moto.backends.get_backend(_TAGGING)[caller.state.account][caller.state.region]
    _token, found = backend.get_resources(
        resources_per_page=sys.maxsize,
        tags_per_page=sys.maxsize,
        tag_filters=params.get("TagFilters", []),
        resource_type_filters=kinds,
        resource_arn_list=arns,
    )
    return {resource.arn: dict(resource.tags) for resource in found}


def _prefix(caller: Caller) -> str:
    return f"arn:aws:ssm:{caller.state.region}:{caller.state.account}:managed-instance/"


def _tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
