# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry one data channel over websockets: connect, keep alive, reconnect after a cut.

All decisions about messages are the protocol's.
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
import random
import ssl
import sys
import typing as t
import urllib.parse
import uuid

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import payloads, websocket
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.channel_events import Event
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.encryption import SessionCipher
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import NodeUnreachable, ServiceUnavailable
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.protocol import DataChannelProtocol, State

if t.TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

_CUTS: tuple[type[Exception], ...] = (*websocket.LOST, ServiceUnavailable)

_PROVEN_SECONDS = 10
"""A token that the service refuses shows as a socket closed at once, so one that lived longer was accepted."""

_OVERDUE_SECONDS = 5.0
_FRAMES_AT_ONCE = 4
_OWED_AT_MOST = 64

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_SHORTEST_CALL = 1.0


@dataclasses.dataclass(slots=True)
class Traffic:
    """What went over the sockets, in websocket payload bytes."""

    bytes_up: int = 0
    bytes_down: int = 0
    reconnects: int = 0


def at_endpoint(endpoint: str, url: str) -> str:
    """Return a data channel's address at another endpoint; without one it stays."""
    if not endpoint:
        return url
    there = urllib.parse.urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    return urllib.parse.urlunsplit(urllib.parse.urlsplit(url)._replace(netloc=there.netloc))


class Peer(t.Protocol):
    """What a channel needs of the control plane."""

    async def resume(self, seconds: float) -> str:
        """Return a fresh token for the session; NodeUnreachable when it is gone, ServiceUnavailable when one may ask again.

        TimeoutError when a call takes longer than so many seconds.
        """

    @property
    def throttled_seconds(self) -> float:
        """How long AWS's throttling has held up this session's calls so far."""

    async def headers(self, url: str) -> dict[str, str]:
        """Return what signs the opening request; ServiceUnavailable when one may ask again."""

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """Whom to trust."""


class Channel:
    """A data channel that outlives its sockets; ``opened`` is set once there has been one.

    :param on_event: called with each event of the protocol, in order.
    :param reconnect_seconds: how long a cut may last before the session is given up.
    :param protocol: what is said over it.
    """

    def __init__(
        self,
        url: str,
        token: str,
        peer: Peer,
        on_event: t.Callable[[Event], None],
        *,
        reconnect_seconds: float,
        protocol: DataChannelProtocol,
    ) -> None:
        if websocket.IMPORT_ERROR is not None:
            raise NodeUnreachable(
                f"the Python library websockets is missing. Install it (pip install 'websockets>=15') for {sys.executable}."
            )
        self.protocol = protocol
        self.traffic = Traffic()
        self._url = url
        self._host = url.split("/")[2]
        self._token = token
        self._peer = peer
        self._on_event = on_event
        self._reconnect_seconds = reconnect_seconds
        self._over = False
        self._failing_since: float | None = None
        self._client_id = str(uuid.uuid4())
        self._loop = asyncio.get_running_loop()
        self.opened = asyncio.Event()
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._alarm = math.inf

    def send(self, data: bytes) -> None:
        """Pass input on; never waits. A writer of much looks at ``room`` first."""
        self.protocol.send_input(data, self._loop.time())
        self._wake.set()

    def encrypt(self, cipher: SessionCipher, answer: payloads.ProcessedAction) -> None:
        """Answer a KeyRequested."""
        self.protocol.encrypt(cipher, answer, self._loop.time())
        self._wake.set()

    async def room(self, limit: int) -> bool:
        """Wait until fewer than ``limit`` bytes of input are on their way, or none any more; True when that took a wait."""
        waited = False
        while self.protocol.backlog >= limit and not self._over:
            waited = True
            self._drained.clear()
            await self._drained.wait()
        return waited

    async def run(self) -> None:
        """Serve the channel until it is closed; raise NodeUnreachable when it is lost."""
        try:
            await self._reconnecting()
        finally:
            self._over = True
            self._drained.set()

    async def _reconnecting(self) -> None:
        while not self._closed():
            try:
                headers = await self._peer.headers(self._url)
                async with websocket.opening(self._url, headers, self._peer.ssl_context) as socket:
                    await self._serve(socket)
            except ssl.SSLCertVerificationError as error:
                raise NodeUnreachable(
                    f"the certificate of {self._host} is not trusted ({error.verify_message}). Set ca_bundle or AWS_CA_BUNDLE to"
                    " the file with the certificate authority, of your proxy for instance."
                ) from error
            except _CUTS as error:
                if self._closed():
                    return
                if websocket.got_too_much(error):
                    # Once more it would come again.
                    largest = websocket.LARGEST_MESSAGE
                    raise NodeUnreachable(f"{self._host} sent a message of more than {largest} bytes") from error
                await self._renew_token(error)

    async def _renew_token(self, error: Exception) -> None:
        """Wait and ask for another token, which a new socket needs, until there is one; give up when the time is over."""
        self._failing_since = self._failing_since or self._loop.time()
        while True:
            await self._pause(error)
            left = self._failing_since + self._reconnect_seconds - self._loop.time()
            throttled = self._peer.throttled_seconds
            try:
                self._token = await self._peer.resume(max(left, _SHORTEST_CALL))
            except (ServiceUnavailable, asyncio.TimeoutError) as unavailable:
                error = unavailable
            else:
                self.traffic.reconnects += 1
                return
            finally:
                # Throttling is no failure: it does not bring the end of the time nearer.
                self._failing_since += self._peer.throttled_seconds - throttled

    def _closed(self) -> bool:
        return self.protocol.state is State.CLOSED

    async def _pause(self, error: Exception) -> None:
        """Wait a little longer after each attempt, with jitter; give up when the time is over."""
        lasted = self._loop.time() - (self._failing_since or 0.0)
        if lasted > self._reconnect_seconds:
            raise NodeUnreachable(
                f"the data channel to {self._host} could not be opened (again) within {self._reconnect_seconds:g} s"
                f" (reconnect_timeout; {type(error).__name__}: {error}). Check the network path and the proxy to that host."
            ) from error
        await asyncio.sleep(random.uniform(0.5, 1) * min(_LONGEST_PAUSE, max(_FIRST_PAUSE, lasted)))  # noqa: S311

    async def _serve(self, socket: ClientConnection) -> None:
        await socket.send(payloads.open_channel(self._token, self._client_id))
        self.protocol.socket_opened(self._loop.time())
        self.opened.set()
        self._wake.set()
        proven = self._loop.call_later(_PROVEN_SECONDS, self._prove)
        tasks = [asyncio.ensure_future(work) for work in (self._read(socket), self._write(socket), self._keep_time())]
        in_order = False
        try:
            done, _pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            in_order = tasks[0] in done
        finally:
            if not in_order:
                # One that takes nothing would not shake hands to close either.
                socket.transport.abort()
            self.protocol.socket_lost(self._loop.time())
            proven.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    def _prove(self) -> None:
        """Count the socket as a good one."""
        self._failing_since = None

    async def _read(self, socket: ClientConnection) -> None:
        async for data in socket:
            frame = data.encode() if isinstance(data, str) else data
            self.traffic.bytes_down += len(frame)
            self._prove()
            self.protocol.receive(frame, self._loop.time())
            self._tell()
            self._wake_writer()
            if self._closed():
                return
            if self.protocol.outgoing > _OWED_AT_MOST:
                # Who floods us is read no faster than acknowledged: what could not be, would come again, message by message.
                await asyncio.sleep(0)
        # A normal close without channel_closed: the service has no reason to, so it is a cut like any other.
        raise ConnectionResetError("the service closed the socket")

    def _wake_writer(self) -> None:
        """Let the writer run if there is anything for it to do: most of what comes when much is sent are acknowledgements."""
        self._drained.set()
        deadline = self.protocol.deadline()
        if self.protocol.outgoing or (deadline is not None and deadline < self._alarm):
            self._wake.set()

    def _tell(self) -> None:
        for event in self.protocol.events():
            self._on_event(event)

    async def _write(self, socket: ClientConnection) -> None:
        while True:
            self._wake.clear()
            for index, frame in enumerate(self.protocol.take_outgoing()):
                if index % _FRAMES_AT_ONCE == 0:
                    # Let the loop notice a cut: asyncio takes what is written all the same, and complains on standard error.
                    await asyncio.sleep(0)
                self.traffic.bytes_up += len(frame)
                await socket.send(frame)
            self._drained.set()
            await self._sleep_until(self.protocol.deadline())
            self._do_what_is_due()
            if self._closed():
                return

    async def _keep_time(self) -> None:
        """Do what is due while the socket takes nothing, which holds up the writer: a dead service must be found out too."""
        while not self._closed():
            await asyncio.sleep(_OVERDUE_SECONDS)
            self._do_what_is_due()

    def _do_what_is_due(self) -> None:
        if (deadline := self.protocol.deadline()) is not None and deadline <= self._loop.time():
            self.protocol.wake(self._loop.time())
            self._tell()

    async def _sleep_until(self, deadline: float | None) -> None:
        """Wait for something to send, or for the moment when something is due."""
        if self._wake.is_set():
            return
        self._alarm = math.inf if deadline is None else deadline
        alarm = None if deadline is None else self._loop.call_at(deadline, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            self._alarm = math.inf
            if alarm is not None:
                alarm.cancel()
