# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agents' control channels: which node is connected, what is sent to it, what it reports."""

from __future__ import annotations

import asyncio
import collections
import json
import secrets
import typing as t

import aiohttp
from aiohttp import web

from tests.emulator import wire
from tests.emulator.faults import Faults
from tests.emulator.state import Session, State, now
from tests.emulator.statistics import Statistics

from . import jobs

Finished = t.Callable[[str, str], t.Awaitable[None]]  # session id, the reason or ""


class ControlChannel:
    """One agent's open control channel."""

    def __init__(self, ws: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        self.ws = ws
        self.transport = transport

    def abort(self) -> None:
        """Cut the connection: no closing handshake."""
        if self.transport is not None:
            self.transport.abort()


class ControlChannels:
    """All of them; everything but ``is_connected`` runs on the service's event loop."""

    def __init__(self, state: State, statistics: Statistics, faults: Faults, finished: Finished) -> None:
        self._state = state
        self._statistics = statistics
        self._faults = faults
        self._finished = finished
        self._open: dict[str, ControlChannel] = {}
        self._tokens: dict[str, str] = {}
        self._waiting: dict[str, list[bytes]] = {}
        self._jobs: dict[str, dict[str, bytes]] = collections.defaultdict(dict)

    def is_connected(self, node: str) -> bool:
        """Whether the node's agent is there."""
        return node in self._open

    def new_token(self, node: str) -> str:
        """Make a token for a node's agent."""
        token = secrets.token_urlsafe(96)
        self._tokens[token] = node
        return token

    def expire_tokens(self) -> None:
        """Make all tokens given out so far worthless."""
        self._tokens.clear()

    def accepts(self, node: str, token: str) -> bool:
        """Whether a token is good for this node."""
        return self._tokens.get(token) == node

    def cut(self, node: str) -> None:
        """Cut a node's channel, or all when ``node`` is empty."""
        for name, channel in list(self._open.items()):
            if node in ("", name):
                channel.abort()

    async def close(self, node: str) -> None:
        """Close a node's channel for good."""
        self._tokens = {token: owner for token, owner in self._tokens.items() if owner != node}
        channel = self._open.get(node)
        if channel is not None:
            await channel.ws.close()

    async def serve(self, node: str, ws: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        """Be a node's control channel until its socket closes."""
        channel = ControlChannel(ws, transport)
        older, self._open[node] = self._open.get(node), channel
        if node in self._state.nodes:
            self._state.nodes[node].connected = now()
        if older is not None:
            older.abort()
        try:
            for frame in [*self._waiting.pop(node, []), *self._jobs[node].values()]:
                await self._send_by(channel, node, frame)
            async for message in ws:
                if message.type == aiohttp.WSMsgType.BINARY:
                    await self._take_in(node, message.data)
        finally:
            if self._open.get(node) is channel:
                del self._open[node]

    async def send(self, node: str, frame: bytes) -> None:
        """Send a frame to a node, now or when it is back."""
        channel = self._open.get(node)
        if channel is None or not await self._send_by(channel, node, frame):
            self._waiting.setdefault(node, []).append(frame)

    async def send_job(self, node: str, job_id: str, frame: bytes) -> None:
        """Send a job to a node, and again whenever it is back, until the agent says that it has it."""
        self._jobs[node][job_id] = frame
        channel = self._open.get(node)
        if channel is not None:
            await self._send_by(channel, node, frame)

    async def _send_by(self, channel: ControlChannel, node: str, frame: bytes) -> bool:
        try:
            await channel.ws.send_bytes(frame)
        except (ConnectionError, RuntimeError):
            return False
        self._statistics.traffic("agent_down", len(frame))
        if self._faults.control_frame(node).cut:
            channel.abort()
        return True

    async def _take_in(self, node: str, frame: bytes) -> None:
        self._statistics.traffic("agent_up", len(frame))
        if self._faults.control_frame(node).cut:
            self._open[node].abort()
        try:
            message = wire.unpack(frame)
            handler = self.HANDLERS.get(message.type)
            if handler is not None:
                await handler(self, node, message)
        except wire.BadFrameError:
            return  # the real service's answer is not known

    async def _task_complete(self, node: str, message: wire.Message) -> None:
        content = message.json()
        session_id, topic = str(content.get("TaskId")), str(content.get("Topic"))
        answer = {"SchemaVersion": 1, "MessageId": str(message.id), "TaskId": session_id, "Topic": topic}
        await self.send(node, wire.document("agent_task_acknowledge", answer))
        failed = content.get("FinalTaskStatus") not in ("Success", "Cancelled")
        await self._finished(session_id, str(content.get("Output") or "") if failed else "")

    async def _job_acknowledged(self, node: str, message: wire.Message) -> None:
        content = message.json()
        self._jobs[node].pop(str(content.get("jobId")), None)
        jobs.acknowledged(self._state, content)

    async def _job_replied(self, node: str, message: wire.Message) -> None:
        content = message.json()
        jobs.replied(self._state, content)
        answer = {"jobId": str(content.get("jobId")), "acknowledgedMessageId": str(message.id)}
        await self.send(node, wire.document("agent_job_reply_ack", answer, flags=0))

    HANDLERS: t.ClassVar[dict[str, t.Callable[[ControlChannels, str, wire.Message], t.Awaitable[None]]]] = {
        "agent_task_complete": _task_complete,
        "agent_job_ack": _job_acknowledged,
        "agent_job_reply": _job_replied,
    }


def start_message(session: Session) -> bytes:
    """Return the interactive_shell frame that has an agent start a session (model.go, AgentTaskPayload)."""
    content = {
        "DocumentName": session.document_name,
        "DocumentContent": session.document,
        "SessionId": session.session_id,
        "Parameters": jobs.parameters_for_node(session.document.get("parameters") or {}, session.parameters),
        "RunAsUser": session.run_as,
        "SessionOwner": session.owner,
    }
    return wire.document(
        "interactive_shell",
        {
            "Content": json.dumps(content),
            "TaskId": session.session_id,
            "Topic": "aws.ssm.interactiveShell",
            "SchemaVersion": 1,
        },
        flags=0,
    )
