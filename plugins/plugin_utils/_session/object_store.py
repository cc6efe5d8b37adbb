# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep a file in an S3 bucket while it is on its way: upload, download, presigned URLs, removal.

botocore blocks, so each call runs in a thread.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import functools
import typing as t
import uuid

from ansible_collections.fleet.ssm.plugins.module_utils._aws import failures as aws_failures
from ansible_collections.fleet.ssm.plugins.module_utils._aws import sessions
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import TransferFailed
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.settings import BucketSettings

_URL_SECONDS = 300
"""For which a presigned URL is good to begin a transfer with."""

_PART, _PARTS_AT_ONCE = 8 * 1024 * 1024, 4
_BLOCK = 256 * 1024

_Answer = t.TypeVar("_Answer")


@dataclasses.dataclass(frozen=True)
class StoredObject:
    """Where in which bucket a file lies."""

    bucket: BucketSettings
    key: str

    def __str__(self) -> str:
        """Return what a user knows it by."""
        return f"s3://{self.bucket.name}/{self.key}"


class ObjectStore:
    """The buckets that one identity uses."""

    def __init__(self, aws: t.Callable[[], sessions.AwsSession], threads: concurrent.futures.Executor) -> None:
        self._aws = aws
        self._threads = threads
        self._regions: dict[str, str] = {}

    @staticmethod
    def name(bucket: BucketSettings, target: str) -> StoredObject:
        """Return a new object for a file of a node."""
        return StoredObject(bucket, "/".join([*filter(None, [bucket.prefix.strip("/")]), target, uuid.uuid4().hex]))

    async def upload(self, stored: StoredObject, source: str) -> None:
        """Upload a local file."""
        await self._in_thread(stored, functools.partial(self._upload, stored, source))

    async def url_to_collect(self, stored: StoredObject) -> tuple[str, dict[str, str]]:
        """Return a URL that gets an object, and the headers to send."""
        request = {"Bucket": stored.bucket.name, "Key": stored.key}
        return await self._in_thread(
            stored, lambda: self._client(stored).generate_presigned_url("get_object", request, _URL_SECONDS)
        ), {}

    async def url_to_store(self, stored: StoredObject) -> tuple[str, dict[str, str]]:
        """Return a URL that puts an object, and the headers to send: S3 refuses others than those that were signed."""
        request = {"Bucket": stored.bucket.name, "Key": stored.key, **_encryption(stored.bucket)}
        url = await self._in_thread(
            stored, lambda: self._client(stored).generate_presigned_url("put_object", request, _URL_SECONDS)
        )
        names = {
            "ServerSideEncryption": "x-amz-server-side-encryption",
            "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
        }
        return url, {names[name]: value for name, value in _encryption(stored.bucket).items()}

    async def read(self, stored: StoredObject) -> t.AsyncIterator[bytes]:
        """Yield an object's content."""
        request = {"Bucket": stored.bucket.name, "Key": stored.key}
        body = await self._in_thread(stored, lambda: self._client(stored).get_object(**request)["Body"])
        with contextlib.closing(body):
            while data := await self._in_thread(stored, functools.partial(body.read, _BLOCK)):
                yield data

    async def remove(self, stored: StoredObject) -> None:
        """Delete an object, or what would be one."""
        request = {"Bucket": stored.bucket.name, "Key": stored.key}
        await self._in_thread(stored, lambda: self._client(stored).delete_object(**request))

    async def _in_thread(self, stored: StoredObject, work: t.Callable[[], _Answer]) -> _Answer:
        return await asyncio.get_running_loop().run_in_executor(self._threads, functools.partial(_explained, stored, work))

    def _upload(self, stored: StoredObject, source: str) -> None:
        # It comes with boto3, and its import takes a while.
        from s3transfer.manager import TransferConfig, TransferManager

        # In few threads: each has a part in its hands.
        config = TransferConfig(multipart_threshold=_PART, multipart_chunksize=_PART, max_request_concurrency=_PARTS_AT_ONCE)
        with TransferManager(self._client(stored), config) as manager:
            manager.upload(source, stored.bucket.name, stored.key, extra_args=_encryption(stored.bucket)).result()

    def _client(self, stored: StoredObject) -> t.Any:
        """Return a client of the bucket's region: a URL presigned for another one is refused."""
        name = stored.bucket.name
        if name not in self._regions:
            client = self._aws().client("s3")
            with sessions.explained("s3", self._aws().region, resource=f"arn:aws:s3:::{name}"):
                self._regions[name] = _region_of(client, name) or self._aws().region
        return self._aws().client("s3", self._regions[name])


def _region_of(client: t.Any, bucket: str) -> str:
    """Return where a bucket is; a bucket that one may not look at tells it all the same."""
    try:
        answer = client.head_bucket(Bucket=bucket)
    except client.exceptions.ClientError as error:
        answer = error.response
        if answer["ResponseMetadata"].get("HTTPStatusCode") == 404:
            raise TransferFailed(f"there is no bucket {bucket} (s3_bucket)") from error
    return str(answer["ResponseMetadata"].get("HTTPHeaders", {}).get("x-amz-bucket-region") or "")


def _encryption(bucket: BucketSettings) -> dict[str, str]:
    named = {"ServerSideEncryption": bucket.sse, "SSEKMSKeyId": bucket.kms_key_id}
    return {name: value for name, value in named.items() if value}


def _explained(stored: StoredObject, work: t.Callable[[], _Answer]) -> _Answer:
    try:
        with sessions.explained("s3", resource=f"arn:aws:s3:::{stored.bucket.name}/{stored.key}"):
            return work()
    except aws_failures.AwsFailure as error:
        raise TransferFailed(str(error)) from error
