# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One websocket with the troubles of a network: delay, loss, duplicates, disorder, cuts."""

from __future__ import annotations

import asyncio
import collections
import collections.abc
import typing as t

import aiohttp
from aiohttp import web

from tests.emulator.fault_rules import Verdict
from tests.emulator.statistics import Direction


class Faults(t.Protocol):
    """What a socket asks of the faults held."""

    @property
    def one_way(self) -> float:
        """Seconds that a frame takes."""

    def frame(self, direction: Direction, node: str) -> Verdict:
        """What is to become of a frame."""


class Traffic(t.Protocol):
    """What a socket tells the statistics."""

    def traffic(self, direction: Direction, size: int) -> None:
        """Count a frame."""


class Socket:
    """A data channel's socket; frames go in and come out through the faults and the statistics."""

    def __init__(
        self, ws: web.WebSocketResponse, transport: asyncio.Transport | None, side: str, node: str, faults: Faults, traffic: Traffic
    ) -> None:
        self._ws = ws
        self._transport = transport
        self._node = node
        self._faults = faults
        self._traffic = traffic
        self.side = side
        self._up: Direction = "client_up" if side == "client" else "agent_up"
        self._down: Direction = "client_down" if side == "client" else "agent_down"
        self._is_far = side == "client"  # the delay lies between client and service, as agents live near AWS
        self._cut = False
        self._late: bytes | None = None
        self._queue: collections.deque[tuple[float, bytes]] = collections.deque()
        self._queued = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    def abort(self) -> None:
        """Cut the connection: no closing handshake, and what is on its way is lost."""
        self._cut = True
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """Close in order."""
        await self._ws.close()

    async def frames(self) -> collections.abc.AsyncIterator[bytes]:
        """Yield the binary frames that survive."""
        arrivals = self._delayed(self._arrivals()) if self._is_far and self._faults.one_way else self._arrivals()
        async for frame in arrivals:
            yield frame

    async def _arrivals(self) -> collections.abc.AsyncIterator[bytes]:
        late: bytes | None = None
        count, verdict_of, node, direction = self._traffic.traffic, self._faults.frame, self._node, self._up
        async for message in self._ws:
            if message.type != aiohttp.WSMsgType.BINARY:
                continue
            if self._cut:
                return
            frame: bytes = message.data
            count(direction, len(frame))
            verdict = verdict_of(direction, node)
            if verdict.late and late is None:
                late = frame
            else:
                for _time in range(verdict.copies):
                    yield frame
                if late is not None:
                    yield late
                    late = None
            if verdict.cut:
                self.abort()

    async def _delayed(self, frames: collections.abc.AsyncIterator[bytes]) -> collections.abc.AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()

        async def collect() -> None:
            try:
                async for frame in frames:
                    queue.put_nowait((loop.time() + self._faults.one_way, frame))
            finally:
                queue.put_nowait(None)

        collector = loop.create_task(collect())
        try:
            while (item := await queue.get()) is not None:
                wait = item[0] - loop.time()
                if wait > 0:
                    await asyncio.sleep(wait)
                yield item[1]
        finally:
            collector.cancel()

    async def send(self, frame: bytes) -> None:
        """Send a frame, or lose it: a socket that has gone does not complain."""
        if self._cut:
            return
        verdict = self._faults.frame(self._down, self._node)
        if verdict.late and self._late is None:
            self._late = frame
        else:
            for _time in range(verdict.copies):
                await self._deliver(frame)
            if self._late is not None:
                late, self._late = self._late, None
                await self._deliver(late)
        if verdict.cut:
            self.abort()

    async def _deliver(self, frame: bytes) -> None:
        one_way = self._faults.one_way if self._is_far else 0
        if not one_way and not self._queue:
            await self._write(frame)
            return
        self._queue.append((asyncio.get_running_loop().time() + one_way, frame))
        self._queued.set()
        if self._pump is None or self._pump.done():
            self._pump = asyncio.get_running_loop().create_task(self._send_queued())

    async def _send_queued(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue:
            due, frame = self._queue[0]
            wait = due - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            await self._write(frame)
            self._queue.popleft()

    async def _write(self, frame: bytes) -> None:
        if self._ws.closed:
            return
        try:
            await self._ws.send_bytes(frame)
        except (ConnectionError, RuntimeError):
            return
        self._traffic.traffic(self._down, len(frame))
