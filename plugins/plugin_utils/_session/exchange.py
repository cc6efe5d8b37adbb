# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold one request to a node while it is under way: what is sent for it, what came for it, how much may still go.

The node program and we give each other credit, so that neither side has to keep more than about a megabyte of a stream.
"""

from __future__ import annotations

import asyncio
import json
import struct
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session.cutting import Segment
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import (
    FileMissing,
    NodeUnreachable,
    PythonMissing,
    SessionFailure,
    TransferFailed,
)
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.figures import RoundTrips
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Frame, Kind
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.pieces import PieceLedger, number
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.terminal_output import DamagedFrame

WINDOW = 4 * 1024 * 1024
"""Bytes of recipes the node has not worked off yet."""

AHEAD = 8 * 1024 * 1024
"""Bytes of results that were not taken yet, or came before their turn; the node's program stops at about half of it."""

_CONFIRM_AFTER = 256 * 1024
_CODE = struct.Struct(">I")


class Result(t.NamedTuple):
    """What came for a request. ``kind`` is STDOUT, STDERR or DATA with data, EXIT with a code, DONE and SIZE with facts."""

    kind: Kind
    data: bytes = b""
    code: int = 0
    facts: dict[str, t.Any] | None = None


class Exchange:
    """One request.

    :param send: puts a frame on its way.
    :param round_trips: counts those of this request.
    """

    def __init__(self, request: int, ledger: PieceLedger, send: t.Callable[[Frame], None], round_trips: RoundTrips) -> None:
        self.request = request
        self._ledger = ledger
        self._send = send
        self._round_trips = round_trips
        self._asked = False
        self._results: asyncio.Queue[Result | SessionFailure] = asyncio.Queue()
        self._on_the_way = 0
        self._not_taken = 0
        self._credited = asyncio.Event()
        self._unconfirmed = 0
        self._position = 0
        self._early: dict[int, Frame] = {}
        self._early_size = 0
        self._ended = False

    def open(self, kind: Kind, order: bytes, segments: t.Iterable[Segment] = (), *, last: bool = False, flags: int = 0) -> None:
        """Send the frame that begins the request, with the beginning of its stream."""
        recipe = self._ledger.recipe(segments)
        self._on_the_way += len(recipe)
        self._send(Frame(kind, self.request, number(len(order)) + order + recipe, last, flags))
        if last:
            self.ask()

    def ask(self) -> None:
        """Note that nothing more is sent until the node has answered; the end of the stream says so by itself."""
        self._asked = True

    async def write(self, segments: t.Iterable[Segment], *, last: bool = False) -> bool:
        """Send more of its stream once there is credit; False when the request ended meanwhile and takes no more."""
        self._round_trips.count += self._on_the_way > WINDOW and not self._ended
        while self._on_the_way > WINDOW and not self._ended:
            self._credited.clear()
            await self._credited.wait()
        if self._ended:
            return False
        recipe = self._ledger.recipe(segments)
        self._on_the_way += len(recipe)
        self._send(Frame(Kind.DATA, self.request, recipe, last))
        if last:
            self.ask()
        return True

    async def results(self) -> t.AsyncIterator[Result]:
        """Yield what comes, the last one is EXIT or DONE; raise what the request failed of."""
        while True:
            waited = self._results.empty()
            result = await self._results.get()
            self._round_trips.count += waited and self._asked
            self._asked = self._asked and not waited
            if isinstance(result, SessionFailure):
                raise result
            self._not_taken -= len(result.data)
            yield result
            if result.kind in (Kind.EXIT, Kind.DONE):
                return
            self._unconfirmed += len(result.data)
            if self._unconfirmed >= _CONFIRM_AFTER:
                self._send(Frame(Kind.CREDIT, self.request, str(self._unconfirmed).encode()))
                self._unconfirmed = 0

    def cancel(self) -> None:
        """Have the node stop, unless it has ended."""
        if not self._ended:
            self._send(Frame(Kind.CANCEL, self.request))
            self._end()

    def fail(self, failure: SessionFailure) -> None:
        """Let whoever waits for results raise this."""
        if not self._ended:
            self._results.put_nowait(failure)
            self._end()

    def take(self, frame: Frame) -> bool:
        """Take a frame of the node; True when it was the last."""
        if frame.position is None:
            self._handle(frame)
        elif frame.position >= self._position and not self._ended:
            # It came by another way than those before it, or again: see _node_program/download.py.
            self._keep(frame.position, frame)
        while not self._ended and (following := self._early.pop(self._position, None)) is not None:
            self._early_size -= len(following.body)
            self._handle(following)
            if self._ended:
                # The node keeps the end until it knows that we have it.
                self._send(Frame(Kind.CANCEL, self.request))
        return self._ended

    def _keep(self, position: int, frame: Frame) -> None:
        """Keep a frame until its turn."""
        if position not in self._early:
            self._early[position] = frame
            self._early_size += len(frame.body)
        if self._early_size > AHEAD:
            raise DamagedFrame(f"more than {AHEAD} bytes before their turn")

    def _handle(self, frame: Frame) -> None:
        handler = _HANDLERS.get(frame.kind)
        if handler is not None and not self._ended:
            handler(self, frame)

    def _end(self) -> None:
        self._ended = True
        self._credited.set()

    def _on_stream(self, frame: Frame) -> None:
        self._not_taken += len(frame.body)
        if self._not_taken > AHEAD:
            raise DamagedFrame(f"more than {AHEAD} bytes that were not asked for yet")
        self._position += len(frame.body)
        self._results.put_nowait(Result(Kind(frame.kind), frame.body))

    def _on_size(self, frame: Frame) -> None:
        self._results.put_nowait(Result(Kind.SIZE, facts={"size": int(frame.body)}))

    def _on_credit(self, frame: Frame) -> None:
        count = int(frame.body)
        if not 0 <= count <= self._on_the_way:
            raise DamagedFrame(f"a credit of {count} bytes for {self._on_the_way}")
        self._on_the_way -= count
        self._credited.set()

    def _on_exit(self, frame: Frame) -> None:
        self._results.put_nowait(Result(Kind.EXIT, code=_CODE.unpack(frame.body)[0]))
        self._end()

    def _on_result(self, frame: Frame) -> None:
        code, length = _CODE.unpack_from(frame.body)[0], _CODE.unpack_from(frame.body, _CODE.size)[0]
        output = frame.body[2 * _CODE.size :]
        if length > len(output):
            raise DamagedFrame(f"a result of {len(output)} bytes with an output of {length}")
        self._not_taken += len(output)
        for kind, data in ((Kind.STDOUT, output[:length]), (Kind.STDERR, output[length:])):
            if data:
                self._results.put_nowait(Result(kind, data))
        self._results.put_nowait(Result(Kind.EXIT, code=code))
        self._end()

    def _on_done(self, frame: Frame) -> None:
        self._results.put_nowait(Result(Kind.DONE, facts=dict(json.loads(frame.body))))
        self._end()

    def _on_fail(self, frame: Frame) -> None:
        self.fail(failure_of(frame))


def failure_of(frame: Frame) -> SessionFailure:
    """Return what a FAIL frame tells."""
    told = json.loads(frame.body)
    if told["code"] == "PROTOCOL":
        return NodeUnreachable(f"the program on the node stopped, as what it received made no sense: {told['message']}")
    where = f" ({told['path']})" if told.get("path") else ""
    return _FAILURES.get(told["code"], TransferFailed)(f"{told['message']}{where}")


_FAILURES: dict[str, type[SessionFailure]] = {"ENOENT": FileMissing, "LOST": NodeUnreachable, "PYTHON": PythonMissing}
"""What the code of a FAIL frame means; others are those of a transfer that failed."""


_HANDLERS: dict[int, t.Callable[[Exchange, Frame], None]] = {
    Kind.STDOUT: Exchange._on_stream,
    Kind.STDERR: Exchange._on_stream,
    Kind.DATA: Exchange._on_stream,
    Kind.SIZE: Exchange._on_size,
    Kind.CREDIT: Exchange._on_credit,
    Kind.EXIT: Exchange._on_exit,
    Kind.RESULT: Exchange._on_result,
    Kind.DONE: Exchange._on_done,
    Kind.FAIL: Exchange._on_fail,
}
