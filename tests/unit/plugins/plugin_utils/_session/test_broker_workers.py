# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a broker makes of its workers: one that goes away, one that replies too late."""

from __future__ import annotations

import asyncio
import collections.abc
import contextlib
import json
import os
import pathlib
import socket
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import broker, requests
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.exchange import Result
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Kind

_EXECUTE = {"operation": "execute", "node": {}, "command": "true", "task": "", "flags": 0, "converses": False}


class Node:
    """A node whose commands do what a test says, and all nodes at once."""

    size = 1

    def __init__(self, results: collections.abc.Callable[[t.Any], collections.abc.AsyncIterator[Result]]) -> None:
        self.results = results
        self.dropped = asyncio.Event()

    def node(self, _described: dict[str, t.Any]) -> Node:
        return self

    async def ready(self) -> None:
        """Be ready at once."""

    def news(self) -> None:
        """Have none."""

    async def execute(self, _command: str, _stdin: bytes, *, more: t.Any, **_about: t.Any) -> collections.abc.AsyncIterator[Result]:
        try:
            async for result in self.results(more):
                yield result
        except (asyncio.CancelledError, GeneratorExit):
            self.dropped.set()
            raise

    async def close(self) -> None:
        """Do nothing."""


class Worker:
    """A worker's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    def say(self, header: dict[str, t.Any], body: bytes = b"") -> None:
        self.writer.write(requests.encode(header, body))

    async def hear(self) -> tuple[dict[str, t.Any], bytes]:
        lengths = requests.LENGTHS.unpack(await self._reader.readexactly(requests.LENGTHS.size))
        return json.loads(await self._reader.readexactly(lengths[0])), await self._reader.readexactly(lengths[1])


def _with_broker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, node: Node, work: collections.abc.Callable[[Worker], t.Awaitable[None]]
) -> None:
    monkeypatch.setattr(broker, "Registry", lambda: node)
    path = str(tmp_path / "socket")

    async def main() -> None:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen()
        serving = asyncio.ensure_future(broker.serve(listening, os.getpid()))
        worker = Worker(*await asyncio.open_unix_connection(path))
        try:
            await asyncio.wait_for(t.cast("t.Any", work(worker)), 10)
        finally:
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving

    asyncio.run(main())


def test_a_command_is_dropped_when_its_worker_goes_away(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    async def endless(_more: t.Any) -> collections.abc.AsyncIterator[Result]:
        yield Result(Kind.STDOUT, b"begun")
        await asyncio.sleep(60)

    node = Node(endless)

    async def work(worker: Worker) -> None:
        worker.say(_EXECUTE)
        assert await worker.hear() == ({"event": "stdout"}, b"begun")
        worker.writer.close()
        await node.dropped.wait()

    _with_broker(monkeypatch, tmp_path, node, work)


def test_a_reply_after_the_end_of_its_command_is_no_request(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    async def brief(_more: t.Any) -> collections.abc.AsyncIterator[Result]:
        yield Result(Kind.EXIT, code=3)

    async def work(worker: Worker) -> None:
        for _time in range(2):
            worker.say({**_EXECUTE, "converses": True})
            assert (await worker.hear())[0] == {"event": "begun"}
            assert (await worker.hear())[0] == {"event": "exit", "code": 3}
            worker.say({"last": True}, b"too late")

    _with_broker(monkeypatch, tmp_path, Node(brief), work)


def test_a_reply_of_which_half_was_read_when_its_command_ended_is_no_request(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    async def impatient(more: t.Any) -> collections.abc.AsyncIterator[Result]:
        reading = asyncio.ensure_future(anext(more))
        await asyncio.wait((reading,), timeout=0.3)
        reading.cancel()
        await asyncio.wait((reading,))
        yield Result(Kind.EXIT, code=4)

    async def work(worker: Worker) -> None:
        reply = requests.encode({"last": True}, b"x" * 1000)
        for split in (len(reply) - 500, 12):
            worker.say({**_EXECUTE, "converses": True})
            assert (await worker.hear())[0] == {"event": "begun"}
            worker.writer.write(reply[:split])
            assert (await worker.hear())[0] == {"event": "exit", "code": 4}
            worker.writer.write(reply[split:])

    _with_broker(monkeypatch, tmp_path, Node(impatient), work)


def test_a_request_that_makes_no_sense_is_answered_and_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    async def nothing(_more: t.Any) -> collections.abc.AsyncIterator[Result]:
        yield Result(Kind.EXIT)

    async def work(worker: Worker) -> None:
        worker.say({"operation": "explode"})
        header, _body = await worker.hear()
        assert (header["event"], header["failure"]) == ("failed", "BrokerBroken")
        with pytest.raises(asyncio.IncompleteReadError):
            await worker.hear()

    _with_broker(monkeypatch, tmp_path, Node(nothing), work)
