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

from tests.emulator import wire
from tests.emulator.state import Command, Invocation, State, now

DONE = {"Success", "Failed", "TimedOut", "Cancelled"}
NOT_REPORTED = {"", "InProgress", "PassedAndReboot", "SuccessAndReboot"}
_DETAILS = {"TimedOut": "ExecutionTimedOut"}  # the agent speaks of the time that the document allows, not of the delivery
KEPT_CHARACTERS = 24_000  # GetCommandInvocation's limit


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
        "OutputS3KeyPrefix": "",
        "OutputS3BucketName": "",
        "CloudWatchLogGroupName": "",
        "CloudWatchOutputEnabled": "false",
    }
    return wire.document(
        "agent_job",
        {
            "Content": json.dumps(content),
            "JobId": job_id(command, node),
            "Topic": f"aws.ssm.sendCommand.{region}.{node}",
            "SchemaVersion": 1,
        },
        flags=0,
    )


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
    steps = list((reply.get("runtimeStatus") or {}).values())
    invocation.stdout = "".join(step.get("standardOutput") or "" for step in steps)[:KEPT_CHARACTERS]
    invocation.stderr = "".join(step.get("standardError") or "" for step in steps)[:KEPT_CHARACTERS]
    status = str(reply.get("documentStatus") or "")
    if status in NOT_REPORTED:
        return
    failed = [step for step in steps if step.get("status") not in ("Success", "Skipped")]
    invocation.response_code = int((failed or steps or [{}])[0].get("code", -1))
    starts = [moment for step in steps if (moment := moment_of(step.get("startDateTime")))]
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
