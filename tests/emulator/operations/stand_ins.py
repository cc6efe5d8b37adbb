# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out some documents of AWS, whose steps nobody outside has, by functions of the emulator in place of the agents."""

from __future__ import annotations

import dataclasses
import threading
import typing as t

from tests.emulator import command_delivery
from tests.emulator.command_delivery import Printed
from tests.emulator.operations import nodes
from tests.emulator.operations.registry import Caller
from tests.emulator.state import Command, now

_MOMENT = 0.05
"""How many seconds each takes."""


class Document(t.NamedTuple):
    """A document: what it does on a node, and what its step is called."""

    work: t.Callable[[Caller, Command, str], Printed]
    step: str


DOCUMENTS: dict[str, Document] = {}
"""By name. Agents, real ones too, never see a command of one of these."""


def of(caller: Caller, command: Command) -> StandIn | None:
    """Return what carries out a command in place of the agents, None when they do so themselves."""
    document = DOCUMENTS.get(command.document_name)
    return StandIn(caller, command, document) if document else None


@dataclasses.dataclass(frozen=True)
class StandIn:
    """One for all nodes of a command."""

    caller: Caller
    command: Command
    document: Document

    def reaches(self, instance_id: str) -> bool:
        """Say whether a node is online, be it only a record."""
        node = self.caller.state.nodes.get(instance_id)
        return node is not None and nodes.ping_status(self.caller, node) == "Online"

    def begin(self, instance_id: str) -> None:
        """Have it done in a moment."""
        invocation = self.command.invocations[instance_id]
        with self.caller.state.lock:
            invocation.status, invocation.started = "InProgress", now()
        timer = threading.Timer(_MOMENT, self._finish, (instance_id,))
        timer.daemon = True
        timer.start()

    def _finish(self, instance_id: str) -> None:
        invocation = self.command.invocations[instance_id]
        with self.caller.state.lock:
            if invocation.status == "Cancelling":
                invocation.status, invocation.ended = "Cancelled", now()
            if invocation.status != "InProgress":
                return
            printed = self.document.work(self.caller, self.command, instance_id)
            command_delivery.answer(invocation, now(), self.document.step, self.document.step, printed)
        self.caller.service.advance(self.command)
