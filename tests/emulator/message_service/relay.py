# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries the frames of one session between its client and its agent.

Both number, acknowledge and resend end to end; the service only passes frames on. What it does of itself: it pauses the
agent while the client is away, and refuses old tokens. What AWS's servers do with frames for a side that has gone is not
known; here they are lost, which is the harder case for both ends. Frames for a side that has yet to come are kept.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import typing as t

from tests.emulator import wire

from .recording import Recording
from .socket import Socket

_PATIENCE = 10.0  # seconds
KEPT_AT_MOST = 10_000  # frames for a side that has not come yet

Role = t.Literal["client", "agent"]


class Relay:
    """One session's two data channels."""

    def __init__(self, session_id: str, node: str, recording: Recording) -> None:
        self._recording = recording
        self.session_id = session_id
        self.node = node
        self.client_token = ""
        self.agent_tokens: set[str] = set()
        self.over = False
        self.began = self.last_input = time.monotonic()
        self._sockets: dict[Role, Socket | None] = {"client": None, "agent": None}
        self._kept: dict[Role, list[bytes] | None] = {"client": [], "agent": []}  # None once the side has come

    def new_client_token(self) -> str:
        """Make a token for the client; all older ones are worthless from now on."""
        self.client_token = secrets.token_urlsafe(96)
        return self.client_token

    def new_agent_token(self) -> str:
        """Make a token for the agent."""
        token = secrets.token_urlsafe(96)
        self.agent_tokens.add(token)
        return token

    def role_of(self, token: str) -> Role | None:
        """Tell whose token it is, or None for one that is refused."""
        if not token:
            return None
        if self.over:
            # A client that has yet to come is told so, and why.
            awaited = self._kept["client"] is not None and secrets.compare_digest(token, self.client_token)
            return "client" if awaited else None
        if secrets.compare_digest(token, self.client_token):
            return "client"
        return "agent" if token in self.agent_tokens else None

    def socket(self, role: Role) -> Socket | None:
        """Return the side's socket, when it is there."""
        return self._sockets[role]

    async def serve(self, role: Role, socket: Socket) -> None:
        """Be one side's data channel until its socket closes."""
        older, self._sockets[role] = self._sockets[role], socket
        if older is not None:
            older.abort()
        try:
            await self._greet(role, socket)
            await self._pass_on(role, socket)
        finally:
            if self._sockets[role] is socket:
                self._sockets[role] = None
                if role == "client" and not self.over:
                    await self._tell_agent("pause_publication")

    async def _greet(self, role: Role, socket: Socket) -> None:
        kept, self._kept[role] = self._kept[role], None
        if role == "client" and kept is None:
            await self._tell_agent("start_publication")
        elif role == "agent" and kept is None and self._sockets["client"] is None:
            await self._tell_agent("pause_publication")
        for frame in kept or ():
            await socket.send(frame)
        if self.over:
            asyncio.get_running_loop().call_later(_PATIENCE, socket.abort)

    async def _pass_on(self, role: Role, socket: Socket) -> None:
        other: Role = "agent" if role == "client" else "client"
        passes = (b"input_stream_data", b"acknowledge") if role == "client" else (b"output_stream_data", b"acknowledge")
        sockets = self._sockets
        async for frame in socket.frames():
            if wire.kind_of(frame) not in passes:  # agent_session_state and the like are for the service itself
                continue
            if wire.is_typed(frame):
                self.last_input = time.monotonic()
            self._recording.take(self.session_id, role, frame)
            target = sockets[other]
            if target is not None:
                await target.send(frame)
            else:
                kept = self._kept[other]
                if kept is not None and len(kept) < KEPT_AT_MOST:
                    kept.append(frame)

    async def _tell_agent(self, kind: str) -> None:
        agent = self._sockets["agent"]
        if agent is not None:
            await agent.send(wire.document(kind, {}))

    def agent_message(self) -> bytes:
        """Return the channel_closed frame for the agent."""
        return closed(self.session_id, self.node)

    async def close(self, output: str) -> None:
        """Tell both sides that the session is over, and close the client's socket."""
        if self.over:
            return
        self.over = True
        agent, client, kept = self._sockets["agent"], self._sockets["client"], self._kept["client"]
        if agent is not None:
            await agent.send(self.agent_message())
        last_words = closed(self.session_id, self.session_id, output)
        if client is not None:
            await client.send(last_words)
            # the plugin closes on its own; one that does not is not kept for ever
            asyncio.get_running_loop().call_later(_PATIENCE, client.abort)
        elif kept is not None:
            kept.append(last_words)


def closed(session_id: str, destination: str, output: str = "") -> bytes:
    """Return a channel_closed frame; the agent reads SessionId of it, the client Output."""
    message = wire.Message("channel_closed", flags=wire.ACK_FLAGS)
    content = {
        "MessageType": "channel_closed",
        "MessageId": str(message.id),
        "DestinationId": destination,
        "SessionId": session_id,
        "SchemaVersion": 1,
        "CreatedDate": str(message.created),
        "Output": output,
    }
    message.payload = json.dumps(content).encode()
    return wire.pack(message)
