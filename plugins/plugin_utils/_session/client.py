# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the broker from a worker: run a command, move a file, end a session.

Blocking, as Ansible's workers are. Nothing here touches AWS: a forked worker on macOS must not.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import pathlib
import select
import socket
import tempfile
import time
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import requests
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.broker_place import BrokerPlace
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import (
    BY_NAME,
    BrokerBroken,
    FileMissing,
    NodeUnreachable,
    SessionFailure,
    TransferFailed,
)

if t.TYPE_CHECKING:
    from ansible_collections.fleet.ssm.plugins.plugin_utils._session.escalation import Escalation

Message = tuple[requests.Header, bytes]

Moved = t.Callable[[int, int | None], None]
"""Told how many bytes of a file were moved, and how many it has if that is known."""

Bucket = dict[str, t.Any]
"""``settings.BucketSettings`` as a dictionary: by way of which bucket large files go."""

Answer = tuple[int, bytes, bytes]
"""Exit code, stdout and stderr."""


_Hears = t.Callable[[requests.Header], None]


def _ignore(_header: requests.Header) -> None:
    """Do nothing."""


def _unwatched(_done: int, _size: int | None) -> None:
    """Tell nobody."""


class _Output:
    """What a command has printed so far, and its exit code."""

    def __init__(self) -> None:
        self._streams: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        self._code: int | None = None
        self.lacks_python = False

    def take(self, header: requests.Header, body: bytes) -> None:
        if header["event"] == "exit":
            self._code = header["code"]
            self.lacks_python = header["lacks_python"]
        else:
            self._streams[header["event"]].append(body)

    def answer(self) -> Answer:
        if self._code is None:
            raise BrokerBroken("the broker's answer had no exit code")
        return self._code, b"".join(self._streams["stdout"]), b"".join(self._streams["stderr"])


class BrokerClient:
    """A connection to the broker of one controller run.

    ``lacks_python`` tells of the node that ran the last command.

    :param controller: process id of ansible-playbook; its end is the broker's end.
    :param task: Ansible's id of the task that it asks for.
    :param on_session: told of a session that has begun, by the first request to use it (``Session.news``).
    :param on_remark: told what the user should know beside the results: ``text``, and whether it ``warns``.
    """

    def __init__(self, controller: int, task: str = "", on_session: _Hears = _ignore, on_remark: _Hears = _ignore) -> None:
        self._task = task
        self._hears: dict[str, _Hears] = {"alive": _ignore, "session": on_session, "remark": on_remark}
        self._place = BrokerPlace(controller)
        self._socket: socket.socket | None = None
        self.lacks_python = False

    def announce(self, node: dict[str, t.Any]) -> None:
        """Say that something will be asked of a node in a moment: the broker starts, and a session. What fails, that is told of."""
        try:
            self._connected().sendall(requests.encode({"operation": "announce", "node": node}))
        except (SessionFailure, OSError):
            self.close()

    def execute(self, node: dict[str, t.Any], command: str, stdin: bytes, *, flags: int = 0) -> Answer:
        """Run a command; return exit code, stdout and stderr."""
        request = {"operation": "execute", "node": node, "command": command, "flags": flags, "converses": False}
        output = _Output()
        with contextlib.closing(self._ask(request, stdin)) as answers:
            for header, body in answers:
                output.take(header, body)
        self.lacks_python = output.lacks_python
        return output.answer()

    def escalate(
        self, node: dict[str, t.Any], command: str, stdin: bytes, escalation: Escalation, *, seconds: float, flags: int = 0
    ) -> Answer:
        """Run a command that becomes another user first; it gets its input once it has.

        :param seconds: how long it may take to become that user, once there is a session.
        """
        request = {"operation": "execute", "node": node, "command": command, "flags": flags, "converses": True}
        with contextlib.closing(self._ask(request)) as answers:
            return self._converse(answers, stdin, escalation, seconds)

    def _converse(self, answers: t.Iterator[Message], stdin: bytes, escalation: Escalation, seconds: float) -> Answer:
        output = _Output()
        deadline = math.inf
        while True:
            if deadline < math.inf and self._is_quiet_until(deadline):
                raise escalation.timed_out(seconds)
            header, body = next(answers, ({}, b""))
            if not header:
                return output.answer()
            if header["event"] == "begun":
                deadline = time.monotonic() + seconds
            elif header["event"] == "exit":
                escalation.ended()
                output.take(header, body)
            else:
                output.take(header, body)
                reply = escalation.take(header["event"], body)
                if reply:
                    self._say(reply)
                if escalation.over and deadline < math.inf:
                    deadline = math.inf
                    self._say(stdin, last=True)

    def put(
        self, node: dict[str, t.Any], source: str, path: str, moved: Moved = _unwatched, *, bucket: Bucket | None = None
    ) -> None:
        """Send a local file."""
        try:
            with pathlib.Path(source).open("rb") as file:
                digest = hashlib.sha256()
                size = 0
                while block := file.read(requests.BLOCK):
                    digest.update(block)
                    size += len(block)
                file.seek(0)
                by_bucket = bucket is not None and size >= bucket["threshold"]
                request = {
                    "operation": "put",
                    "node": node,
                    "path": path,
                    "size": size,
                    "sha256": digest.hexdigest(),
                    "source": os.path.abspath(source),  # noqa: PTH100
                    "bucket": bucket if by_bucket else {},
                }
                for _message in self._ask(request, b"", () if by_bucket else self._blocks(file, size, moved)):
                    pass
        except FileNotFoundError as error:
            raise FileMissing(f"{source} does not exist on the controller") from error
        except OSError as error:
            raise TransferFailed(f"{source} cannot be read: {error.strerror}") from error

    def get(
        self, node: dict[str, t.Any], path: str, target: str, moved: Moved = _unwatched, *, bucket: Bucket | None = None
    ) -> None:
        """Fetch a file; it gets its name when it is whole."""
        destination = pathlib.Path(target)
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{destination.name[:64]}.", dir=destination.parent)
            temporary = pathlib.Path(name)
            try:
                self._receive(node, path, descriptor, moved, bucket)
                mask = os.umask(0)
                os.umask(mask)
                temporary.chmod(0o666 & ~mask)
                temporary.replace(destination)
            except BaseException:
                temporary.unlink()
                raise
        except OSError as error:
            raise TransferFailed(f"{target} cannot be written on the controller: {error.strerror}") from error

    def check_connected(self, node: dict[str, t.Any], seconds: float) -> None:
        """Raise NodeUnreachable when AWS does not say within so many seconds that the node's agent is connected."""
        for _message in self._ask({"operation": "check_connected", "node": node, "seconds": seconds}):
            pass

    def reset(self, node: dict[str, t.Any]) -> None:
        """End the node's session, if there is one."""
        if self._has_broker():
            for _message in self._ask({"operation": "reset", "node": node}):
                pass

    def figures(self) -> dict[str, dict[str, t.Any]]:
        """Return what went on so far, by node id as ``Registry.figures`` does; nothing when no broker runs."""
        if not self._has_broker():
            return {}
        for header, _body in self._ask({"operation": "figures"}):
            return dict(header["figures"])
        return {}

    def close(self) -> None:
        """Hang up; the broker drops what this worker had under way, and keeps the sessions."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # -- conversation -------------------------------------------------------------------------------------------------

    def _ask(self, header: requests.Header, body: bytes = b"", more: t.Iterable[bytes] = ()) -> t.Generator[Message, None, None]:
        """Send a request and yield what is answered, up to its end; who stops before must close this, which hangs up."""
        ended = False
        try:
            connection = self._connected()
            connection.sendall(requests.encode({**header, "task": self._task}, body))
            for block in more:
                self._send_block(connection, block)
            while not ended:
                message = self._hear(connection)
                ended = message is not None and message[0]["event"] in ("exit", "done")
                if message is not None:
                    yield message
        except SessionFailure:
            # One that was told before all was sent leaves the rest of it unsaid.
            ended = not more
            raise
        except (ConnectionError, EOFError, TimeoutError) as error:
            raise NodeUnreachable(
                f"the broker, which holds the sessions, has gone ({type(error).__name__}). What was under way may or may not have"
                f" been carried out; the next task starts a new broker.{self._place.last_words()}"
            ) from error
        finally:
            if not ended:
                # The answer was not read to its end, so this conversation cannot go on.
                self.close()

    def _hear(self, connection: socket.socket) -> Message | None:
        """Return what the broker says next of the answer, None when it says something aside; raise what the request failed of."""
        header, content = self._read(connection)
        if header["event"] == "failed":
            raise BY_NAME.get(header["failure"], SessionFailure)(header["text"])
        hears = self._hears.get(header["event"])
        if hears is None:
            return header, content
        hears(header)
        return None

    def _send_block(self, connection: socket.socket, block: bytes) -> None:
        """Send a part of a file as fast as the broker takes it, and hear of a failure before all is sent."""
        view = memoryview(block)
        while view:
            readable, writable, _broken = select.select([connection], [connection], [], requests.SILENCE_SECONDS)
            if readable:
                self._hear(connection)
            elif writable:
                view = view[connection.send(view) :]
            else:
                raise TimeoutError("the broker says nothing")

    def _say(self, data: bytes, *, last: bool = False) -> None:
        """Answer a command that converses."""
        self._connected().sendall(requests.encode({"last": last}, data))

    def _is_quiet_until(self, deadline: float) -> bool:
        """Wait for the broker's next word; True when there was none in time."""
        left = deadline - time.monotonic()
        return left <= 0 or not select.select([self._connected()], [], [], left)[0]

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = self._place.connect()
        return self._socket

    def _has_broker(self) -> bool:
        if self._socket is None:
            self._socket = self._place.connect_existing()
        return self._socket is not None

    def _blocks(self, file: t.BinaryIO, size: int, moved: Moved) -> t.Iterator[bytes]:
        left = size
        while left > 0:
            block = file.read(min(left, requests.BLOCK))
            if not block:
                raise TransferFailed(f"{file.name} became shorter while it was sent")
            left -= len(block)
            yield block
            moved(size - left, size)

    def _receive(
        self, node: dict[str, t.Any], path: str, descriptor: int, moved: Moved = _unwatched, bucket: Bucket | None = None
    ) -> None:
        digest = hashlib.sha256()
        size = None
        asking = self._ask({"operation": "get", "node": node, "path": path, "bucket": bucket or {}})
        with open(descriptor, "wb") as file, contextlib.closing(asking) as answers:
            for header, body in answers:
                if header["event"] == "done":
                    if header.get("sha256") != digest.hexdigest():
                        raise TransferFailed(f"{path} arrived with another SHA-256 than it was sent with")
                    return
                if header["event"] == "size":
                    size = int(header["size"])
                digest.update(body)
                file.write(body)
                moved(file.tell(), size)

    @staticmethod
    def _read(connection: socket.socket) -> Message:
        lengths = requests.LENGTHS.unpack(_read_exactly(connection, requests.LENGTHS.size))
        header = requests.decode_header(_read_exactly(connection, lengths[0]))
        return header, _read_exactly(connection, lengths[1])


def _read_exactly(connection: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        received = connection.recv(min(count - len(data), 1024 * 1024))
        if not received:
            raise EOFError("the broker hung up")
        data += received
    return bytes(data)
