# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One session on a node: what the real agent does in an ssm-session-worker process (plugins/sessionplugin/sessionplugin.go)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import typing as t

from tests.emulator import wire
from tests.emulator.agent import documents
from tests.emulator.agent.api import Api
from tests.emulator.agent.data_channel import DataChannel
from tests.emulator.agent.machine import Machine
from tests.emulator.agent.noninteractive import NonInteractiveSession
from tests.emulator.agent.port import PortSession
from tests.emulator.agent.shell import ShellSession

_WORKER_START = 0.045  # the real worker is a process of its own
_SKIPS_HANDSHAKE_AFTER = 0.02  # the real one has been seen to take so long on a busy machine
_HANDSHAKE_WAIT = 15.0


class Kind(t.Protocol):
    """What every kind of session has."""

    handshakes: bool

    async def take(self, payload_type: int, payload: bytes) -> bool:
        """Take input."""

    async def run(self, channel: DataChannel) -> bool:
        """Do the session's work; ValueError has the reason why it could not begin."""

    def cancel(self) -> None:
        """End it."""


_KINDS: dict[str, t.Callable[[Machine, documents.Plan], Kind]] = {
    "Standard_Stream": ShellSession,
    "InteractiveCommands": ShellSession,
    "NonInteractiveCommands": NonInteractiveSession,
    "Port": PortSession,
}


#: Agents that know a kind of session (the agent's release notes).
_SINCE = {
    "Standard_Stream": (2, 3, 68),
    "InteractiveCommands": (2, 3, 668),
    "Port": (2, 3, 672),
    "NonInteractiveCommands": (3, 0, 1124),
}


class AgentSession:
    """A session from interactive_shell to agent_task_complete."""

    def __init__(self, api: Api, machine: Machine, task: dict[str, t.Any]) -> None:
        self.session_id: str = task["SessionId"]
        self._plan = documents.read(task["DocumentContent"], task.get("Parameters") or {})
        self._kind = _KINDS[self._plan.kind](machine, self._plan)
        self._api = api
        self._answer: asyncio.Queue[dict[str, t.Any]] = asyncio.Queue(1)
        self._handshake_over = False
        self._work: asyncio.Task[str] | None = None
        self._cancelled = False

    def cancel(self) -> None:
        """End it: TerminateSession."""
        self._cancelled = True
        self._kind.cancel()
        if self._work is not None and not self._handshake_over:
            self._work.cancel()

    async def run(self) -> str:
        """Serve the session to its end; return why it failed, or an empty text."""
        await asyncio.sleep(_WORKER_START)
        channel = DataChannel(self._api, self.session_id, self._take, self.cancel)
        try:
            await channel.open()
            if self._cancelled:
                return ""
            if tuple(int(part) for part in self._api.settings.agent_version.split(".")) < _SINCE[self._plan.kind]:
                known = "is not supported by this version of ssm agent, please update to latest version"
                return f"Plugin with name {self._plan.kind} {known}. Step name: {self._plan.kind}"
            self._work = asyncio.ensure_future(self._serve(channel))
            with contextlib.suppress(asyncio.CancelledError):
                return await self._work
            return ""
        except OSError as error:
            return f"Setting up data channel with id {self.session_id} failed: {error}"
        finally:
            await channel.close()

    async def _serve(self, channel: DataChannel) -> str:
        try:
            if self._kind.handshakes:
                await self._shake_hands(channel)
            else:
                # It listens already, and what comes before it knows that there is no handshake is lost (SkipHandshake).
                await asyncio.sleep(_SKIPS_HANDSHAKE_AFTER)
                self._handshake_over = True
            await self._kind.run(channel)
        except ValueError as error:
            return str(error)
        return ""

    async def _take(self, payload_type: int, payload: bytes) -> bool:
        if payload_type == wire.HANDSHAKE_RESPONSE:
            # An answer too many is never taken up: the socket's reader hangs on it for good (datachannel.go, responseChan).
            await self._answer.put(json.loads(payload))
            return True
        if not self._handshake_over:
            return True  # acknowledged and thrown away (processStreamDataMessage)
        return await self._kind.take(payload_type, payload)

    async def _shake_hands(self, channel: DataChannel) -> None:
        """Ask what the session's type needs; one more action in the list would be KMSEncryption."""
        started = time.monotonic_ns()
        properties = self._plan.properties if self._plan.kind == "Port" else None
        actions = [{"ActionType": "SessionType", "ActionParameters": {"SessionType": self._plan.kind, "Properties": properties}}]
        request = {"AgentVersion": self._api.settings.agent_version, "RequestedClientActions": actions}
        await channel.send(wire.HANDSHAKE_REQUEST, json.dumps(request).encode())
        try:
            answer = await asyncio.wait_for(self._answer.get(), _HANDSHAKE_WAIT)
        except asyncio.TimeoutError:
            advice = "Please ensure that you have the latest version of the session manager plugin."
            raise ValueError(f"Encountered error while initiating handshake. Handshake timed out. {advice}") from None
        for action in answer.get("ProcessedClientActions") or []:
            if action.get("ActionStatus") != 1:
                raise ValueError(f"{action.get('ActionType')} failed on client: {action.get('Error')}")
        if isinstance(self._kind, PortSession):
            self._kind.client_version = str(answer.get("ClientVersion"))
        took = time.monotonic_ns() - started
        await channel.send(wire.HANDSHAKE_COMPLETE, json.dumps({"HandshakeTimeToComplete": took, "CustomerMessage": ""}).encode())
        self._answer.put_nowait({})  # nobody will take this one, so the next put waits for ever
        self._handshake_over = True
