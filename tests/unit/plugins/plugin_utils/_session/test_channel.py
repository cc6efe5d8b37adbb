# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A channel against a websocket service of a few lines that does what each test says."""

from __future__ import annotations

import asyncio
import collections.abc
import json
import ssl
import time
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import channel as channels
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import protocol
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.channel import Channel
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.channel_events import Event, Output
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import NodeUnreachable, ServiceUnavailable
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.protocol import DataChannelProtocol
from websockets.asyncio.server import ServerConnection, serve

from tests.emulator import wire

_Serve = t.Callable[["Service", ServerConnection, int], collections.abc.Awaitable[None]]


class Service:
    """A service and the control plane behind it.

    :param behaviour: called with each socket, and how many there were before it, once its opening frame was read.
    """

    ssl_context = ssl.create_default_context()

    def __init__(self, behaviour: _Serve) -> None:
        self._behaviour = behaviour
        self.tokens: list[str] = []
        self.received: list[wire.Message] = []
        self.resumed = 0
        self.throttled_seconds = self.throttled_by = 0.0
        self.troubles: list[Exception] = []
        self.header_troubles: list[Exception] = []

    async def resume(self, seconds: float) -> str:
        self.resumed += 1
        await asyncio.sleep(self.throttled_by)
        self.throttled_seconds += self.throttled_by
        if self.troubles:
            raise self.troubles.pop(0)
        return f"token-{self.resumed}"

    async def headers(self, url: str) -> dict[str, str]:
        if self.header_troubles:
            raise self.header_troubles.pop(0)
        return {"X-Test": url}

    async def accept(self, socket: ServerConnection) -> None:
        opening = json.loads(await socket.recv())
        self.tokens.append(opening["TokenValue"])
        await self._behaviour(self, socket, len(self.tokens) - 1)

    async def read_acknowledging(self, socket: ServerConnection) -> None:
        async for frame in socket:
            assert isinstance(frame, bytes)
            message = wire.unpack(frame)
            if message.type == "input_stream_data":
                self.received.append(message)
                await socket.send(wire.acknowledge(message))


def _run(
    service: Service,
    use: t.Callable[[Channel], collections.abc.Awaitable[None]] | None = None,
    *,
    reconnect_seconds: float = 5.0,
    stall_seconds: float = 120.0,
) -> list[Event]:
    """Run a channel to its end; return its events."""
    events: list[Event] = []

    async def everything() -> None:
        async with serve(service.accept, "127.0.0.1", 0, close_timeout=0.1) as server:
            port = server.sockets[0].getsockname()[1]
            talk = DataChannelProtocol(filler=b"\n", stall_seconds=stall_seconds)
            url = f"ws://127.0.0.1:{port}/x"
            channel = Channel(url, "first", service, events.append, reconnect_seconds=reconnect_seconds, protocol=talk)
            using = asyncio.ensure_future(use(channel)) if use else None
            await asyncio.wait_for(channel.run(), 20)
            if using:
                await using

    asyncio.run(everything())
    return events


def _output(number: int, data: bytes) -> bytes:
    return wire.pack(wire.Message("output_stream_data", data, number, wire.OUTPUT))


_END = wire.document("channel_closed", {"Output": ""})


def test_a_cut_socket_is_resumed_with_a_fresh_token() -> None:
    async def behaviour(_service: Service, socket: ServerConnection, before: int) -> None:
        await socket.send(_output(before, b"part %d" % before))
        if before < 2:
            socket.transport.abort()
        else:
            await socket.send(_END)
            await socket.wait_closed()

    service = Service(behaviour)
    events = _run(service)
    assert service.tokens == ["first", "token-1", "token-2"]
    assert [event.data for event in events if isinstance(event, Output)] == [b"part 0", b"part 1", b"part 2"]


def test_a_flood_is_acknowledged_as_it_comes_and_none_of_it_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    # A hundredth of what it is otherwise, and of what a fast node sends.
    monkeypatch.setattr(protocol, "MAX_OWED", 500)
    count = 20_000
    acknowledged: list[int] = []

    async def behaviour(_service: Service, socket: ServerConnection, _before: int) -> None:
        for number in range(count):
            socket.protocol.send_binary(_output(number, b"x" * 10))
        socket.transport.write(b"".join(socket.protocol.data_to_send()))
        while len(acknowledged) < count:
            message = wire.unpack(t.cast("bytes", await socket.recv()))
            if message.type == "acknowledge":
                acknowledged.append(message.json()["AcknowledgedMessageSequenceNumber"])
        await socket.send(_END)
        await socket.wait_closed()

    events = _run(Service(behaviour))
    assert len([event for event in events if isinstance(event, Output)]) == count
    assert acknowledged == list(range(count))


def test_a_normal_close_without_a_word_is_a_cut_too() -> None:
    async def behaviour(_service: Service, socket: ServerConnection, before: int) -> None:
        if before:
            await socket.send(_END)
        await socket.close()

    service = Service(behaviour)
    _run(service)
    assert service.tokens == ["first", "token-1"]


def test_tokens_that_are_refused_again_and_again_are_not_asked_for_without_end() -> None:
    async def behaviour(_service: Service, socket: ServerConnection, _before: int) -> None:
        await socket.close()

    service = Service(behaviour)
    with pytest.raises(NodeUnreachable, match=r"could not be opened \(again\) within 1 s \(reconnect_timeout"):
        _run(service, reconnect_seconds=1.0)
    assert 2 <= service.resumed <= 20


def test_a_control_plane_that_is_away_is_asked_again() -> None:
    async def behaviour(_service: Service, socket: ServerConnection, before: int) -> None:
        if before:
            await socket.send(_END)
        await socket.close()

    service = Service(behaviour)
    service.troubles = [ServiceUnavailable("away")] * 3
    service.header_troubles = [ServiceUnavailable("no credentials just now")]
    _run(service)
    # Once for the credentials: three times in vain, then a token; once more for the closed socket.
    assert service.resumed == 5
    assert service.tokens == ["token-4", "token-5"]


def test_throttling_does_not_use_up_the_time_for_reconnecting() -> None:
    async def behaviour(_service: Service, socket: ServerConnection, before: int) -> None:
        if before > 2:
            await socket.send(_END)
        await socket.close()

    service = Service(behaviour)
    service.throttled_by = 0.6
    _run(service, reconnect_seconds=0.5)
    assert service.tokens == ["first", "token-1", "token-2", "token-3"]


def test_a_session_that_is_gone_is_given_up_at_once() -> None:
    async def behaviour(_service: Service, socket: ServerConnection, _before: int) -> None:
        await socket.close()

    service = Service(behaviour)
    service.troubles = [NodeUnreachable("the session has ended")]
    with pytest.raises(NodeUnreachable, match="the session has ended"):
        _run(service)
    assert service.resumed == 1


def test_a_port_where_nobody_listens_is_given_up_in_time() -> None:
    async def behaviour(_service: Service, _socket: ServerConnection, _before: int) -> None:
        raise AssertionError("nobody connects")

    service = Service(behaviour)

    async def main() -> None:
        url, talk = "ws://127.0.0.1:9/x", DataChannelProtocol()
        channel = Channel(url, "first", service, print, reconnect_seconds=0.5, protocol=talk)
        await channel.run()

    with pytest.raises(NodeUnreachable, match=r"the data channel to 127\.0\.0\.1:9 could not be opened"):
        asyncio.run(asyncio.wait_for(main(), 10))


def test_input_waits_for_room_and_arrives_in_order() -> None:
    async def behaviour(service: Service, socket: ServerConnection, _before: int) -> None:
        await socket.send(_output(0, b"ready"))
        reading = asyncio.ensure_future(service.read_acknowledging(socket))
        await over.wait()
        await socket.send(_END)
        await reading

    service = Service(behaviour)
    over = asyncio.Event()

    async def use(channel: Channel) -> None:
        for number in range(300):
            await channel.room(10_000)
            assert channel.protocol.backlog < 10_000
            channel.send(bytes([number % 256]) * 1000)
        await channel.room(1)
        over.set()

    _run(service, use)
    inputs = {message.sequence: message.payload for message in service.received if message.payload_type == wire.OUTPUT}
    assert b"".join(inputs[number] for number in sorted(inputs)) == b"".join(bytes([number % 256]) * 1000 for number in range(300))


def test_a_long_silence_is_broken_across_cuts() -> None:
    """A stall of 1 s has the silence broken after half of it; each socket is cut before."""

    async def behaviour(service: Service, socket: ServerConnection, before: int) -> None:
        if not before:
            await socket.send(_output(0, b"ready"))
        reading = asyncio.ensure_future(service.read_acknowledging(socket))
        await asyncio.sleep(0.4)
        if before < 4:
            socket.transport.abort()
        else:
            await socket.send(_END)
        await reading

    service = Service(behaviour)
    _run(service, stall_seconds=1.0)
    fillers = {message.sequence for message in service.received if message.payload == b"\n"}
    assert len(fillers) >= 3


def test_an_agent_that_acknowledges_nothing_for_long_is_given_up() -> None:
    async def behaviour(_service: Service, socket: ServerConnection, _before: int) -> None:
        await socket.send(_output(0, b"ready"))
        async for _frame in socket:
            pass

    output, failed = _run(Service(behaviour), stall_seconds=0.6)
    assert isinstance(output, Output)
    assert "acknowledged nothing for 0.6 s (stall_timeout)" in str(failed)


def test_a_service_that_reads_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "_OVERDUE_SECONDS", 0.2)
    began = time.monotonic()

    async def behaviour(_service: Service, socket: ServerConnection, _before: int) -> None:
        await socket.send(_output(0, b"ready"))
        socket.transport.pause_reading()
        await socket.wait_closed()

    async def use(channel: Channel) -> None:
        # More than the kernel's buffers take.
        monkeypatch.setattr(protocol, "WINDOW", 64 * 1024 * 1024)
        channel.send(bytes(40 * 1024 * 1024))
        await channel.room(1)
        given_up.append(time.monotonic())

    given_up: list[float] = []
    _ready, failed = _run(Service(behaviour), use, stall_seconds=2.0)
    assert "acknowledged nothing" in str(failed)
    assert given_up[0] - began < 15.0


def test_whoever_waits_for_room_does_not_wait_longer_than_the_channel_lasts() -> None:
    async def behaviour(_service: Service, socket: ServerConnection, _before: int) -> None:
        await socket.send(_output(0, b"ready"))
        await asyncio.sleep(0.1)
        await socket.send(_END)
        await socket.wait_closed()

    async def use(channel: Channel) -> None:
        channel.send(bytes(5000))
        await asyncio.wait_for(channel.room(1), 5)

    _run(Service(behaviour), use)


def test_a_message_beyond_all_bounds_ends_the_channel_at_once() -> None:
    async def behaviour(_service: Service, socket: ServerConnection, _before: int) -> None:
        await socket.send(_output(0, b"ready"))
        await socket.send(_output(1, bytes(2 * 1024 * 1024)))
        await socket.wait_closed()

    service = Service(behaviour)
    with pytest.raises(NodeUnreachable, match="sent a message of more than 1048576 bytes"):
        _run(service)
    assert service.resumed == 0


def test_rubbish_ends_the_channel_with_a_sentence() -> None:
    async def behaviour(_service: Service, socket: ServerConnection, _before: int) -> None:
        for _frame in range(100):
            await socket.send(b"rubbish")
        await socket.wait_closed()

    (event,) = _run(Service(behaviour))
    assert "100 unreadable messages in a row" in str(event)
