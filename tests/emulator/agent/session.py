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
from tests.emulator.agent.encryption import Encryption
from tests.emulator.agent.machine import Machine
from tests.emulator.agent.noninteractive import NonInteractiveSession
from tests.emulator.agent.port import PortSession
from tests.emulator.agent.shell import ShellSession
from tests.emulator.agent.windows_shell import WindowsShellSession

_WORKER_START = 0.045  # the real worker is a process of its own
_SKIPS_HANDSHAKE_AFTER = 0.02  # the real one has been seen to take so long on a busy machine
_HANDSHAKE_WAIT = 15.0
_FAILED = "Encountered error while initiating handshake."
_ENCRYPTED_MESSAGE = "This session is encrypted using AWS KMS."

_Told = t.TypeVar("_Told")


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
_KINDS_ON_WINDOWS = {**_KINDS, "Standard_Stream": WindowsShellSession, "InteractiveCommands": WindowsShellSession}


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
        parameters, tagged_user = task.get("Parameters") or {}, str(task.get("RunAsUser") or "")
        self._plan = documents.read(task["DocumentContent"], parameters, tagged_user, machine.platform)
        kinds = _KINDS_ON_WINDOWS if machine.platform == "windows" else _KINDS
        self._kind = kinds[self._plan.kind](machine, self._plan)
        self._api = api
        encrypted = self._plan.key and self._plan.kind != "Port"
        self._encryption = Encryption(self._plan.key) if encrypted else None
        self._answer: asyncio.Queue[str] = asyncio.Queue(1)
        self._proof: asyncio.Queue[bool] = asyncio.Queue(1)
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
            if self._kind.handshakes or self._encryption is not None:
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
            await self._answer.put(await self._judge(json.loads(payload)))
            return True
        if payload_type == wire.CHALLENGE_RESPONSE and self._encryption is not None:
            if not self._encryption.is_proven_by(payload):
                return False
            await self._proof.put(True)
            return True
        if not self._handshake_over:
            return True  # acknowledged and thrown away (processStreamDataMessage)
        return await self._kind.take(payload_type, payload)

    async def _judge(self, answer: dict[str, t.Any]) -> str:
        """Act on the client's answer, before it is acknowledged (handleHandshakeResponse); return what is wrong with it."""
        failure = ""
        for action in answer.get("ProcessedClientActions") or []:
            if action.get("ActionStatus") != 1:
                failure = "{ActionType} failed on client with status {ActionStatus} error: {Error}".format(**action)
            elif action.get("ActionType") == "KMSEncryption" and self._encryption is not None:
                try:
                    await asyncio.to_thread(self._encryption.take_key, self._api, self.session_id, action["ActionResult"])
                except OSError as error:
                    failure = f"Fetching data key failed: Unable to retrieve data key, Error when decrypting data key {error}"
        if isinstance(self._kind, PortSession):
            self._kind.client_version = str(answer.get("ClientVersion"))
        return failure

    async def _shake_hands(self, channel: DataChannel) -> None:
        """Ask what the session's type and its key need."""
        started = time.monotonic_ns()
        properties = self._plan.properties if self._plan.kind == "Port" else None
        actions = [{"ActionType": "SessionType", "ActionParameters": {"SessionType": self._plan.kind, "Properties": properties}}]
        if self._encryption is not None:
            channel.encryption = self._encryption
            actions.append(self._encryption.action())
        request = {"AgentVersion": self._api.settings.agent_version, "RequestedClientActions": actions}
        await channel.send(wire.HANDSHAKE_REQUEST, json.dumps(request).encode())
        advice = "Handshake timed out. Please ensure that you have the latest version of the session manager plugin."
        if failure := await _until(self._answer, advice):
            raise ValueError(f"{_FAILED} {failure}")
        if self._encryption is not None:
            await channel.send(wire.CHALLENGE_REQUEST, self._encryption.challenge())
            await _until(self._proof, "Timed out waiting for encryption challenge.")
        complete = {
            "HandshakeTimeToComplete": time.monotonic_ns() - started,
            "CustomerMessage": _ENCRYPTED_MESSAGE if self._encryption is not None else "",
        }
        await channel.send(wire.HANDSHAKE_COMPLETE, json.dumps(complete).encode())
        # Nobody will take these, so the next put waits for ever.
        self._answer.put_nowait("")
        self._proof.put_nowait(True)
        self._handshake_over = True


async def _until(queue: asyncio.Queue[_Told], otherwise: str) -> _Told:
    """Wait for what the client tells; ValueError when it does not."""
    try:
        return await asyncio.wait_for(queue.get(), _HANDSHAKE_WAIT)
    except asyncio.TimeoutError:
        raise ValueError(f"{_FAILED} {otherwise}") from None
