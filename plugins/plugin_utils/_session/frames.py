# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encode and decode the frames that go to and from the program on a node.

Pure. A session carries many commands and transfers at once, each under a request id of its own. The layout is told in
``_node_program/wire.py``, which has the other half of this codec: it must do without anything of this side.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import enum
import re
import struct
import typing as t
import zlib

from ansible_collections.fleet.ssm.plugins.plugin_utils._session.flags import Flags

_CONTENT = struct.Struct(">BBI")
_NUMBER = struct.Struct(">I")
_REMARK = re.compile(rb"@([a-z]+)\r?$")
"""At the end of its line: a shell's prompt may stand before it."""

_ECHO = re.compile(rb"[0-9]+:[A-Za-z0-9+/=]*\r?$")
"""Parcels come back until the terminal is raw."""

_NOISE_LINE, _NOISE = 300, 2000

MAX_LINE = 1024 * 1024
"""Bytes of one frame from a node, before and after decompression; its program sends less than a tenth of it."""


class Kind(enum.IntEnum):
    """What a frame is for."""

    EXEC = 1
    DATA = 2
    PUT = 3
    GET = 4
    CANCEL = 5
    CREDIT = 6
    HELLO = 32
    STDOUT = 33
    STDERR = 34
    EXIT = 35
    RESULT = 36
    DONE = 37
    FAIL = 38


class DamagedFrame(ValueError):
    """Bytes of the node that are no frame although they begin like one."""


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """One frame; ``request`` 0 is the session itself. ``flags`` are WARM and TERMINAL, for a command."""

    kind: int
    request: int
    body: bytes = b""
    last: bool = False
    flags: int = 0

    def __str__(self) -> str:
        """Return one line for a log: never the body, it may hold a secret."""
        name = Kind(self.kind).name if self.kind in set(Kind) else str(self.kind)
        return f"{name} {self.request} {len(self.body)} B{' last' if self.last else ''}"


@dataclasses.dataclass(frozen=True, slots=True)
class Remark:
    """A line of the session's start that is for us but not a frame: ``@name``."""

    name: str


def encode(frame: Frame) -> bytes:
    """Return a frame to the node."""
    body, flags = frame.body, frame.flags | (Flags.LAST if frame.last else Flags.NONE)
    if len(body) > 64:
        packed = zlib.compress(body, 6)
        if len(packed) < len(body):
            body, flags = packed, flags | Flags.COMPRESSED
    content = _CONTENT.pack(frame.kind, flags, frame.request) + body
    return _NUMBER.pack(len(content)) + content + _NUMBER.pack(zlib.crc32(content))


class Decoder:
    """Find the frames in what a session prints.

    Before the first frame anything may stand there (the echo of what was sent, a complaint of the shell); ``noise`` keeps its
    end, which is what a user wants to read when no frame ever comes.
    """

    def __init__(self) -> None:
        self.noise = b""
        self._buffer = bytearray()

    def feed(self, data: bytes) -> t.Iterator[Frame | Remark]:
        """Take output and yield what it completes."""
        searched = len(self._buffer)
        self._buffer += data
        while (end := self._buffer.find(b"\n", searched)) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            searched = 0
            yield from self._line(line)
        if len(self._buffer) > MAX_LINE:
            raise DamagedFrame(f"the node sent a line of more than {MAX_LINE} bytes")

    def _line(self, line: bytes) -> t.Iterator[Frame | Remark]:
        # Something else may have written to the terminal just before the frame.
        start = line.rfind(b"<")
        if start >= 0 and (frame := _frame(line[start + 1 :])) is not None:
            yield frame
        elif (remark := _REMARK.search(line)) is not None:
            yield Remark(remark.group(1).decode("ascii"))
        elif start == 0:
            raise DamagedFrame("a frame of the node arrived damaged")
        elif _ECHO.match(line) is None:
            # Something may be printed right behind an echo.
            self.remember(line[-_NOISE_LINE:] + b"\n")

    def remember(self, noise: bytes) -> None:
        """Keep the end of what is no frame."""
        self.noise = (self.noise + noise)[-_NOISE:]


def _frame(text: bytes) -> Frame | None:
    try:
        checked = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    content = checked[:-4]
    if len(content) < _CONTENT.size or _NUMBER.pack(zlib.crc32(content)) != checked[-4:]:
        return None
    kind, flags, request = _CONTENT.unpack_from(content)
    body = content[_CONTENT.size :]
    if flags & Flags.COMPRESSED:
        body = _decompress(body)
    return Frame(kind, request, body, bool(flags & Flags.LAST))


def _decompress(body: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(body, MAX_LINE)
    except zlib.error as error:
        raise DamagedFrame(f"a frame of the node cannot be decompressed: {error}") from None
    if not inflater.eof:
        raise DamagedFrame("a frame of the node does not end, or is larger than its program would send")
    return plain
