# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take large files through an S3 bucket: upload and have the node collect, or have the node store and download.

The node does its part by a command of the session, whose input is the program ``_node_program/object_transfer.py`` and an order
with a presigned URL: neither the bucket nor a key has to be known there.
"""

from __future__ import annotations

import asyncio
import functools
import json
import pathlib
import shlex
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session.bundle import without_comments
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.exchange import Result
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import FileMissing, SessionFailure, TransferFailed
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Kind
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.object_store import ObjectStore, StoredObject
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.settings import BucketSettings

_PROGRAM = pathlib.Path(__file__).parent.parent / "_node_program" / "object_transfer.py"
_READ_PROGRAM = "import sys;exec(sys.stdin.buffer.read(int(sys.stdin.buffer.readline())));main()"
_NO_PYTHON = 127

Execute = t.Callable[[str, bytes], t.AsyncIterator[Result]]
"""Runs a command with its input on the node."""


class S3Route:
    """The way through a bucket, to and from one node.

    :param remark: told what could not be tidied up.
    """

    def __init__(
        self,
        objects: ObjectStore,
        bucket: BucketSettings,
        target: str,
        pythons: tuple[str, ...],
        execute: Execute,
        remark: t.Callable[[str], None],
    ) -> None:
        self._objects = objects
        self._bucket = bucket
        self._target = target
        self._pythons = pythons
        self._execute = execute
        self._remark = remark

    async def put(self, source: str, path: str, size: int, sha256: str) -> None:
        """Have a local file appear on the node."""
        stored = self._objects.name(self._bucket, self._target)
        uploading = asyncio.ensure_future(self._objects.upload(stored, source))
        try:
            await asyncio.shield(uploading)
            url, headers = await self._objects.url_to_collect(stored)
            order = {"action": "collect", "url": url, "headers": headers, "path": path, "size": size, "sha256": sha256}
            await self._run(order)
        finally:
            await asyncio.shield(self._remove(stored, uploading))

    async def get(self, path: str) -> t.AsyncIterator[Result]:
        """Yield the content of a file of the node, and last its size and digest."""
        stored = self._objects.name(self._bucket, self._target)
        try:
            url, headers = await self._objects.url_to_store(stored)
            facts = await self._run({"action": "store", "url": url, "headers": headers, "path": path})
            async for data in self._objects.read(stored):
                yield Result(Kind.DATA, data)
            yield Result(Kind.DONE, facts=facts)
        finally:
            await asyncio.shield(self._remove(stored))

    async def _run(self, order: dict[str, t.Any]) -> dict[str, t.Any]:
        """Have the node carry out an order; return what it says."""
        program = _program()
        stdin = b"%d\n" % len(program) + program + json.dumps(order).encode()
        streams = {Kind.STDOUT: b"", Kind.STDERR: b""}
        code = 0
        async for result in self._execute(self._command(), stdin):
            if result.kind in streams:
                streams[result.kind] += result.data
            code = result.code
        if code == _NO_PYTHON:
            raise TransferFailed(f"{self._target} has no Python, which takes files from S3 and brings them there (s3_bucket)")
        try:
            told = dict(json.loads(streams[Kind.STDOUT]))
        except ValueError:
            raise TransferFailed(
                f"the program for S3 failed on {self._target}: {streams[Kind.STDERR].decode(errors='replace')}"
            ) from None
        if "failed" in told:
            kind = FileMissing if told["code"] == "ENOENT" else TransferFailed
            raise kind(f"{told['failed']} ({order['path']}, by way of the bucket {self._bucket.name}, s3_bucket)")
        return told

    def _command(self) -> str:
        program = shlex.quote(_READ_PROGRAM)
        pythons = " ".join(map(shlex.quote, self._pythons))
        return f"for p in {pythons}; do command -v $p >/dev/null && exec $p -I -S -c {program}; done; exit {_NO_PYTHON}"

    async def _remove(self, stored: StoredObject, uploading: asyncio.Future[None] | None = None) -> None:
        """Delete an object, whatever became of it."""
        if uploading is not None:
            await asyncio.wait((uploading,))
        try:
            await self._objects.remove(stored)
        except SessionFailure as failure:
            self._remark(f"{stored} could not be deleted and may still be there: {failure}")


@functools.cache
def _program() -> bytes:
    return without_comments(_PROGRAM.read_text(encoding="utf-8")).encode()
