# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The message service: one TLS port with the tokens' POST requests and all websockets, on an event loop of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import ssl
import threading
import typing as t
import xml.sax.saxutils

import aiohttp
from aiohttp import web

from tests.emulator import command_delivery
from tests.emulator.faults import Faults
from tests.emulator.state import Command, Session, State, now
from tests.emulator.statistics import Statistics

from . import jobs, limits
from .control_channels import ControlChannels, start_message
from .recording import Recording
from .relay import Relay
from .signed_requests import RefusedError, signer_of
from .socket import Socket

HOST = "127.0.0.1"
LOOK_AT_LIMITS_EVERY = 0.2
OPENING_TIMEOUT = 15.0  # for the first frame with the token
ROUND_TRIPS_TO_OPEN = 3  # TCP, TLS 1.3 and the upgrade, before the client's first frame


class Certificates(t.Protocol):
    """What the service asks of the certificates."""

    def server_context(self) -> ssl.SSLContext:
        """TLS for 127.0.0.1 and localhost."""


class Service:
    """state.MessageService; its methods may be called from any thread."""

    def __init__(
        self, state: State, statistics: Statistics, faults: Faults, certificates: Certificates, port: int = 0, delay_ms: int = 0
    ) -> None:
        self._state = state
        self._statistics = statistics
        self._faults = faults
        self.recording = Recording()
        self._tls = certificates.server_context()
        self.port = port
        self._relays: dict[str, Relay] = {}
        self._controls = ControlChannels(state, statistics, faults, self._finish)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="message-service", daemon=True)
        self._runner: web.AppRunner | None = None
        if delay_ms:
            faults.order({"delay": {"ms": delay_ms}})
        faults.on_cut(self._cut_now)
        faults.on_expire(self._expire_now)

    @property
    def url(self) -> str:
        """Where agents find it."""
        return f"https://{HOST}:{self.port}"

    def start(self) -> None:
        """Listen; ``port`` tells where."""
        self._thread.start()
        self._wait(self._open())

    def stop(self) -> None:
        """Cut everybody off and stop listening."""
        if not self._thread.is_alive():
            return
        self._wait(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    # what the control plane calls

    def is_connected(self, instance_id: str) -> bool:
        """Whether the node's agent has its control channel open."""
        return self._controls.is_connected(instance_id)

    def start_session(self, session: Session) -> str:
        """Tell the node's agent to start the session; return the token for the client's data channel."""
        relay = Relay(session.session_id, session.target, self.recording)
        self._relays[session.session_id] = relay
        token = relay.new_client_token()
        self._soon(self._controls.send(session.target, start_message(session)))
        return token

    def resume_session(self, session_id: str) -> str:
        """Return a fresh client token, or an empty text when the session is gone."""
        relay = self._relays.get(session_id)
        return relay.new_client_token() if relay is not None and not relay.over else ""

    def terminate_session(self, session_id: str) -> None:
        """Send channel_closed to agent and client."""
        self._wait(self._terminate(session_id))

    def stream_url(self, session_id: str) -> str:
        """The wss:// address for the client's data channel; the real one's query has a cell number too."""
        return f"wss://{HOST}:{self.port}/v1/data-channel/{session_id}?role=publish_subscribe&cell-number=emulator"

    def advance(self, command: Command) -> None:
        """Send a command to as many nodes as may run it now; the invocations' members change as agents reply."""
        # Accounts and regions other than the first have no agents, so that nothing can be handed over there.
        if command.command_id not in self._state.commands:
            return
        timeout = self._faults.limit.delivery or command.timeout_seconds
        with self._state.lock:
            is_there = command.stand_in.reaches if command.stand_in else self.is_connected
            chosen = command_delivery.advance(command, now(), self._state.nodes, is_there, timeout)
        for node in chosen:
            if command.stand_in:
                command.stand_in.begin(node)
                continue
            frame = jobs.job(command, node, self._state.region)
            self._soon(self._controls.send_job(node, jobs.job_id(command, node), frame))

    def cancel_job(self, command: Command, instance_id: str) -> None:
        """Tell a node's agent to stop a command."""
        job_id, frame = jobs.cancellation(command, instance_id, self._state.region)
        self._soon(self._controls.send_job(instance_id, job_id, frame))

    def disconnect_node(self, instance_id: str) -> None:
        """Close the node's control channel and end its sessions."""
        self._wait(self._disconnect(instance_id))

    # the event loop's side

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _soon(self, work: t.Coroutine[t.Any, t.Any, t.Any]) -> concurrent.futures.Future[t.Any]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _wait(self, work: t.Coroutine[t.Any, t.Any, t.Any]) -> None:
        self._soon(work).result(30)

    async def _open(self) -> None:
        app = web.Application(client_max_size=1 << 20)
        app.add_routes(
            [
                web.post("/v1/control-channel/{node}", self._control_token),
                web.post("/v1/data-channel/{session}", self._data_token),
                web.get("/v1/control-channel/{node}", self._control_socket),
                web.get("/v1/data-channel/{session}", self._data_socket),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self.port, ssl_context=self._tls, backlog=1024)
        await site.start()
        self._limits = asyncio.ensure_future(self._keep_limits())
        self.port = self._runner.addresses[0][1]

    async def _shut(self) -> None:
        self._limits.cancel()
        await self._cut("client", "")
        await self._cut("agent", "")
        self._controls.cut("")
        if self._runner is not None:
            await self._runner.cleanup()

    def _cut_now(self, side: str, node: str) -> None:
        self._soon(self._cut(side, node))

    def _expire_now(self, tokens: str) -> None:
        self._soon(self._expire(tokens))

    async def _cut(self, side: str, node: str) -> None:
        if side == "control":
            self._controls.cut(node)
            return
        role: t.Literal["client", "agent"] = "client" if side == "client" else "agent"
        for relay in list(self._relays.values()):
            socket = relay.socket(role)
            if socket is not None and node in ("", relay.node):
                socket.abort()

    async def _expire(self, tokens: str) -> None:
        if tokens == "agent":
            self._controls.expire_tokens()
        for relay in self._relays.values():
            if tokens == "client":
                relay.client_token = ""
            else:
                relay.agent_tokens.clear()

    async def _disconnect(self, node: str) -> None:
        for relay in [relay for relay in self._relays.values() if relay.node == node]:
            await self._terminate(relay.session_id)
        await self._controls.close(node)

    async def _terminate(self, session_id: str, output: str = "") -> None:
        relay = self._relays.get(session_id)
        if relay is None or relay.over:
            return
        message = relay.agent_message()
        await self._controls.send(relay.node, message)
        await self._finish(session_id, output)

    async def _keep_limits(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AT_LIMITS_EVERY)
            for command in [command for command in self._state.commands.values() if not command_delivery.is_over(command)]:
                self.advance(command)
            for session_id, relay in list(self._relays.items()):
                session = self._state.sessions.get(session_id)
                if session is not None and not relay.over and (reason := limits.exceeded(session, relay, self._faults.limit)):
                    await self._terminate(session_id, reason)

    async def _finish(self, session_id: str, output: str) -> None:
        relay = self._relays.get(session_id)
        if relay is None:
            return
        with self._state.lock:
            session = self._state.sessions.get(session_id)
            if session is not None and session.ended is None:
                session.ended = now()
                session.status = "Terminated"
        self._statistics.session_closed(session_id)
        await relay.close(output)

    # requests

    async def _control_token(self, request: web.Request) -> web.Response:
        self._statistics.call("ssmmessages", "CreateControlChannel")
        node = request.match_info["node"]
        refusal = await self._refusal(request, node)
        return refusal or token_answer("CreateControlChannelResponse", self._controls.new_token(node))

    async def _data_token(self, request: web.Request) -> web.Response:
        self._statistics.call("ssmmessages", "CreateDataChannel")
        relay = self._relays.get(request.match_info["session"])
        if relay is None:
            return error_answer(404, "ResourceNotFoundException", "There is no such session")
        refusal = await self._refusal(request, relay.node)
        if refusal is not None:
            return refusal
        if relay.over:  # the agent gives up on this very sentence (agent/session/config/config.go)
            return error_answer(400, "InvalidRequestException", "Session is already terminated")
        return token_answer("CreateDataChannelResponse", relay.new_agent_token())

    async def _refusal(self, request: web.Request, node: str) -> web.Response | None:
        """Return the answer for an agent that may not speak for this node."""
        try:
            signer = signer_of(request, self._state, await request.read())
        except RefusedError as error:
            return error_answer(403, "AccessDeniedException", str(error))
        if signer is None or (signer.node and signer.node != node) or node not in self._state.nodes:
            return error_answer(403, "AccessDeniedException", f"The request may not speak for {node}")
        return None

    async def _control_socket(self, request: web.Request) -> web.StreamResponse:
        node = request.match_info["node"]
        try:
            if signer_of(request, self._state) is None:
                return error_answer(403, "AccessDeniedException", "The request is not signed")
        except RefusedError as error:
            return error_answer(403, "AccessDeniedException", str(error))
        ws = web.WebSocketResponse(max_msg_size=0, compress=False)
        await ws.prepare(request)
        if not self._controls.accepts(node, await read_token(ws)):
            await ws.close()
            return ws
        await self._controls.serve(node, ws, request.transport)
        return ws

    async def _data_socket(self, request: web.Request) -> web.StreamResponse:
        relay = self._relays.get(request.match_info["session"])
        is_client = "cell-number" in request.query
        try:
            signed = signer_of(request, self._state) is not None
        except RefusedError as error:
            return error_answer(403, "AccessDeniedException", str(error))
        if is_client:
            self._statistics.call("ssmmessages", f"OpenDataChannel{'Signed' if signed else 'Unsigned'}")
            await asyncio.sleep(ROUND_TRIPS_TO_OPEN * self._faults.round_trip)
        ws = web.WebSocketResponse(max_msg_size=0, compress=False)
        await ws.prepare(request)
        token = await read_token(ws)
        role = relay.role_of(token) if relay is not None else None
        if relay is None or role is None:
            await ws.close()
            return ws
        await relay.serve(role, Socket(ws, request.transport, role, relay.node, self._faults, self._statistics))
        return ws


async def read_token(ws: web.WebSocketResponse) -> str:
    """Read the opening text frame; empty when there is none."""
    try:
        message = await ws.receive(OPENING_TIMEOUT)
        if message.type != aiohttp.WSMsgType.TEXT:
            return ""
        opening = json.loads(message.data)
    except (asyncio.TimeoutError, ValueError):
        return ""
    return str(opening.get("TokenValue") or "") if isinstance(opening, dict) else ""


def token_answer(name: str, token: str) -> web.Response:
    """The agent wants 201 and XML."""
    body = f"<{name}><MessageSchemaVersion>1.0</MessageSchemaVersion><TokenValue>{token}</TokenValue></{name}>"
    return web.Response(status=201, text=body, content_type="application/xml")


def error_answer(status: int, code: str, message: str) -> web.Response:
    """An error as the agent looks for it: by its text (controlchannel.go searches ``<AccessDeniedException>``)."""
    body = f"<{code}><Message>{xml.sax.saxutils.escape(message)}</Message></{code}>"
    return web.Response(status=status, text=body, content_type="application/xml")
