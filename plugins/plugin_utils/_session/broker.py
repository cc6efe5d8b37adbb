# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Own the sessions of one controller run: a daemon beside ansible-playbook.

Ansible forks a worker for each task, so only another process can keep sessions open between tasks. It is started by the first
worker that needs it (``broker_place.py``), inherits its listening socket from it, and leaves when the controller is gone, however
that came about, with every session terminated (``tenure.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import pathlib
import signal
import socket
import traceback
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import requests, settings
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import BrokerBroken, SessionFailure
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Kind
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.node import ManagedNode
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.registry import Registry
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.tenure import Tenure

_FAREWELL_SECONDS, _FAREWELL_SECONDS_PER_NODE = 4.0, 0.25
"""AWS may throttle TerminateSession too."""

_STREAM_LIMIT = 1024 * 1024

_STREAMS = {Kind.STDOUT: "stdout", Kind.STDERR: "stderr", Kind.DATA: "data"}


class Worker:
    """One connection of a worker; it asks one thing after another."""

    def __init__(self, registry: Registry, tenure: Tenure, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._registry = registry
        self._tenure = tenure
        self._reader = reader
        self._writer = writer
        self._unsent: list[bytes] = []
        self._unread = 0

    async def serve(self) -> None:
        """Answer until the worker is gone, or says what makes no sense: that ends its own connection and nothing else."""
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    header, body = await self._read()
                    # A reply may come after its command has ended.
                    if "last" not in header:
                        await self._answer(header, body)
        except Exception as error:
            if not isinstance(error, requests.MalformedRequest):
                traceback.print_exc()
            with contextlib.suppress(ConnectionError):
                await self._send({"event": "failed", "failure": BrokerBroken.__name__, "text": f"the broker refuses: {error!r}"})
        finally:
            self._flush()
            self._writer.close()

    async def _answer(self, header: requests.Header, body: bytes) -> None:
        requests.check(header)
        self._arm_heartbeat()
        try:
            await _OPERATIONS[header["operation"]](self, header, body)
        except SessionFailure as failure:
            await self._fail(failure)
        finally:
            self._heartbeat.cancel()

    async def _fail(self, failure: SessionFailure) -> None:
        await self._send({"event": "failed", "failure": type(failure).__name__, "text": str(failure)})

    def _arm_heartbeat(self) -> None:
        self._heartbeat = asyncio.get_running_loop().call_later(requests.HEARTBEAT_SECONDS, self._beat)

    def _beat(self) -> None:
        self._queue({"event": "alive"})
        self._arm_heartbeat()

    async def _read(self) -> tuple[requests.Header, bytes]:
        # What is left of a reply whose command ended while it was read.
        await self._reader.readexactly(self._unread)
        self._unread = 0
        lengths = requests.decode_lengths(await self._reader.readexactly(requests.LENGTHS.size))
        self._unread = sum(lengths)
        header = requests.decode_header(await self._reader.readexactly(lengths[0]))
        self._unread = lengths[1]
        body = await self._reader.readexactly(lengths[1])
        self._unread = 0
        return header, body

    async def _send(self, header: requests.Header, body: bytes = b"") -> None:
        self._queue(header, body)
        await self._writer.drain()

    def _queue(self, header: requests.Header, body: bytes = b"") -> None:
        """Send soon: what comes together, such as a command's output and its exit code, goes in one system call."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(requests.encode(header, body))
        if len(body) >= requests.BLOCK:
            self._flush()

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if unsent:
            self._writer.write(b"".join(unsent))

    async def _replies(self) -> t.AsyncIterator[bytes]:
        """Yield what the worker answers to a command."""
        header: requests.Header = {}
        while not header.get("last"):
            header, body = await self._read()
            if body:
                yield body

    # -- operations ---------------------------------------------------------------------------------------------------

    async def _announce(self, header: requests.Header, _body: bytes) -> None:
        self._registry.node(header["node"]).expect()

    async def _execute(self, header: requests.Header, body: bytes) -> None:
        node = self._registry.node(header["node"])
        replies = None
        if header["converses"]:
            replies = self._replies()
            await node.ready()
            await self._send({"event": "begun"})
        results = node.execute(header["command"], body, task=header["task"], flags=header["flags"], more=replies)
        await self._pass_on(node, results)

    async def _get(self, header: requests.Header, _body: bytes) -> None:
        node = self._registry.node(header["node"])
        bucket = settings.bucket(header["bucket"])
        await self._pass_on(node, node.get(header["path"], bucket=bucket, task=header["task"]))

    async def _pass_on(self, node: ManagedNode, results: t.AsyncIterator[t.Any]) -> None:
        async for result in results:
            await self._tell(node)
            if result.kind in _STREAMS:
                await self._send({"event": _STREAMS[result.kind]}, result.data)
            elif result.kind is Kind.SIZE:
                await self._send({**(result.facts or {}), "event": "size"})
            elif result.kind is Kind.EXIT:
                await self._send({"event": "exit", "code": result.code, "lacks_python": node.lacks_python})
            else:
                await self._send({**(result.facts or {}), "event": "done"})

    async def _put(self, header: requests.Header, _body: bytes) -> None:
        node = self._registry.node(header["node"])
        about = header["path"], header["size"], header["sha256"]
        bucket = settings.bucket(header["bucket"])
        if bucket is not None:
            # This file is read here, not sent by the worker.
            await node.put_by_bucket(*about, header["source"], bucket, task=header["task"])
            await self._tell(node)
            await self._send({"event": "done"})
            return
        blocks = self._blocks(header["size"])
        try:
            await node.put(*about, blocks, task=header["task"])
        except SessionFailure as failure:
            await self._fail(failure)
            # A worker that has not sent all of it hangs up; what it has sent must not be taken for its next request.
            async for _block in blocks:
                pass
            return
        await self._tell(node)
        await self._send({"event": "done"})

    async def _tell(self, node: ManagedNode) -> None:
        news = node.news()
        if news is not None:
            await self._send({"event": "session", **news})
        for remark in node.take_remarks():
            await self._send({"event": "remark", "text": remark.text, "warns": remark.warns})

    async def _blocks(self, size: int) -> t.AsyncIterator[bytes]:
        while size > 0:
            block = await self._reader.readexactly(min(size, requests.BLOCK))
            size -= len(block)
            yield block

    async def _check_connected(self, header: requests.Header, _body: bytes) -> None:
        await self._registry.node(header["node"]).check_connected(header["seconds"])
        await self._send({"event": "done"})

    async def _reset(self, header: requests.Header, _body: bytes) -> None:
        await self._registry.node(header["node"]).reset()
        await self._send({"event": "done"})

    async def _adopt(self, header: requests.Header, _body: bytes) -> None:
        self._tenure.adopt(header["controller"])
        await self._send({"event": "done"})

    async def _figures(self, _header: requests.Header, _body: bytes) -> None:
        await self._send({"event": "done", "figures": self._registry.figures()})


_OPERATIONS: dict[str, t.Callable[[Worker, requests.Header, bytes], t.Awaitable[None]]] = {
    "announce": Worker._announce,
    "execute": Worker._execute,
    "put": Worker._put,
    "get": Worker._get,
    "check_connected": Worker._check_connected,
    "reset": Worker._reset,
    "figures": Worker._figures,
    "adopt": Worker._adopt,
}


class _WorkerProtocol(asyncio.StreamReaderProtocol):
    """A worker's connection; when the worker goes away (task timeout, Ctrl-C), what it asked for is dropped."""

    serving: asyncio.Task[None] | None = None

    def eof_received(self) -> bool:
        if self.serving is not None:
            self.serving.cancel()
        return bool(super().eof_received())


async def serve(listening: socket.socket, path: pathlib.Path, controller: int, identity: str) -> None:
    """Serve workers until nobody needs the broker any more or someone asks us to leave (SIGTERM)."""
    registry = Registry()
    workers: set[asyncio.Task[None]] = set()
    loop = asyncio.get_running_loop()

    def drop_workers() -> None:
        for task in workers:
            task.cancel()

    tenure = Tenure(path, controller, identity, registry, drop_workers)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = loop.create_task(Worker(registry, tenure, reader, writer).serve())
        t.cast(_WorkerProtocol, writer.transport.get_protocol()).serving = task
        workers.add(task)
        task.add_done_callback(workers.discard)

    def protocol() -> _WorkerProtocol:
        return _WorkerProtocol(asyncio.StreamReader(_STREAM_LIMIT), accept)

    server = await loop.create_unix_server(protocol, sock=listening)
    ended = asyncio.ensure_future(tenure.over())
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, ended.cancel)
    try:
        await asyncio.gather(ended, return_exceptions=True)
        server.close()
        drop_workers()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(registry.close(), _FAREWELL_SECONDS + _FAREWELL_SECONDS_PER_NODE * registry.size)
    finally:
        tenure.clean_up()


def main(name: str, controller: str, descriptor: str, identity: str) -> None:
    """Run the broker.

    :param name: path of its socket.
    :param controller: process id of ansible-playbook.
    :param descriptor: of the socket, which listens already.
    :param identity: what the controller has in common with those that may have the broker after it.
    """
    # What was imported stays, and need not be looked at each time.
    gc.freeze()
    gc.enable()
    try:
        asyncio.run(serve(socket.socket(fileno=int(descriptor)), pathlib.Path(name), int(controller), identity))
    finally:
        # A thread may still wait for AWS; nobody waits for it.
        os._exit(0)
