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
import zlib

from ansible_collections.fleet.ssm.plugins.plugin_utils._session.flags import Flags
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.terminal_output import (
    MAX_LINE,
    DamagedFrame,
    LineReader,
    Remark,
    remark_in,
)

_CONTENT = struct.Struct(">BBI")
_NUMBER = struct.Struct(">I")
_POSITION = struct.Struct(">Q")
_ECHO = re.compile(rb"[0-9]+:[A-Za-z0-9+/=]*\r?$")
"""Parcels come back until the terminal is raw."""

_PROBE, _WORTHWHILE = 4096, 0.95


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
    DOWNLOAD = 39
    SIZE = 40


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """One frame; ``request`` 0 is the session itself. ``flags`` are those of a command.

    ``position`` counts the bytes of the request's stream before this frame; None when frames come in their order.
    """

    kind: int
    request: int
    body: bytes = b""
    last: bool = False
    flags: int = 0
    position: int | None = None

    def __str__(self) -> str:
        """Return one line for a log: never the body, it may hold a secret."""
        name = Kind(self.kind).name if self.kind in set(Kind) else str(self.kind)
        return f"{name} {self.request} {len(self.body)} B{' last' if self.last else ''}"


def encode(frame: Frame) -> bytes:
    """Return a frame to the node."""
    body, flags = frame.body, frame.flags | (Flags.LAST if frame.last else Flags.NONE)
    if _is_worth_compressing(body):
        packed = zlib.compress(body, 6)
        if len(packed) < len(body):
            body, flags = packed, flags | Flags.COMPRESSED
    content = _CONTENT.pack(frame.kind, flags, frame.request) + body
    return _NUMBER.pack(len(content)) + content + _NUMBER.pack(zlib.crc32(content))


def _is_worth_compressing(body: bytes) -> bool:
    """Judge a long body by its beginning: files that are packed already come in many of them."""
    return len(body) > 64 and (len(body) <= 4 * _PROBE or len(zlib.compress(body[:_PROBE], 1)) < _WORTHWHILE * _PROBE)


class Decoder(LineReader[Frame]):
    """Find the frames in what a session prints."""

    def _read(self, line: bytes) -> Frame | Remark | None:
        if not line:
            # A download session's sign of life.
            return None
        # Something else may have written to the terminal just before the frame.
        start = line.rfind(b"<")
        if start >= 0 and (frame := _frame(line[start + 1 :])) is not None:
            return frame
        if (remark := remark_in(line)) is not None:
            return remark
        if start == 0:
            raise DamagedFrame("a frame of the node arrived damaged")
        if _ECHO.match(line) is None:
            # Something may be printed right behind an echo.
            self._remember_line(line)
        return None


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
    position = None
    if flags & Flags.PLACED:
        if len(body) < _POSITION.size:
            return None
        position, body = _POSITION.unpack_from(body)[0], body[_POSITION.size :]
    return Frame(kind, request, body, bool(flags & Flags.LAST), position=position)


def _decompress(body: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(body, MAX_LINE)
    except zlib.error as error:
        raise DamagedFrame(f"a frame of the node cannot be decompressed: {error}") from None
    if not inflater.eof:
        raise DamagedFrame("a frame of the node does not end, or is larger than its program would send")
    return plain
