# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Command: send a document to nodes and tell what became of it."""

from __future__ import annotations

import typing as t
import uuid

from tests.emulator import moments
from tests.emulator.answers import ApiError
from tests.emulator.operations import documents, nodes
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.paging import page
from tests.emulator.state import Command, Invocation, now

_STDOUT, _STDERR, _PLUGIN_OUTPUT = 24_000, 8_000, 2_500
_PLUGIN = "aws:runShellScript"
_UNDER_WAY = {"Pending", "InProgress", "Delayed", "Cancelling"}


@operation("SendCommand")
def send_command(caller: Caller, params: Params) -> Answer:
    """Send a command to nodes; those that are not connected stay pending."""
    document = documents.find(caller, params["DocumentName"])
    if documents.kind_of(document) != "Command":
        raise ApiError("InvalidDocument", f"Document {params['DocumentName']} is not a command document.")
    documents.check_parameters(document, params.get("Parameters", {}))
    chosen = _chosen_nodes(caller, params)
    command = Command(
        command_id=str(uuid.uuid4()),
        document_name=params["DocumentName"],
        parameters=params.get("Parameters", {}),
        comment=params.get("Comment", ""),
        requested=now(),
        timeout_seconds=params.get("TimeoutSeconds", 3600),
        document=document,
        instance_ids=params.get("InstanceIds", []),
        targets=params.get("Targets", []),
        invocations={node: Invocation(node) for node in chosen},
    )
    with caller.state.lock:
        caller.state.commands[command.command_id] = command
    for node in chosen:
        if caller.service.is_connected(node):
            caller.service.send_job(command, node)
            command.invocations[node].delivered = True
    return {"Command": _row(command)}


def _chosen_nodes(caller: Caller, params: Params) -> list[str]:
    ids: list[str] = params.get("InstanceIds", [])
    for instance_id in ids:
        if instance_id not in caller.state.nodes:
            raise ApiError(
                "InvalidInstanceId", f"Instances [[{instance_id}]] not in a valid state for account {caller.state.account}"
            )
    chosen = set(ids)
    for target in params.get("Targets", []):
        chosen |= {node for node in caller.state.nodes if _is_target(caller, node, target)}
    if not chosen and not params.get("Targets"):
        raise ApiError("InvalidTarget", "The target is not valid: give InstanceIds or Targets.")
    return sorted(chosen)


def _is_target(caller: Caller, node: str, target: t.Any) -> bool:
    key, values = target["Key"], target.get("Values", [])
    if key == "InstanceIds":
        return node in values or "*" in values
    if key.startswith("tag:"):
        return nodes.tags_of(caller, caller.state.nodes[node]).get(key[4:]) in values
    if key == "tag-key":
        return any(value in nodes.tags_of(caller, caller.state.nodes[node]) for value in values)
    raise ApiError("InvalidTarget", f"{key} is not a valid target key.")


@operation("ListCommands")
def list_commands(caller: Caller, params: Params) -> Answer:
    """List commands, newest first."""
    found = [
        command
        for command in reversed(caller.state.commands.values())
        if params.get("CommandId") in (None, command.command_id)
        and params.get("InstanceId") in (None, *command.invocations)
        and all(_passes(command, _states(command), given) for given in params.get("Filters", []))
    ]
    if params.get("CommandId") and not found:
        raise ApiError("InvalidCommandId", "The command ID is not valid.")
    rows, token = page(found, "ListCommands", params.get("MaxResults", 50), params.get("NextToken"))
    return {"Commands": [_row(command) for command in rows], "NextToken": token}


@operation("ListCommandInvocations")
def list_command_invocations(caller: Caller, params: Params) -> Answer:
    """List what became of commands on nodes; output only with Details, and little of it."""
    filters = params.get("Filters", [])
    if any(given["key"] == "ExecutionStage" for given in filters):
        raise ApiError("InvalidFilterKey", "The filter ExecutionStage is one of ListCommands only.")
    found = [
        (command, invocation)
        for command in caller.state.commands.values()
        for invocation in command.invocations.values()
        if params.get("CommandId") in (None, command.command_id)
        and params.get("InstanceId") in (None, invocation.instance_id)
        and all(_passes(command, {invocation.status, invocation.details}, given) for given in filters)
    ]
    rows, token = page(found, "ListCommandInvocations", params.get("MaxResults", 50), params.get("NextToken"))
    details = bool(params.get("Details"))
    return {"CommandInvocations": [_invocation_row(*row, details=details) for row in rows], "NextToken": token}


@operation("GetCommandInvocation")
def get_command_invocation(caller: Caller, params: Params) -> Answer:
    """Tell all about a command on one node."""
    command = caller.state.commands.get(params["CommandId"])
    invocation = command.invocations.get(params["InstanceId"]) if command else None
    if command is None or invocation is None:
        raise ApiError("InvocationDoesNotExist", "The command ID and instance ID you specified did not match any invocations.")
    if params.get("PluginName") not in (None, _PLUGIN, *(step["name"] for step in command.document.get("mainSteps") or [])):
        raise ApiError("InvalidPluginName", "The plugin name is not valid.")
    over = invocation.status not in _UNDER_WAY
    return {
        "CommandId": command.command_id,
        "InstanceId": invocation.instance_id,
        "Comment": command.comment,
        "DocumentName": command.document_name,
        "DocumentVersion": "",
        "PluginName": _PLUGIN,
        "ResponseCode": invocation.response_code,
        "ExecutionStartDateTime": moments.text(invocation.started),
        "ExecutionElapsedTime": _elapsed(invocation),
        "ExecutionEndDateTime": moments.text(invocation.ended),
        "Status": invocation.status,
        "StatusDetails": invocation.details or invocation.status,
        "StandardOutputContent": invocation.stdout[:_STDOUT] if over else "",
        "StandardOutputUrl": "",
        "StandardErrorContent": invocation.stderr[:_STDERR] if over else "",
        "StandardErrorUrl": "",
    }


def _elapsed(invocation: Invocation) -> str:
    if invocation.started is None or invocation.ended is None:
        return ""
    return f"PT{(invocation.ended - invocation.started).total_seconds():.3f}S"


def _states(command: Command) -> set[str]:
    """Return what the filters Status and ExecutionStage find a command by."""
    row = _row(command)
    details = {invocation.details for invocation in command.invocations.values() if invocation.status == row["Status"]}
    return {row["Status"], *details, "Executing" if row["Status"] in _UNDER_WAY else "Complete"}


def _passes(command: Command, states: set[str], given: dict[str, str]) -> bool:
    key, value = given["key"], given["value"]
    if key == "InvokedAfter":
        return command.requested >= moments.read(value)
    if key == "InvokedBefore":
        return command.requested < moments.read(value)
    if key == "DocumentName":
        return command.document_name == value
    return value in states


def _row(command: Command) -> Answer:
    invocations = command.invocations.values()
    statuses = [invocation.status for invocation in invocations]
    finished = [status for status in statuses if status not in _UNDER_WAY]
    status = next((status for status in statuses if status in _UNDER_WAY), None)
    status = status or next((status for status in statuses if status != "Success"), "Success")
    return {
        "CommandId": command.command_id,
        "DocumentName": command.document_name,
        "Comment": command.comment,
        "Parameters": command.parameters,
        "InstanceIds": command.instance_ids,
        "Targets": command.targets,
        "RequestedDateTime": command.requested,
        "Status": status,
        "StatusDetails": status,
        "TargetCount": len(statuses),
        "CompletedCount": len(finished),
        "ErrorCount": sum(status != "Success" for status in finished),
        "TimeoutSeconds": command.timeout_seconds,
    }


def _invocation_row(command: Command, invocation: Invocation, *, details: bool) -> Answer:
    plugin = {
        "Name": _PLUGIN,
        "Status": invocation.status,
        "StatusDetails": invocation.details or invocation.status,
        "ResponseCode": invocation.response_code,
        "ResponseStartDateTime": invocation.started,
        "ResponseFinishDateTime": invocation.ended,
        "Output": (invocation.stdout + invocation.stderr)[:_PLUGIN_OUTPUT],
    }
    return {
        "CommandId": command.command_id,
        "InstanceId": invocation.instance_id,
        "DocumentName": command.document_name,
        "Comment": command.comment,
        "RequestedDateTime": command.requested,
        "Status": invocation.status,
        "StatusDetails": invocation.details or invocation.status,
        "CommandPlugins": [plugin] if details else [],
    }
