# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A broker and what may come over its socket."""

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
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.session_logging import UserRemark

from tests.benchmark.malformed import Malformed

_EXECUTE = {"operation": "execute", "node": {}, "command": "true", "task": "", "flags": 0, "converses": False}
_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def _running(path: pathlib.Path) -> collections.abc.AsyncIterator[None]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(100)
        serving = asyncio.ensure_future(broker.serve(listening, path, os.getpid(), "0"))
        yield
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def _figures(streams: _Streams) -> requests.Header:
    reader, writer = streams
    writer.write(requests.encode({"operation": "figures"}))
    header, _body = requests.LENGTHS.unpack(await asyncio.wait_for(reader.readexactly(8), 5))
    return requests.decode_header(await reader.readexactly(header))


async def _answer(path: pathlib.Path, data: bytes, *, end: bool) -> bytes:
    """Send bytes over a connection of their own; return all that comes until the broker closes it."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(data)
    if end:
        writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


def test_what_no_worker_sends_ends_its_own_connection_and_no_other(tmp_path: pathlib.Path) -> None:
    malformed = Malformed(3)

    async def main() -> None:
        async with _running(tmp_path / "socket"):
            other = await asyncio.open_unix_connection(tmp_path / "socket")
            for _request in range(300):
                await _answer(tmp_path / "socket", malformed.from_worker(), end=True)
            assert await _figures(other) == {"event": "done", "figures": {}}
            other[1].close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 8,
        requests.LENGTHS.pack(2, 0) + b"[]",
        requests.LENGTHS.pack(20_000, 0) + b"[" * 20_000,
        requests.encode({"operation": "destroy"}),
        requests.encode({"operation": "reset", "node": "i-0"}),
        requests.encode({"operation": "reset", "node": {"aws": {}, "settings": {"target": []}}}),
        requests.encode({"operation": "put", "node": {}, "path": "x", "size": -1, "sha256": ""}),
        requests.encode({"operation": "execute", "node": {}, "command": "x", "flags": 256, "converses": False}),
    ],
)
def test_a_request_that_makes_no_sense_is_answered_and_ends_the_connection(tmp_path: pathlib.Path, data: bytes) -> None:
    async def main() -> bytes:
        async with _running(tmp_path / "socket"):
            return await _answer(tmp_path / "socket", data, end=False)

    answer = asyncio.run(main())
    assert b'"failure": "BrokerBroken"' in answer
    assert b"MalformedRequest" in answer


# -- workers that go away or reply too late ------------------------------------------------------------------------------


class Node:
    """A node whose commands do what a test says, and all nodes at once."""

    size = 1
    lacks_python = False

    def __init__(self, results: collections.abc.Callable[[t.Any], collections.abc.AsyncIterator[Result]]) -> None:
        self.results = results
        self.dropped = asyncio.Event()
        self.remarks: list[UserRemark] = []
        self.expected = 0

    def expect(self) -> None:
        self.expected += 1

    def node(self, _described: dict[str, t.Any]) -> Node:
        return self

    def news(self) -> None:
        """Have none."""

    def take_remarks(self) -> list[UserRemark]:
        remarks, self.remarks = self.remarks, []
        return remarks

    async def ready(self) -> None:
        """Be ready at once."""

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
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
    node: Node,
    work: collections.abc.Callable[[Worker], collections.abc.Coroutine[t.Any, t.Any, None]],
) -> None:
    monkeypatch.setattr(broker, "Registry", lambda: node)

    async def main() -> None:
        async with _running(tmp_path / "socket"):
            await asyncio.wait_for(work(Worker(*await asyncio.open_unix_connection(tmp_path / "socket"))), 10)

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
            assert (await worker.hear())[0] == {"event": "exit", "code": 3, "lacks_python": False}
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
            assert (await worker.hear())[0] == {"event": "exit", "code": 4, "lacks_python": False}
            worker.writer.write(reply[split:])

    _with_broker(monkeypatch, tmp_path, Node(impatient), work)


def test_a_remark_goes_before_the_end_of_the_first_answer_and_to_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    async def brief(_more: t.Any) -> collections.abc.AsyncIterator[Result]:
        yield Result(Kind.EXIT, code=0)

    node = Node(brief)
    node.remarks = [UserRemark("Sessions are logged.", warns=True)]

    async def work(worker: Worker) -> None:
        worker.say(_EXECUTE)
        assert (await worker.hear())[0] == {"event": "remark", "text": "Sessions are logged.", "warns": True}
        assert (await worker.hear())[0]["event"] == "exit"
        worker.say(_EXECUTE)
        assert (await worker.hear())[0]["event"] == "exit"

    _with_broker(monkeypatch, tmp_path, node, work)


def test_an_announcement_has_the_node_expect_a_request_and_is_not_answered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    async def brief(_more: t.Any) -> collections.abc.AsyncIterator[Result]:
        yield Result(Kind.EXIT, code=5)

    node = Node(brief)

    async def work(worker: Worker) -> None:
        worker.say({"operation": "announce", "node": {}})
        worker.say(_EXECUTE)
        assert (await worker.hear())[0] == {"event": "exit", "code": 5, "lacks_python": False}
        assert node.expected == 1

    _with_broker(monkeypatch, tmp_path, node, work)
