# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Command: tell what became of what was sent."""

from __future__ import annotations

import datetime
import typing as t

from tests.emulator import command_delivery, moments
from tests.emulator.answers import ApiError
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.paging import page
from tests.emulator.state import Command, Invocation, now

_STDOUT, _STDERR, _PLUGIN_OUTPUT = 24_000, 8_000, 2_500
_PLUGIN = "aws:runShellScript"

Step = dict[str, t.Any]


@operation("ListCommands")
def list_commands(caller: Caller, params: Params) -> Answer:
    """List commands, newest first."""
    found = [
        command
        for command in reversed(_all(caller))
        if params.get("CommandId") in (None, command.command_id)
        and params.get("InstanceId") in (None, *command.invocations)
        and all(_passes(command, _states(command), given) for given in params.get("Filters", []))
    ]
    if params.get("CommandId") and not found:
        raise ApiError("InvalidCommandId", "The command ID is not valid.")
    rows, token = page(found, "ListCommands", _page_size(caller, params), params.get("NextToken"))
    return {"Commands": [row(command) for command in rows], "NextToken": token}


@operation("ListCommandInvocations")
def list_command_invocations(caller: Caller, params: Params) -> Answer:
    """List what became of commands on nodes; output only with Details, and little of it."""
    filters = params.get("Filters", [])
    if any(given["key"] == "ExecutionStage" for given in filters):
        raise ApiError("InvalidFilterKey", "The filter ExecutionStage is one of ListCommands only.")
    found = [
        (command, invocation)
        for command in _all(caller)
        for invocation in command.invocations.values()
        if params.get("CommandId") in (None, command.command_id)
        and params.get("InstanceId") in (None, invocation.instance_id)
        and all(_passes(command, {invocation.status, invocation.details}, given) for given in filters)
    ]
    rows, token = page(found, "ListCommandInvocations", _page_size(caller, params), params.get("NextToken"))
    details = bool(params.get("Details"))
    return {"CommandInvocations": [_invocation_row(caller, *one, details=details) for one in rows], "NextToken": token}


@operation("GetCommandInvocation")
def get_command_invocation(caller: Caller, params: Params) -> Answer:
    """Tell all about a command on one node, or about a step of it."""
    command = known(caller, params["CommandId"])
    invocation = command.invocations.get(params["InstanceId"]) if command else None
    if command is None or invocation is None:
        raise ApiError("InvocationDoesNotExist", "The command ID and instance ID you specified did not match any invocations.")
    name = params.get("PluginName")
    if name not in (None, _PLUGIN, *(step["name"] for step in command.document.get("mainSteps") or [])):
        raise ApiError("InvalidPluginName", "The plugin name is not valid.")
    steps = [step for step_id, step in invocation.steps.items() if name in (None, _PLUGIN, step_id)]
    telling = _telling(steps)
    over = invocation.status not in command_delivery.UNDER_WAY
    urls = _urls(caller, command, invocation, telling) if over and steps else ("", "")
    return {
        "CommandId": command.command_id,
        "InstanceId": invocation.instance_id,
        "Comment": command.comment,
        "DocumentName": command.document_name,
        "DocumentVersion": command.document_version,
        "PluginName": name or _PLUGIN,
        "ResponseCode": telling.get("code", -1) if over else -1,
        "ExecutionStartDateTime": moments.text(invocation.started),
        "ExecutionElapsedTime": _elapsed(invocation),
        "ExecutionEndDateTime": moments.text(invocation.ended),
        "Status": telling.get("status") or invocation.status if name and over else invocation.status,
        "StatusDetails": invocation.details or invocation.status,
        "StandardOutputContent": "".join(step.get("standardOutput") or "" for step in steps)[:_STDOUT] if over else "",
        "StandardOutputUrl": urls[0],
        "StandardErrorContent": "".join(step.get("standardError") or "" for step in steps)[:_STDERR] if over else "",
        "StandardErrorUrl": urls[1],
    }


def known(caller: Caller, command_id: str) -> Command | None:
    """Return a command, once AWS knows of it wherever it is asked."""
    command = caller.state.commands.get(command_id)
    return command if command is not None and _is_settled(caller, command) else None


def row(command: Command) -> Answer:
    """Describe a command."""
    invocations = command.invocations.values()
    status, details = _overall(command)
    return {
        "CommandId": command.command_id,
        "DocumentName": command.document_name,
        "DocumentVersion": command.document_version,
        "Comment": command.comment,
        "Parameters": command.parameters,
        "InstanceIds": command.instance_ids,
        "Targets": command.targets,
        "RequestedDateTime": command.requested,
        "ExpiresAfter": command.requested + datetime.timedelta(seconds=command.timeout_seconds),
        "Status": status,
        "StatusDetails": details,
        "OutputS3BucketName": command.bucket,
        "OutputS3KeyPrefix": command.key_prefix,
        "MaxConcurrency": command.max_concurrency,
        "MaxErrors": command.max_errors,
        "TargetCount": len(invocations),
        "CompletedCount": sum(one.status not in command_delivery.UNDER_WAY for one in invocations),
        "ErrorCount": command_delivery.errors(command),
        "DeliveryTimedOutCount": command_delivery.delivery_timed_out(command),
        "TimeoutSeconds": command.timeout_seconds,
    }


def _all(caller: Caller) -> list[Command]:
    return [command for command in caller.state.commands.values() if _is_settled(caller, command)]


def _is_settled(caller: Caller, command: Command) -> bool:
    return (now() - command.requested).total_seconds() >= caller.faults.lag


def _page_size(caller: Caller, params: Params) -> int:
    return min(int(params.get("MaxResults", 50)), caller.faults.longest_page or 50)


def _elapsed(invocation: Invocation) -> str:
    if invocation.started is None or invocation.ended is None:
        return ""
    return f"PT{(invocation.ended - invocation.started).total_seconds():.3f}S"


def _states(command: Command) -> set[str]:
    """Return what the filters Status and ExecutionStage find a command by."""
    status, overall_details = _overall(command)
    details = {invocation.details for invocation in command.invocations.values() if invocation.status == status}
    return {status, overall_details, *details, "Executing" if status in command_delivery.UNDER_WAY else "Complete"}


def _passes(command: Command, states: set[str], given: dict[str, str]) -> bool:
    key, value = given["key"], given["value"]
    if key == "InvokedAfter":
        return command.requested >= moments.read(value)
    if key == "InvokedBefore":
        return command.requested < moments.read(value)
    if key == "DocumentName":
        return command.document_name == value
    return value in states


def _overall(command: Command) -> tuple[str, str]:
    """Return status and details: as long as no more than MaxErrors failed, a command is a success."""
    statuses = {invocation.status for invocation in command.invocations.values()}
    details = {invocation.details for invocation in command.invocations.values()}
    if statuses & command_delivery.UNDER_WAY:
        going = "Pending" if statuses == {"Pending"} else "InProgress"
        status = "Cancelling" if command.cancelled else going
        return status, status
    if not statuses:
        return "Failed", "NoInstancesInTag"
    if command.cancelled:
        return "Cancelled", "Cancelled"
    if command_delivery.errors(command) > command_delivery.allowed_errors(command):
        return ("Failed", "Failed") if "Failed" in statuses else ("TimedOut", "ExecutionTimedOut")
    if details == {"DeliveryTimedOut"}:
        return "TimedOut", "DeliveryTimedOut"
    if details & {"DeliveryTimedOut", "Undeliverable"}:
        return "Failed", "Incomplete"
    return "Success", "Success"


def _invocation_row(caller: Caller, command: Command, invocation: Invocation, *, details: bool) -> Answer:
    node = caller.state.nodes.get(invocation.instance_id)
    over = invocation.status not in command_delivery.UNDER_WAY
    steps = invocation.steps.items() if over else ()
    rows = [_plugin(caller, command, invocation, step_id, step) for step_id, step in steps]
    urls = _urls(caller, command, invocation, next(iter(invocation.steps.values()))) if over and len(rows) == 1 else ("", "")
    return {
        "CommandId": command.command_id,
        "InstanceId": invocation.instance_id,
        "InstanceName": node.computer_name if node else "",
        "DocumentName": command.document_name,
        "DocumentVersion": command.document_version,
        "Comment": command.comment,
        "RequestedDateTime": command.requested,
        "Status": invocation.status,
        "StatusDetails": invocation.details or invocation.status,
        "StandardOutputUrl": urls[0],
        "StandardErrorUrl": urls[1],
        "CommandPlugins": (rows or [_plugin(caller, command, invocation, "", {})]) if details else [],
    }


def _plugin(caller: Caller, command: Command, invocation: Invocation, step_id: str, step: Step) -> Answer:
    # Of a document with one step AWS tells the kind of the step, not its name.
    is_only = len(command.document.get("mainSteps") or []) <= 1
    status = str(step.get("status") or invocation.status)
    urls = _urls(caller, command, invocation, step) if step else ("", "")
    return {
        "Name": str(step.get("name") or _PLUGIN) if is_only or not step_id else step_id,
        "Status": status,
        "StatusDetails": invocation.details if status == invocation.status and invocation.details else status,
        "ResponseCode": step.get("code", -1),
        "ResponseStartDateTime": invocation.started,
        "ResponseFinishDateTime": invocation.ended,
        "Output": str(step.get("output") or "")[:_PLUGIN_OUTPUT],
        "StandardOutputUrl": urls[0],
        "StandardErrorUrl": urls[1],
        "OutputS3BucketName": command.bucket,
        "OutputS3KeyPrefix": command.key_prefix,
    }


def _telling(steps: t.Sequence[Step]) -> Step:
    failed = (step for step in steps if step.get("status") not in ("Success", "Skipped"))
    return next(failed, steps[0] if steps else {})


def _urls(caller: Caller, command: Command, invocation: Invocation, step: Step) -> tuple[str, str]:
    """Return where the agent put the streams of a step (framework/runpluginutil, iohandler); a bucket was named or not."""
    if not command.bucket:
        return "", ""
    parts = (command.bucket, command.key_prefix, command.command_id, invocation.instance_id)
    folders = (str(step.get("name", "")).replace(":", ""), str(step.get("stepName", "")))
    place = "/".join([f"https://s3.{caller.state.region}.amazonaws.com", *filter(None, parts), *filter(None, folders)])
    return f"{place}/stdout", f"{place}/stderr"
