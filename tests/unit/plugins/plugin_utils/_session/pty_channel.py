# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand in for the websocket and the agent: a channel whose other end is a local pseudo terminal with the session's command."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import pty
import signal
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session.channel import Traffic
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.channel_events import Closed, Event, KeyRequested, Output
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.figures import Throttling
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.protocol import DataChannelProtocol
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.session_service import DataKey, Started
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.turns import to_its_end


class PtyChannel:
    """A Channel, as Session knows it."""

    deaf_for = 0
    """How many of the first messages are lost, as an agent that is not ready loses them."""

    shell = "/bin/sh"
    environment: t.ClassVar[dict[str, str]] = dict(os.environ)

    asks: KeyRequested | None = None
    """What an agent with a key asks for; it goes deaf only where the client does not know that it shakes hands."""

    def __init__(
        self,
        url: str,
        token: str,
        peer: t.Any,
        on_event: t.Callable[[Event], None],
        *,
        reconnect_seconds: float,
        protocol: DataChannelProtocol,
    ) -> None:
        self.protocol = self
        self.handshakes = protocol._handshakes
        self.traffic = Traffic()
        self.opened = asyncio.Event()
        self._command = token
        self._on_event = on_event
        self._unsent = bytearray()
        self._wake = asyncio.Event()

    @property
    def backlog(self) -> int:
        return len(self._unsent)

    def send(self, data: bytes) -> None:
        if self.deaf_for:
            self.deaf_for -= 1
            return
        self._unsent += data
        self.traffic.bytes_up += len(data)
        self._wake.set()

    def encrypt(self, _cipher: t.Any, _answer: t.Any) -> None:
        """Begin, as the program of such a session does not before."""
        self.asks = None

    async def room(self, limit: int) -> None:
        while len(self._unsent) >= limit:
            await asyncio.sleep(0.001)

    async def run(self) -> None:
        self.opened.set()
        if self.asks is not None:
            self._on_event(dataclasses.replace(self.asks, deaf=self.asks.deaf and not self.handshakes))
        while self.asks is not None:
            await asyncio.sleep(0.001)
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(self.shell, ["sh", "-c", self._command], self.environment)
        os.set_blocking(terminal, False)
        try:
            await asyncio.gather(self._read(terminal), self._write(terminal))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGHUP)
            os.close(terminal)
            os.waitpid(pid, 0)

    async def _read(self, terminal: int) -> None:
        readable = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(terminal, readable.set)
        try:
            while True:
                await readable.wait()
                readable.clear()
                try:
                    data = os.read(terminal, 1024)
                except BlockingIOError:
                    continue
                except OSError:
                    self._on_event(Closed(""))
                    return
                self._on_event(Output(1, data))
        finally:
            loop.remove_reader(terminal)

    async def _write(self, terminal: int) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._unsent:
                try:
                    del self._unsent[: os.write(terminal, self._unsent[:65536])]
                except BlockingIOError:
                    await asyncio.sleep(0.001)


class LocalService:
    """A SessionService whose sessions are local; it counts what it was asked."""

    ssl_context = None
    region = "us-east-1"
    access_key = "AKIAEXAMPLE (env)"

    def __init__(self) -> None:
        self.started: list[str] = []
        self.terminated: list[str] = []
        self.refusals: dict[str, Exception] = {}
        self.slowness = 0.0
        self.connected: bool | None = True
        self.keys: list[tuple[str, dict[str, str]]] = []
        self.key_refusal: Exception | None = None
        self.shaking_hands: set[str] = set()

    async def start(
        self, target: str, document: str, parameters: dict[str, list[str]], reason: str, throttling: Throttling
    ) -> Started:
        await to_its_end(asyncio.sleep(self.slowness))
        self.started.append(document)
        if document in self.refusals:
            raise self.refusals[document]
        command = parameters["command"][0] if parameters else "exec sh -i"
        return Started(f"session-{len(self.started)}", command, "local:")

    async def is_connected(self, target: str) -> bool | None:
        await asyncio.sleep(self.slowness)
        return self.connected

    def take_remarks(self) -> list[t.Any]:
        return []

    async def data_key(self, key: str, context: dict[str, str], target: str) -> DataKey:
        self.keys.append((key, context))
        if self.key_refusal is not None:
            raise self.key_refusal
        return DataKey(bytes(64), b"encrypted")

    async def terminate(self, session_id: str, target: str, throttling: Throttling) -> None:
        self.terminated.append(session_id)
