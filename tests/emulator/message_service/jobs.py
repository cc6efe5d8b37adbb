# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Command over the control channel: the job that goes down and the replies that come up.

Shapes from amazon-ssm-agent: agent/session/contracts/model.go (AgentJobPayload, AgentJobReplyContent, AgentJobAck) and
agent/runcommand/contracts/model.go (SendCommandPayload, SendReplyPayload).
"""

from __future__ import annotations

import datetime
import json
import re
import typing as t
import uuid

from tests.emulator import wire
from tests.emulator.state import Command, Invocation, State, now

DONE = {"Success", "Failed", "TimedOut", "Cancelled"}
NOT_REPORTED = {"", "InProgress", "PassedAndReboot", "SuccessAndReboot"}
_DETAILS = {"TimedOut": "ExecutionTimedOut"}  # the agent speaks of the time that the document allows, not of the delivery


def job_id(command: Command, node: str) -> str:
    """Return what a command is called on one node."""
    return f"aws.ssm.{command.command_id}.{node}"


def job(command: Command, node: str, region: str) -> bytes:
    """Return the agent_job frame of a command."""
    content = {
        "Parameters": parameters_for_node(command.document.get("parameters") or {}, command.parameters),
        "DocumentContent": command.document,
        "CommandId": command.command_id,
        "DocumentName": command.document_name,
        "OutputS3KeyPrefix": command.key_prefix,
        "OutputS3BucketName": command.bucket,
        "CloudWatchLogGroupName": command.log_group,
        "CloudWatchOutputEnabled": str(command.logs).lower(),
    }
    return _frame(content, job_id(command, node), f"aws.ssm.sendCommand.{region}.{node}")


def cancellation(command: Command, node: str, region: str) -> tuple[str, bytes]:
    """Return the id and the frame of the job that cancels a command (agent/messageservice/utils, ParseCancelCommandMessage)."""
    own_id = f"aws.ssm.{uuid.uuid4()}.{node}"
    return own_id, _frame({"CancelMessageId": job_id(command, node)}, own_id, f"aws.ssm.cancelCommand.{region}.{node}")


def _frame(content: dict[str, t.Any], own_id: str, topic: str) -> bytes:
    job = {"Content": json.dumps(content), "JobId": own_id, "Topic": topic, "SchemaVersion": 1}
    return wire.document("agent_job", job, flags=0)


def parameters_for_node(declared: dict[str, t.Any], given: dict[str, list[str]]) -> dict[str, t.Any]:
    """Turn the API's lists of texts into what the document declares; the node does not (docparser/parameters)."""
    return {
        name: values if (declared.get(name) or {}).get("type") == "StringList" else values[0] if values else ""
        for name, values in given.items()
    }


def invocation_of(state: State, job_id: str) -> Invocation | None:
    """Find the invocation a JobId (aws.ssm.COMMAND.NODE) speaks of."""
    found = re.fullmatch(r"aws\.ssm\.(?P<command>[^.]+)\.(?P<node>[^.]+)", job_id)
    command = state.commands.get(found["command"]) if found else None
    return command.invocations.get(found["node"]) if command and found else None


def acknowledged(state: State, content: dict[str, t.Any]) -> None:
    """Take in agent_job_ack: the agent has the job."""
    with state.lock:
        invocation = invocation_of(state, str(content.get("jobId")))
        if invocation is not None and invocation.status == "Pending":
            invocation.status = "InProgress"
            invocation.started = now()


def replied(state: State, content: dict[str, t.Any]) -> None:
    """Take in agent_job_reply."""
    reply = json.loads(content["content"]) if isinstance(content.get("content"), str) else {}
    with state.lock:
        invocation = invocation_of(state, str(content.get("jobId")))
        if invocation is not None and invocation.status not in DONE:
            take_in(invocation, reply)


def take_in(invocation: Invocation, reply: dict[str, t.Any]) -> None:
    """Write what the agent reports into the invocation."""
    # Of a document with several steps each reply tells of one, and the last of none (agent/contracts/aggregator.go).
    invocation.steps.update(reply.get("runtimeStatus") or {})
    status = str(reply.get("documentStatus") or "")
    if status in NOT_REPORTED:
        return
    starts = [moment for step in invocation.steps.values() if (moment := moment_of(step.get("startDateTime")))]
    invocation.started = min(starts, default=invocation.started)
    invocation.ended = now()
    invocation.status = status
    invocation.details = _DETAILS.get(status, "")


def moment_of(text: t.Any) -> datetime.datetime | None:
    """Read the agent's time; Go's zero time means that there is none."""
    try:
        moment = datetime.datetime.fromisoformat(str(text)[:23].rstrip("Z") + "+00:00")
    except ValueError:
        return None
    return moment if moment.year > 1 else None
