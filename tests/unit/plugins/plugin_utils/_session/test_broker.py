# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A broker and what may come over its socket."""

from __future__ import annotations

import asyncio
import collections.abc
import contextlib
import os
import pathlib
import socket

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import broker, requests

from tests.benchmark.malformed import Malformed

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def _running(path: pathlib.Path) -> collections.abc.AsyncIterator[None]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(100)
        serving = asyncio.ensure_future(broker.serve(listening, os.getpid()))
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
