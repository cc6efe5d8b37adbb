# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Command: send a document to nodes, and cancel what was sent."""

from __future__ import annotations

import uuid

from tests.emulator import command_delivery, command_targets
from tests.emulator.answers import ApiError
from tests.emulator.operations import documents, stand_ins
from tests.emulator.operations.command_lists import known, row
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.state import Command, Invocation, now


@operation("SendCommand")
def send_command(caller: Caller, params: Params) -> Answer:
    """Send a command to nodes, at first to as many as may run it at once; those that are not connected stay pending."""
    document = documents.find(caller, params["DocumentName"])
    if documents.kind_of(document) != "Command":
        raise ApiError("InvalidDocument", f"Document {params['DocumentName']} is not a command document.")
    documents.check_parameters(document, params.get("Parameters", {}))
    logs = params.get("CloudWatchOutputConfig", {})
    command = Command(
        command_id=str(uuid.uuid4()),
        document_name=params["DocumentName"],
        parameters=params.get("Parameters", {}),
        comment=params.get("Comment", ""),
        requested=now(),
        timeout_seconds=params.get("TimeoutSeconds", 3600),
        document=document,
        document_version=params.get("DocumentVersion", ""),
        instance_ids=params.get("InstanceIds", []),
        targets=params.get("Targets", []),
        max_concurrency=params.get("MaxConcurrency", "50"),
        max_errors=params.get("MaxErrors", "0"),
        bucket=params.get("OutputS3BucketName", ""),
        key_prefix=params.get("OutputS3KeyPrefix", ""),
        logs=bool(logs.get("CloudWatchOutputEnabled")),
        log_group=logs.get("CloudWatchLogGroupName", ""),
        invocations={node: Invocation(node) for node in command_targets.chosen(caller, params)},
    )
    command.stand_in = stand_ins.of(caller, command)
    # As AWS answers before it has looked for the nodes, it counts none.
    answer = {**row(command), "Status": "Pending", "StatusDetails": "Pending", "TargetCount": 0, "CompletedCount": 0}
    with caller.state.lock:
        caller.state.commands[command.command_id] = command
    caller.service.advance(command)
    return {"Command": answer}


@operation("CancelCommand")
def cancel_command(caller: Caller, params: Params) -> Answer:
    """Cancel a command at once where it was not begun; where it was, the agent is told to stop it."""
    command = known(caller, params["CommandId"])
    if command is None:
        raise ApiError("InvalidCommandId", "The command ID is not valid.")
    wanted = params.get("InstanceIds") or list(command.invocations)
    for node in wanted:
        if node not in command.invocations:
            raise ApiError("InvalidInstanceId", f"The command was not sent to {node}.")
    with caller.state.lock:
        command.cancelled = command.cancelled or not params.get("InstanceIds")
        begun = [node for node in wanted if _called_off(caller, command.invocations[node])]
    for node in begun:
        caller.service.cancel_job(command, node)
    return {}


def _called_off(caller: Caller, invocation: Invocation) -> bool:
    """Cancel a command on a node; say whether its agent has to do something about it."""
    node = caller.state.nodes.get(invocation.instance_id)
    if invocation.status not in command_delivery.UNDER_WAY:
        return False
    if not invocation.delivered or node is None or node.record:
        command_delivery.end(invocation, now(), "Cancelled")
        return False
    invocation.status = "Cancelling"
    return True
