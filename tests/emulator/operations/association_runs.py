# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What associations do on nodes: each run is a command, and tells of itself by what became of that."""

from __future__ import annotations

import collections
import typing as t
import uuid

from tests.emulator import moments
from tests.emulator.answers import ApiError
from tests.emulator.operations import commands
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.paging import page
from tests.emulator.state import AssociationRun, Invocation, now

_OF_COMMANDS = {
    **dict.fromkeys(("Pending", "Delayed"), "Pending"),
    **dict.fromkeys(("InProgress", "Cancelling"), "InProgress"),
    "Success": "Success",
}
_FAILED = "Failed"
# The first that any node has is what the whole is.
_WORST_FIRST = ("InProgress", "Pending", _FAILED, "Success")
_COMPARISONS: dict[str, t.Callable[[t.Any, t.Any], bool]] = {
    "EQUAL": lambda have, given: have == given,
    "LESS_THAN": lambda have, given: have < given,
    "GREATER_THAN": lambda have, given: have > given,
}


def begin(caller: Caller, association: Answer, nodes: list[str]) -> None:
    """Carry out an association on nodes."""
    limits = {name: association.get(name) or "100%" for name in ("MaxConcurrency", "MaxErrors")}
    known = {"DocumentName": association["Name"], "Parameters": association.get("Parameters") or {}}
    request = {**known, **limits, "InstanceIds": nodes}
    command_id = commands.send_command(caller, request)["Command"]["CommandId"]
    run = AssociationRun(str(uuid.uuid4()), association["AssociationId"], association["AssociationVersion"], now(), command_id)
    with caller.state.lock:
        caller.state.association_runs.setdefault(run.association_id, []).append(run)


def overview(caller: Caller, association_id: str) -> Answer:
    """Tell what became of the last run, as a description of the association does; nothing when there was none."""
    runs = caller.state.association_runs.get(association_id)
    if not runs:
        return {}
    counts = _counts(caller, runs[-1])
    status = _whole(counts)
    told = {"Status": status, "DetailedStatus": status, "AssociationStatusAggregatedCount": dict(counts)}
    return {"Overview": told, "LastExecutionDate": runs[-1].created}


def on_node(caller: Caller, association_id: str, node: str) -> Answer:
    """Tell what became of the last run on a node."""
    runs = caller.state.association_runs.get(association_id)
    invocation = _invocations(caller, runs[-1]).get(node) if runs else None
    if not runs or invocation is None:
        return {}
    status = _status(invocation)
    return {"Status": status, "DetailedStatus": status, "ExecutionDate": runs[-1].created}


@operation("DescribeAssociationExecutions")
def describe_association_executions(caller: Caller, params: Params) -> Answer:
    """List the runs of an association, the newest first."""
    rows = [_row(caller, run) for run in reversed(_runs(caller, params))]
    for given in params.get("Filters", []):
        value = moments.read(given["Value"]) if given["Key"] == "CreatedTime" else given["Value"]
        rows = [row for row in rows if _COMPARISONS[given["Type"]](row[given["Key"]], value)]
    rows, token = page(rows, "DescribeAssociationExecutions", params.get("MaxResults", 50), params.get("NextToken"))
    return {"AssociationExecutions": rows, "NextToken": token}


@operation("DescribeAssociationExecutionTargets")
def describe_association_execution_targets(caller: Caller, params: Params) -> Answer:
    """List the nodes of a run."""
    run = next((one for one in _runs(caller, params) if one.execution_id == params["ExecutionId"]), None)
    if run is None:
        raise ApiError("AssociationExecutionDoesNotExist", "The specified execution ID does not exist.")
    rows = [_target_row(run, invocation) for invocation in _invocations(caller, run).values()]
    for given in params.get("Filters", []):
        rows = [row for row in rows if row[given["Key"]] == given["Value"]]
    rows, token = page(rows, "DescribeAssociationExecutionTargets", params.get("MaxResults", 50), params.get("NextToken"))
    return {"AssociationExecutionTargets": rows, "NextToken": token}


def _runs(caller: Caller, params: Params) -> list[AssociationRun]:
    if params["AssociationId"] not in caller.state.state_manager:
        raise ApiError("AssociationDoesNotExist", "The specified association does not exist.")
    return caller.state.association_runs.get(params["AssociationId"], [])


def _row(caller: Caller, run: AssociationRun) -> Answer:
    counts = _counts(caller, run)
    status = _whole(counts)
    return {
        "AssociationId": run.association_id,
        "AssociationVersion": run.version,
        "ExecutionId": run.execution_id,
        "Status": status,
        "DetailedStatus": status,
        "CreatedTime": run.created,
        "LastExecutionDate": run.created,
        "ResourceCountByStatus": "{" + ", ".join(f"{name}={count}" for name, count in counts.items()) + "}",
    }


def _target_row(run: AssociationRun, invocation: Invocation) -> Answer:
    status = _status(invocation)
    return {
        "AssociationId": run.association_id,
        "AssociationVersion": run.version,
        "ExecutionId": run.execution_id,
        "ResourceId": invocation.instance_id,
        "ResourceType": "ManagedInstance",
        "Status": status,
        "DetailedStatus": status,
        "LastExecutionDate": run.created,
        "OutputSource": {"OutputSourceId": run.command_id, "OutputSourceType": "RunCommand"},
    }


def _invocations(caller: Caller, run: AssociationRun) -> dict[str, Invocation]:
    return caller.state.commands[run.command_id].invocations


def _status(invocation: Invocation) -> str:
    return _OF_COMMANDS.get(invocation.status, _FAILED)


def _counts(caller: Caller, run: AssociationRun) -> collections.Counter[str]:
    return collections.Counter(map(_status, _invocations(caller, run).values()))


def _whole(counts: collections.Counter[str]) -> str:
    return next(status for status in _WORST_FIRST if counts[status])
