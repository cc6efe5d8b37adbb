# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's end of a session's data channel, with the real agent's manners (agent/session/datachannel/datachannel.go).

It numbers from 0, acknowledges after handling, holds what comes ahead of turn, looks every 100 ms at its oldest unacknowledged
message only, reconnects a few times, and neither acknowledges nor keeps a message whose handler is not ready. It has no window.
When its socket is cut between handling and acknowledging, it does not count the message: resent, it is handled a second time.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import random
import time
import typing as t
import uuid

import aiohttp

from tests.emulator import wire
from tests.emulator.agent.api import Api, Refused
from tests.emulator.agent.encryption import ENCRYPTED, Encryption, PanicError

_SCAN = 0.1
_FIRST_ROUND_TRIP, _FIRST_TIMEOUT, _LONGEST_TIMEOUT, _GRAIN = 0.1, 0.2, 1.0, 0.01
_KEPT = 100_000
_ATTEMPTS = 5
_RETRY_AFTER = 0.1  # to twice that, then doubling
_PING_EVERY = 54.0
LAST_ACKNOWLEDGEMENTS = 2.0
OVER = "Session is already terminated"  # the one error after which it does not try again

Take = t.Callable[[int, bytes], t.Awaitable[bool]]
"""Takes payload type and payload; False when it is not ready: the message is then forgotten."""


@dataclasses.dataclass
class Sent:
    """A message that was not acknowledged yet."""

    frame: bytes
    last_sent: float


class RoundTrip:
    """The agent's estimate of the round trip, and how long it waits for an acknowledgement (calculateRetransmissionTimeout)."""

    def __init__(self) -> None:
        self.timeout = _FIRST_TIMEOUT
        self._mean = _FIRST_ROUND_TRIP
        self._variation = 0.0

    def measured(self, seconds: float) -> None:
        """Take in one more; that of a message sent twice counts too."""
        self._variation = 0.75 * self._variation + 0.25 * abs(self._mean - seconds)
        self._mean = 0.875 * self._mean + 0.125 * seconds
        self.timeout = min(_LONGEST_TIMEOUT, self._mean + max(_GRAIN, 4 * self._variation))


class DataChannel:
    """A data channel across its sockets; ``on_closed`` is called when the service ends the session."""

    def __init__(self, api: Api, session_id: str, take: Take, on_closed: t.Callable[[], None]) -> None:
        self.active = asyncio.Event()  # not set while paused
        self.active.set()
        self.encryption: Encryption | None = None
        self._api = api
        self._session_id = session_id
        self._take = take
        self._on_closed = on_closed
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse[bool] | None = None
        self._unacknowledged: collections.OrderedDict[int, Sent] = collections.OrderedDict()
        self._next = 0
        self._expected = 0
        self._ahead: dict[int, wire.Message] = {}
        self._round_trip = RoundTrip()
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Connect; OSError when five attempts were in vain."""
        self._http = aiohttp.ClientSession()
        await self._connect()
        self._tasks = [asyncio.ensure_future(work) for work in (self._read(), self._resend())]
        await self.tell_state("Connected")

    async def send(self, payload_type: int, payload: bytes) -> None:
        """Send a stream message; while paused it is only kept, for the resender."""
        if not payload:
            return
        if self.encryption is not None and payload_type in ENCRYPTED:
            payload = self.encryption.encrypt(payload)
        number, self._next = self._next, self._next + 1
        flags = wire.SYN if number == 0 else 0
        frame = wire.pack(wire.Message("output_stream_data", payload, number, payload_type, flags))
        if len(self._unacknowledged) < _KEPT:
            self._unacknowledged[number] = Sent(frame, time.monotonic())
        if self.active.is_set():
            await self._write(frame)

    async def tell_state(self, state: str) -> None:
        """Tell the service how the session fares."""
        content = {"SchemaVersion": 1, "SessionState": state, "SessionId": self._session_id}
        await self._write(wire.document("agent_session_state", content))

    async def wait_for_acknowledgements(self) -> None:
        """Wait until all was acknowledged, at most two seconds; what was not is lost (PrepareToCloseChannel)."""
        deadline = time.monotonic() + LAST_ACKNOWLEDGEMENTS
        while self._unacknowledged and time.monotonic() < deadline:
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Wait for acknowledgements once more, and go."""
        if self._tasks:
            await self.wait_for_acknowledgements()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._socket.close(), 1)
        if self._http is not None:
            await self._http.close()

    # -- sockets ------------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        wait = random.uniform(_RETRY_AFTER, 2 * _RETRY_AFTER)
        for attempt in range(_ATTEMPTS):
            try:
                self._socket = await self._dial()
                self.active.set()
                return
            except (OSError, aiohttp.ClientError) as error:
                if attempt == _ATTEMPTS - 1 or OVER in str(error):
                    raise Refused(str(error)) from error
            await asyncio.sleep(wait)
            wait *= 2

    async def _dial(self) -> aiohttp.ClientWebSocketResponse[bool]:
        token = await asyncio.to_thread(self._api.create_data_channel, self._session_id)
        url, headers, tls = self._api.websocket(f"/v1/data-channel/{self._session_id}?role=publish_subscribe")
        if self._http is None:
            raise Refused("the channel was not opened")
        socket = await self._http.ws_connect(url, ssl=tls, headers=headers, max_msg_size=0, heartbeat=_PING_EVERY)
        await socket.send_str(self._api.opening_frame(token, ClientInstanceId=self._api.node, ClientId=str(uuid.uuid4())))
        return socket

    async def _read(self) -> None:
        while self._socket is not None:
            async for message in self._socket:
                if message.type == aiohttp.WSMsgType.BINARY:
                    try:
                        await self._receive(wire.unpack(message.data))
                    except PanicError as error:
                        print(f"{self._session_id}: WebsocketChannel listener run panic: {error}", flush=True)
                        return  # deaf for good, and nobody is told
            try:
                # While it is away, what is sent is lost, but kept for the resender.
                await asyncio.sleep(random.uniform(_RETRY_AFTER, 2 * _RETRY_AFTER))
                await self._connect()
            except Refused as error:
                print(f"{self._session_id}: {error}", flush=True)
                return  # the real agent tells nobody either; the session hangs until it is terminated

    async def _write(self, frame: bytes) -> bool:
        """Send a frame; False when there is no socket to take it."""
        if self._socket is None or self._socket.closed:
            return False
        try:
            await self._socket.send_bytes(frame)
        except (aiohttp.ClientError, ConnectionError):
            return False
        return True

    async def _resend(self) -> None:
        while True:
            await asyncio.sleep(_SCAN)
            if self._unacknowledged and self.active.is_set():
                oldest = next(iter(self._unacknowledged.values()))
                if time.monotonic() - oldest.last_sent > self._round_trip.timeout:
                    await self._write(oldest.frame)
                    oldest.last_sent = time.monotonic()

    # -- messages -----------------------------------------------------------------------------------------------------

    async def _receive(self, message: wire.Message) -> None:
        if message.type == "input_stream_data":
            self.active.set()
            await self._on_input(message)
        elif message.type == "acknowledge":
            self.active.set()
            self._on_acknowledge(message.json()["AcknowledgedMessageSequenceNumber"])
        elif message.type == "pause_publication":
            self.active.clear()
        elif message.type == "start_publication":
            self.active.set()
        elif message.type == "channel_closed":
            self._on_closed()

    async def _on_input(self, message: wire.Message) -> None:
        if message.sequence < self._expected:
            await self._write(wire.acknowledge(message))
        elif message.sequence > self._expected:
            if len(self._ahead) < _KEPT and await self._write(wire.acknowledge(message)):
                self._ahead[message.sequence] = message
        elif await self._handle(message) and await self._write(wire.acknowledge(message)):
            # Only now, as handleStreamDataMessage does it: not when the acknowledgement could not be sent.
            self._expected += 1
            await self._take_those_ahead()

    async def _handle(self, message: wire.Message) -> bool:
        payload: bytes | None = message.payload
        if self.encryption is not None and message.payload_type == wire.OUTPUT:
            payload = self.encryption.decrypt(message.payload)
        return payload is not None and await self._take(message.payload_type, payload)

    async def _take_those_ahead(self) -> None:
        while (following := self._ahead.get(self._expected)) is not None:
            if not await self._handle(following):
                return
            del self._ahead[self._expected]
            self._expected += 1

    def _on_acknowledge(self, number: int) -> None:
        sent = self._unacknowledged.pop(number, None)
        if sent is not None:
            self._round_trip.measured(time.monotonic() - sent.last_sent)
