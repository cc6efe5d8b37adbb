# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give requests to a managed node: run a command, put a file, get a file, over whichever session there is.

A session is started with the first request and again with the first one after it was lost. A request is given to one session only
and never again: whether a command was carried out before its session was lost cannot be known.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import pathlib
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import cutting
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.download import Allowance
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.exchange import Exchange, Result
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import (
    NodeUnreachable,
    ServiceUnavailable,
    SessionFailure,
)
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.figures import Figures, TaskTimes
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.flags import Flags
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Kind
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.s3_route import S3Route
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.session import Session
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.session_logging import UserRemark
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.session_service import SessionService
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.settings import BucketSettings, NodeSettings

_BLOCK = 32 * 1024

_LONGEST_COMMAND = 8 * 1024 * 1024
"""Bytes; the node's program takes frames of twice that."""


class ManagedNode:
    """A node across its sessions.

    ``task`` is Ansible's id of the task that a request belongs to. ``times`` knows how long they took.
    """

    def __init__(self, service: SessionService, settings: NodeSettings) -> None:
        self.settings = settings
        self._service = service
        self._session: Session | None = None
        self._expecting: Session | None = None
        self._allowance = Allowance()
        self._warnings: list[str] = []
        self._past = Figures()
        self.times = TaskTimes()

    @property
    def figures(self) -> Figures:
        """Return what went on so far."""
        return self._before + Figures(seconds=self.times.total)

    @property
    def _before(self) -> Figures:
        """Return what went on in the sessions so far."""
        return self._past if self._session is None else self._past + self._session.figures()

    def begin_run(self) -> None:
        """Begin to count anew, for a controller that finds the session open; it is told of that session too."""
        self.times = TaskTimes()
        self._past = self._past - self._before
        if self._session is not None:
            self._session.tell_again()

    @property
    def has_session(self) -> bool:
        """Whether there is a session to end."""
        return self._session is not None and self._session.usable

    def news(self) -> dict[str, t.Any] | None:
        """Tell once of each session that has begun."""
        return self._session.news() if self._session is not None else None

    @property
    def lacks_python(self) -> bool:
        """Whether its session goes without a Python."""
        return self._session is not None and self._session.lacks_python

    def take_remarks(self) -> list[UserRemark]:
        """Return what the user should know beside the results, each remark once."""
        told, self._allowance.remarks = self._allowance.remarks, []
        warnings, self._warnings[:] = self._warnings[:], []
        return [
            *self._service.take_remarks(),
            *(UserRemark(text, warns=False) for text in told),
            *(UserRemark(text, warns=True) for text in warnings),
        ]

    def expect(self) -> None:
        """Have a session start, where there is none, for a request that is about to come."""
        if not self.has_session:
            self._expecting = self._new_session()

    async def ready(self) -> None:
        """Wait until there is a session with a program in it."""
        await self._usable_session().greeted()

    async def check_connected(self, seconds: float) -> None:
        """Raise NodeUnreachable when AWS does not say that the node's agent is connected; no session is started for that."""
        target = self.settings.target
        try:
            connected = await asyncio.wait_for(self._service.is_connected(target), seconds)
        except asyncio.TimeoutError:
            raise ServiceUnavailable(f"AWS has not said within {seconds:g} s whether {target} is connected") from None
        if connected is False:
            raise NodeUnreachable(f"{target} is not connected to Systems Manager")

    async def execute(
        self, command: str, stdin: bytes, *, task: str = "", flags: int = 0, more: t.AsyncIterator[bytes] | None = None
    ) -> t.AsyncIterator[Result]:
        """Run a command by ``/bin/sh -c``; yield its output and last its exit code.

        :param flags: WARM, TERMINAL.
        :param more: what follows on its standard input, in reply to its output for instance.
        """
        order = command.encode(errors="surrogateescape")
        if len(order) > _LONGEST_COMMAND:
            raise SessionFailure(
                f"a command of {len(order)} bytes is too long, {_LONGEST_COMMAND} are possible; copy it to the node as a script"
            )
        session = self._usable_session()
        exchange = session.exchange()
        first, rest = stdin, b""
        if len(stdin) > cutting.LARGEST_MODULE:
            first, rest = stdin[:_BLOCK], stdin[_BLOCK:]
        alone = not rest and more is None
        flags |= Flags.NONE if more is None else Flags.CONVERSES
        exchange.open(Kind.EXEC, order, cutting.cut(first), last=alone, flags=flags)
        if not rest:
            exchange.ask()
        feeding = None if alone else asyncio.ensure_future(_feed(session, exchange, rest, more))
        try:
            with self._timed(session, task):
                async for result in exchange.results():
                    yield result
        finally:
            if feeding is not None:
                feeding.cancel()
                # What it reads from must be free for the next request.
                await asyncio.wait((feeding,))
            exchange.cancel()

    async def put_by_bucket(
        self, path: str, size: int, sha256: str, source: str, bucket: BucketSettings, *, task: str = ""
    ) -> None:
        """Write a local file to the node by way of an S3 bucket; where the node has no Python, by way of the session."""
        await self.ready()
        if self.lacks_python or self.settings.windows:
            await self.put(path, size, sha256, _blocks(source), task=task)
        else:
            await self._route(bucket, task).put(source, path, size, sha256)

    def _route(self, bucket: BucketSettings, task: str) -> S3Route:
        def execute(command: str, stdin: bytes) -> t.AsyncIterator[Result]:
            return self.execute(command, stdin, task=task)

        pythons = self.settings.pythons
        return S3Route(self._service.objects, bucket, self.settings.target, pythons, execute, self._warnings.append)

    async def put(self, path: str, size: int, sha256: str, blocks: t.AsyncIterator[bytes], *, task: str = "") -> None:
        """Write a file of ``size`` bytes; it appears under its name when it is whole and its digest right."""
        session = self._usable_session()
        exchange = session.exchange()
        order = json.dumps({"path": path, "size": size, "sha256": sha256}).encode()
        exchange.open(Kind.PUT, order, last=size == 0)
        sent = 0
        try:
            with self._timed(session, task):
                async for block in blocks:
                    sent += len(block)
                    await session.room()
                    # A module that is not pipelined comes as a file: small files are cut as modules are.
                    segments = cutting.cut(block) if sent == size == len(block) else [cutting.Segment((block,), passing=True)]
                    if not await exchange.write(segments, last=sent == size):
                        break
                async for _result in exchange.results():
                    pass
        finally:
            exchange.cancel()

    async def get(self, path: str, *, bucket: BucketSettings | None = None, task: str = "") -> t.AsyncIterator[Result]:
        """Read a file; yield its content and last its size and digest.

        :param bucket: by way of which a large one comes.
        """
        session = self._usable_session()
        exchange = session.exchange()
        order = {"path": path} if bucket is None else {"path": path, "largest": bucket.threshold - 1}
        exchange.open(Kind.GET, json.dumps(order).encode(), last=True)
        left = False
        try:
            with self._timed(session, task):
                async for result in exchange.results():
                    left = bool(result.facts and result.facts.get("left"))
                    if not left:
                        yield result
        finally:
            exchange.cancel()
        if left and bucket is not None:
            async for result in self._route(bucket, task).get(path):
                yield result

    async def reset(self) -> None:
        """End the session, if there is one; the next request starts another."""
        self._expecting = None
        if self._session is not None:
            await self._session.end()

    def _usable_session(self) -> Session:
        expecting, self._expecting = self._expecting, None
        # What a session failed of before its first request could come is that request's failure, and not to be met with twice.
        if self._session is not None and (self._session.usable or (self._session is expecting and expecting.greeted_at is None)):
            return self._session
        return self._new_session()

    def _new_session(self) -> Session:
        self._past = self._before
        self._session = Session(self._service, self.settings, self._allowance)
        return self._session

    @contextlib.contextmanager
    def _timed(self, session: Session, task: str) -> t.Iterator[None]:
        """Take a request's time, from when the session could carry it."""
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            yield
        finally:
            if session.greeted_at is not None:
                self.times.add(task, clock() - max(began, session.greeted_at))


async def _blocks(source: str) -> t.AsyncIterator[bytes]:
    with pathlib.Path(source).open("rb") as file:
        while block := file.read(2 * _BLOCK):
            yield block


async def _feed(session: Session, exchange: Exchange, data: bytes, more: t.AsyncIterator[bytes] | None) -> None:
    """Write a command's input as fast as it is taken; what follows may be a module."""
    for start in range(0, len(data), _BLOCK):
        await session.room()
        block = cutting.Segment((data[start : start + _BLOCK],), passing=True)
        if not await exchange.write([block], last=more is None and start + _BLOCK >= len(data)):
            return
    if more is not None:
        async for piece in more:
            await session.room()
            if not await exchange.write(cutting.cut(piece)):
                return
            exchange.ask()
        await exchange.write([], last=True)
