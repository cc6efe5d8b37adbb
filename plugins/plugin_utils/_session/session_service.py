# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, resume and terminate sessions, get their keys, ask whether a node is there: AWS's control plane as a session needs it.

botocore blocks, so each call runs in a thread, once it has its turn (``turns.py``).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import functools
import ssl
import threading
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws import failures as aws_failures
from ansible_collections.fleet.ssm.plugins.module_utils._aws import sessions
from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import session_logging
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.diagnosis import diagnose
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.encryption import KEY_BYTES
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import (
    AccessRefused,
    ActionDenied,
    DocumentMissing,
    NodeUnreachable,
    ParametersRefused,
    ServiceUnavailable,
    Throttled,
)
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.figures import Throttling
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.object_store import ObjectStore
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.openings import DEFAULT_DOCUMENT
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.turns import Turns, to_its_end

_THREADS = 16

_FAILURES: dict[aws_failures.FailureKind, type[NodeUnreachable]] = {
    aws_failures.FailureKind.DENIED: ActionDenied,
    aws_failures.FailureKind.EXPIRED: AccessRefused,
    aws_failures.FailureKind.CREDENTIALS: AccessRefused,
    aws_failures.FailureKind.REGION: AccessRefused,
    aws_failures.FailureKind.SETUP: AccessRefused,
    aws_failures.FailureKind.UNREACHABLE: ServiceUnavailable,
    aws_failures.FailureKind.THROTTLED: Throttled,
    aws_failures.FailureKind.UNAVAILABLE: ServiceUnavailable,
}

_FAILURES_BY_CODE: dict[str, type[NodeUnreachable]] = {
    "InvalidDocument": DocumentMissing,
    "InvalidParameters": ParametersRefused,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Started:
    """What StartSession gives."""

    session_id: str
    token: str
    stream_url: str


@dataclasses.dataclass(frozen=True, slots=True)
class DataKey:
    """What GenerateDataKey gives: a key in plain and as KMS has encrypted it."""

    plain: bytes = dataclasses.field(repr=False)
    encrypted: bytes


class SessionService:
    """The sessions of one identity in one region; shared by all its nodes.

    ``throttling`` gets what AWS's throttling costs a node.
    """

    def __init__(self, options: AwsOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._session: sessions.AwsSession | None = None
        self._ssl_context: ssl.SSLContext | None = None
        self._threads = concurrent.futures.ThreadPoolExecutor(_THREADS, thread_name_prefix="ssm")
        self.shaking_hands: set[str] = set()
        """Session documents whose sessions begin with a handshake, as one of them did."""
        self._remarks: list[session_logging.UserRemark] = []
        self._looked_at: dict[str, asyncio.Task[None]] = {}
        self._turns: dict[str, Turns] = {}
        self.access_key = ""
        """The one that calls are made with, and where it comes from; known after the first."""

    @property
    def region(self) -> str:
        """Name the region, once it is known."""
        return self._session.region if self._session else ""

    async def start(
        self, target: str, document: str, parameters: dict[str, list[str]], reason: str, throttling: Throttling
    ) -> Started:
        """Start a session.

        To cancel it is of use while AWS was not asked yet. From then on it returns what AWS has started, which must be ended.
        """
        request: dict[str, t.Any] = {"Target": target, "Reason": reason}
        if document != DEFAULT_DOCUMENT:
            request["DocumentName"] = document
        if parameters:
            request["Parameters"] = parameters
        work = functools.partial(self._in_thread, "start_session", request, target=target, document=document)
        answer = await self._turns_of("StartSession").call(lambda: to_its_end(work()), throttling)
        return Started(answer["SessionId"], answer["TokenValue"], answer["StreamUrl"])

    async def resume(self, session_id: str, target: str, throttling: Throttling, seconds: float) -> str:
        """Return a fresh token for a session whose socket was cut; TimeoutError when one call takes longer than so many seconds."""
        work = functools.partial(self._in_thread, "resume_session", {"SessionId": session_id}, target=target)
        # What the waiting for a turn takes is not the call's time.
        answer = await self._turns_of("ResumeSession").call(lambda: asyncio.wait_for(work(), seconds), throttling)
        token = answer.get("TokenValue")
        if not token:
            raise NodeUnreachable(f"the session {session_id} to {target} has ended while its socket was cut")
        return str(token)

    async def terminate(self, session_id: str, target: str, throttling: Throttling) -> None:
        """End a session."""
        work = functools.partial(self._in_thread, "terminate_session", {"SessionId": session_id}, target=target)
        await self._turns_of("TerminateSession").call(work, throttling)

    async def data_key(self, key: str, context: dict[str, str], target: str) -> DataKey:
        """Have KMS make a key that encrypts one session."""
        request = {"KeyId": key, "NumberOfBytes": KEY_BYTES, "EncryptionContext": context}
        answer = await self._in_thread("generate_data_key", request, service="kms", target=target, key=key)
        return DataKey(answer["Plaintext"], answer["CiphertextBlob"])

    def look_for_logging(self, document: str) -> None:
        """Find out, once and beside everything else, whether sessions of a document are logged; ``take_remarks`` tells."""
        with_preferences = session_logging.document_with_preferences(document)
        if with_preferences not in self._looked_at:
            self._looked_at[with_preferences] = asyncio.ensure_future(self._look_for_logging(with_preferences))

    async def _look_for_logging(self, document: str) -> None:
        try:
            answer = await self._in_thread("get_document", {"Name": document, "DocumentFormat": "JSON"}, document=document)
        except DocumentMissing:
            # An account whose preferences were never saved: nothing is logged.
            return
        except NodeUnreachable as failure:
            self._remarks.append(session_logging.unknown(document, str(failure)))
            return
        remark = session_logging.remark(document, self.region, str(answer.get("Content")))
        if remark is not None:
            self._remarks.append(remark)

    def take_remarks(self) -> list[session_logging.UserRemark]:
        """Return what the user should know, each remark once."""
        remarks, self._remarks = self._remarks, []
        return remarks

    async def is_connected(self, target: str) -> bool | None:
        """Ask whether a node's agent is there; None when this identity may not ask."""
        try:
            work = functools.partial(self._in_thread, "get_connection_status", {"Target": target}, target=target)
            answer = await self._turns_of("GetConnectionStatus").call(work, Throttling())
        except ActionDenied:
            return None
        return bool(answer["Status"] == "connected")

    async def headers(self, url: str) -> dict[str, str]:
        """Return what signs the opening request of a data channel, as session-manager-plugin does since 1.2.688."""
        work = functools.partial(self._blocking_headers, url.replace("wss:", "https:", 1))
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _blocking_headers(self, url: str) -> dict[str, str]:
        try:
            return self._aws().signed_headers(url, "ssmmessages")
        except aws_failures.AwsFailure as error:
            raise _node_failure(error, {}, "") from error

    @functools.cached_property
    def objects(self) -> ObjectStore:
        """The S3 buckets of this identity."""
        return ObjectStore(self._aws, self._threads)

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """Trust what botocore trusts."""
        if self._ssl_context is None:
            self._ssl_context = ssl.create_default_context(cafile=self._aws().ca_bundle)
        return self._ssl_context

    def close(self) -> None:
        """Let no thread keep the process from ending."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _aws(self) -> sessions.AwsSession:
        with self._lock:
            if self._session is None:
                session = sessions.open_session(self._options)
                sessions.leave_throttling_to_caller(session.client("ssm"))
                self._session = session
            return self._session

    def _turns_of(self, operation: str) -> Turns:
        """Return the queue before an operation: AWS throttles each by itself."""
        if operation not in self._turns:
            self._turns[operation] = Turns(f"ssm:{operation}")
        return self._turns[operation]

    def _client(self, service: str) -> t.Any:
        aws = self._aws()
        with self._lock:
            return aws.client(service)

    async def _in_thread(
        self, operation: str, request: dict[str, t.Any], *, service: str = "ssm", **about: str
    ) -> dict[str, t.Any]:
        work = functools.partial(self._blocking_call, service, operation, request, about)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _blocking_call(self, service: str, operation: str, request: dict[str, t.Any], about: dict[str, str]) -> dict[str, t.Any]:
        try:
            aws = self._aws()
            with sessions.explained(service, aws.region, resource=about.get("document") or about.get("key", "")):
                answer: dict[str, t.Any] = getattr(self._client(service), operation)(**request)
            self.access_key = aws.access_key
            return answer
        except aws_failures.AwsFailure as error:
            raise _node_failure(error, about, self.region) from error


def _node_failure(error: aws_failures.AwsFailure, about: dict[str, str], region: str) -> NodeUnreachable:
    """Say it in a session's words where the error is about the session."""
    said = str(getattr(error.__cause__, "response", {}).get("Error", {}).get("Message") or "")
    sentence = diagnose(error.code, said, region=region, **about)
    if sentence is not None:
        return _FAILURES_BY_CODE.get(error.code, NodeUnreachable)(sentence)
    return _FAILURES.get(error.kind, NodeUnreachable)(str(error))
