# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides to which nodes a command is handed now, which it is given up for, and what records of nodes answer. Pure.

Rules: https://docs.aws.amazon.com/systems-manager/latest/userguide/send-commands-velocity.html and monitor-commands.html.
"""

from __future__ import annotations

import datetime
import math
import typing as t

from tests.emulator.state import Command, Invocation, Node

UNDER_WAY = {"Pending", "InProgress", "Delayed", "Cancelling"}
_PERCENT = 100
_DIVIDER = "\n----------ERROR-------\n"


class Printed(t.NamedTuple):
    """How a step ended on a node: its exit code and what it printed."""

    response_code: int
    stdout: str
    stderr: str = ""


def advance(
    command: Command,
    moment: datetime.datetime,
    nodes: t.Mapping[str, Node],
    is_connected: t.Callable[[str], bool],
    timeout: float,
) -> list[str]:
    """Bring a command up to a moment; return the nodes to send it to."""
    for invocation in command.invocations.values():
        _finish_record(invocation, nodes.get(invocation.instance_id), moment)
        if invocation.status == "Pending":
            _give_up(command, invocation, nodes, moment, timeout)
    if errors(command) > allowed_errors(command):
        for invocation in _pending(command):
            end(invocation, moment, "Cancelled", "Terminated")
    return [invocation.instance_id for invocation in _begun(command, moment, nodes, is_connected)]


def end(invocation: Invocation, moment: datetime.datetime, status: str, details: str = "") -> None:
    """Have it over without an answer of the node."""
    invocation.status, invocation.details, invocation.ended = status, details, moment


def answer(invocation: Invocation, moment: datetime.datetime, step: str, action: str, printed: Printed) -> None:
    """Have it over as its only step ended, with what an agent would tell of that."""
    end(invocation, moment, "Failed" if printed.response_code else "Success")
    invocation.steps[step] = {
        "status": invocation.status,
        "code": printed.response_code,
        "name": action,
        "output": printed.stdout + (_DIVIDER + printed.stderr if printed.stderr else ""),
        "standardOutput": printed.stdout,
        "standardError": printed.stderr,
    }


def is_over(command: Command) -> bool:
    """Say whether it has ended on all nodes."""
    return not any(invocation.status in UNDER_WAY for invocation in command.invocations.values())


def errors(command: Command) -> int:
    """Count what counts against MaxErrors: not what never reached its node."""
    return sum(_is_error(invocation) for invocation in command.invocations.values())


def delivery_timed_out(command: Command) -> int:
    """Count what did not reach its node in time."""
    return sum(invocation.details == "DeliveryTimedOut" for invocation in command.invocations.values())


def allowed_errors(command: Command) -> int:
    """Say how many may fail."""
    return _of(command.max_errors, len(command.invocations), math.floor)


def _is_error(invocation: Invocation) -> bool:
    if invocation.status == "Failed":
        return invocation.details != "Undeliverable"
    return invocation.status == "TimedOut" and invocation.details != "DeliveryTimedOut"


def _pending(command: Command) -> list[Invocation]:
    return [one for one in command.invocations.values() if one.status == "Pending" and not one.delivered]


def _begun(
    command: Command, moment: datetime.datetime, nodes: t.Mapping[str, Node], is_connected: t.Callable[[str], bool]
) -> t.Iterator[Invocation]:
    at_once = max(1, _of(command.max_concurrency, len(command.invocations), math.ceil))
    free = at_once - sum(one.delivered and one.status in UNDER_WAY for one in command.invocations.values())
    for invocation in _pending(command):
        if free <= 0:
            return
        node = nodes.get(invocation.instance_id)
        if node is not None and node.answers:
            invocation.delivered, invocation.status, invocation.started = True, "InProgress", moment
            free -= 1
        elif is_connected(invocation.instance_id):
            invocation.delivered = True
            free -= 1
            yield invocation


def _give_up(
    command: Command, invocation: Invocation, nodes: t.Mapping[str, Node], moment: datetime.datetime, timeout: float
) -> None:
    if invocation.instance_id not in nodes:
        end(invocation, moment, "Failed", "Undeliverable")
    elif (moment - command.requested).total_seconds() >= timeout:
        end(invocation, moment, "TimedOut", "DeliveryTimedOut")


def _finish_record(invocation: Invocation, node: Node | None, moment: datetime.datetime) -> None:
    if node is None or not node.answers or invocation.status != "InProgress" or invocation.started is None:
        return
    if (moment - invocation.started).total_seconds() < float(node.answers.get("seconds", 0)):
        return
    told = node.answers
    printed = Printed(int(told.get("code", 0)), str(told.get("stdout", "")), str(told.get("stderr", "")))
    answer(invocation, moment, "record", "aws:runShellScript", printed)


def _of(said: str, nodes: int, to_whole: t.Callable[[float], int]) -> int:
    return to_whole(nodes * int(said[:-1]) / _PERCENT) if said.endswith("%") else int(said)
