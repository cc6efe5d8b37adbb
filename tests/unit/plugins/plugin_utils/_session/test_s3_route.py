# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way through a bucket, with a bucket and a node of a few lines: what is told of failures, and what is left behind."""

from __future__ import annotations

import asyncio
import json
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.exchange import Result
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import FileMissing, TransferFailed
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Kind
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.object_store import ObjectStore, StoredObject
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.s3_route import S3Route
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.settings import BucketSettings

_SETTINGS = BucketSettings("way", "prefix", 1_000_000, "", "")


class _Objects:
    """An ObjectStore that remembers what was asked of it."""

    name = staticmethod(ObjectStore.name)

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.stuck = False
        self.removed = 0

    async def upload(self, stored: StoredObject, source: str) -> None:
        if source == "denied":
            raise TransferFailed("AWS denied s3:PutObject")
        await asyncio.sleep(0.05)
        self.there.add(stored.key)

    async def url_to_collect(self, stored: StoredObject) -> tuple[str, dict[str, str]]:
        assert stored.key in self.there
        return "https://way/collect", {}

    async def url_to_store(self, stored: StoredObject) -> tuple[str, dict[str, str]]:
        return "https://way/store", {"x-amz-server-side-encryption": "AES256"}

    async def read(self, stored: StoredObject) -> t.AsyncIterator[bytes]:
        yield b"con"
        yield b"tent"

    async def remove(self, stored: StoredObject) -> None:
        self.removed += 1
        if self.stuck:
            raise TransferFailed("AWS denied s3:DeleteObject")
        self.there.discard(stored.key)


class _Way:
    """A route to a node that answers every order in the same way."""

    def __init__(self, said: bytes, code: int = 0) -> None:
        self.objects = _Objects()
        self.remarks: list[str] = []
        self.orders: list[dict[str, t.Any]] = []
        self._said, self._code = said, code
        self.route = S3Route(t.cast("t.Any", self.objects), _SETTINGS, "i-0", ("python3",), self._execute, self.remarks.append)

    async def _execute(self, _command: str, stdin: bytes) -> t.AsyncIterator[Result]:
        length, _line, rest = stdin.partition(b"\n")
        self.orders.append(json.loads(rest[int(length) :]))
        yield Result(Kind.STDOUT, self._said)
        yield Result(Kind.STDERR, b"Traceback")
        yield Result(Kind.EXIT, code=self._code)

    def get(self) -> list[Result]:
        async def all_of_it() -> list[Result]:
            return [result async for result in self.route.get("/there")]

        return asyncio.run(all_of_it())


_FACTS = b'{"size": 7, "sha256": "x"}'


def test_a_file_is_uploaded_collected_and_removed() -> None:
    way = _Way(_FACTS)
    asyncio.run(way.route.put("/here", "/there", 7, "x"))
    order = {"action": "collect", "url": "https://way/collect", "headers": {}, "path": "/there", "size": 7, "sha256": "x"}
    assert way.orders == [order]
    assert (way.objects.there, way.objects.removed, way.remarks) == (set(), 1, [])


def test_a_file_is_stored_downloaded_and_removed() -> None:
    way = _Way(_FACTS)
    results = way.get()
    assert b"".join(result.data for result in results) == b"content"
    assert results[-1].facts == {"size": 7, "sha256": "x"}
    assert way.orders[0]["headers"] == {"x-amz-server-side-encryption": "AES256"}
    assert way.objects.removed == 1


@pytest.mark.parametrize(
    ("said", "code", "kind", "text"),
    [
        (b'{"failed": "S3 says no", "code": ""}', 0, TransferFailed, r"S3 says no \(/there, by way of the bucket way, s3_bucket\)"),
        (b'{"failed": "No such file", "code": "ENOENT"}', 0, FileMissing, "No such file"),
        (b"", 127, TransferFailed, "i-0 has no Python"),
        (b"what", 1, TransferFailed, "the program for S3 failed on i-0: Traceback"),
    ],
)
def test_what_the_node_says_of_a_failure_is_told_and_nothing_left(said: bytes, code: int, kind: type[Exception], text: str) -> None:
    way = _Way(said, code)
    with pytest.raises(kind, match=text):
        asyncio.run(way.route.put("/here", "/there", 7, "x"))
    assert (way.objects.there, way.objects.removed) == (set(), 1)
    with pytest.raises(kind, match=text):
        way.get()
    assert way.objects.removed == 2


def test_a_failed_upload_is_tidied_up_too() -> None:
    way = _Way(_FACTS)
    with pytest.raises(TransferFailed, match="s3:PutObject"):
        asyncio.run(way.route.put("denied", "/there", 7, "x"))
    assert way.objects.removed == 1
    assert way.orders == []


def test_an_upload_that_nobody_waits_for_any_more_is_removed_when_it_is_over() -> None:
    way = _Way(_FACTS)

    async def give_up() -> None:
        task = asyncio.ensure_future(way.route.put("/here", "/there", 7, "x"))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait((task,))

    asyncio.run(give_up())
    assert (way.objects.there, way.objects.removed) == (set(), 1)


def test_what_cannot_be_removed_is_remarked() -> None:
    way = _Way(_FACTS)
    way.objects.stuck = True
    asyncio.run(way.route.put("/here", "/there", 7, "x"))
    (remark,) = way.remarks
    assert remark.startswith("s3://way/prefix/i-0/")
    assert remark.endswith("could not be deleted and may still be there: AWS denied s3:DeleteObject")
