# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Ask Patch Manager how nodes are patched, many at a time. I/O."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure, FailureKind
from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import option_name
from ansible_collections.fleet.ssm.plugins.module_utils._engine import shapes
from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api

Row = dict[str, t.Any]

_STATES = "InstancePatchStates"
_NODES = (("DescribeInstanceProperties", "InstanceProperties"), ("DescribeInstanceInformation", "InstanceInformationList"))
"""The console's operation has twenty times the page; not everyone is allowed it."""
# Where each patch is told, those are looked at that somebody has to do something about.
_TO_DO = ["Missing", "Failed", "InstalledPendingReboot", "InstalledRejected"]


def node_ids(api: Api) -> list[str]:
    """List all managed nodes."""
    (first, its_member), (second, other_member) = _NODES
    try:
        return [row["InstanceId"] for row in api.items(first, its_member)]
    except AwsFailure as failure:
        if failure.kind not in (FailureKind.DENIED, FailureKind.UNSUPPORTED):
            raise
        return [row["InstanceId"] for row in api.items(second, other_member)]


def targeted(api: Api, targets: t.Sequence[Row]) -> list[str] | None:
    """Give the nodes that all targets choose; None when AWS has no list of them, as for resource groups."""
    tags = [{"Key": one["key"], "Values": one["values"]} for one in targets if one["key"].startswith("tag")]
    ids = [one["values"] for one in targets if one["key"] == "InstanceIds" and "*" not in one["values"]]
    if any(one["key"] != "InstanceIds" and not one["key"].startswith("tag") for one in targets):
        return None
    if not tags and ids:
        chosen = list(ids[0])
    elif tags:
        operation, member = _NODES[1]
        chosen = [row["InstanceId"] for row in api.items(operation, member, Filters=tags)]
    else:
        chosen = node_ids(api)
    return [node for node in chosen if all(node in some for some in ids)]


def states_of(api: Api, ids: t.Iterable[str]) -> list[Row]:
    """Give the states of nodes, as many in a call as AWS lets there be; a node that was never scanned has none."""
    operation = "DescribeInstancePatchStates"
    most = api.request_shape(operation).members["InstanceIds"].metadata["max"]
    known = list(dict.fromkeys(ids))
    some = [known[start : start + most] for start in range(0, len(known), most)]
    return [_plain(api, operation, _STATES, row) for part in some for row in api.items(operation, _STATES, InstanceIds=part)]


def states_of_group(api: Api, group: str) -> list[Row]:
    """Give the states of the nodes of a patch group."""
    operation = "DescribeInstancePatchStatesForPatchGroup"
    return [_plain(api, operation, _STATES, row) for row in api.items(operation, _STATES, PatchGroup=group)]


def patches_of(api: Api, node_id: str, *, every: bool) -> list[Row]:
    """Give the patches of a node: every one, or those that something is to be done about."""
    operation, member = "DescribeInstancePatches", "Patches"
    wanted = {} if every else {"Filters": [{"Key": "State", "Values": _TO_DO}]}
    return [_plain(api, operation, member, row) for row in api.items(operation, member, InstanceId=node_id, **wanted)]


def _plain(api: Api, operation: str, member: str, row: Row) -> Row:
    plain: Row = shapes.to_result(api.answer_shape(operation).members[member].member, row, option_name)
    return plain
