# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cut what goes up to a node into pieces that are likely to come again.

Pure. A module travels as an AnsiballZ wrapper: Python text around the base64 of a zip. Two runs of one module differ by a few
hundred bytes of arguments, and two modules share most members of their zips. So the base64 is taken apart, the zip cut at its
members, and the text around it at line ends.
"""

from __future__ import annotations

import binascii
import dataclasses
import functools
import itertools
import re
import struct
import typing as t

LARGEST_MODULE = 1024 * 1024
"""Bytes of a payload that is worth cutting; ansible-core's own modules have at most a third of it."""

_ENCODED_ZIP = b"UEsDB"
"""How the base64 of a zip begins. Looking for it, and for where its text ends, is a good part of what a task costs a broker; what
lies between is looked at but once (``cut_encoded_zip``)."""

_TEXT_ENDS = (b"'", b'"', b"\n")
_SHORTEST_ZIP = 2048
_LINES = re.compile(rb".{128,2048}?\n|.{1,2048}", re.DOTALL)

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_CENTRAL_HEADER = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")


@dataclasses.dataclass(frozen=True, slots=True)
class Segment:
    """A run of pieces. With ``encoded`` the stream holds not them but their base64, which is ``encoded``.

    ``passing``: not likely to come again, so not worth remembering.
    """

    pieces: tuple[bytes, ...]
    encoded: bytes | None = None
    passing: bool = False


def cut(payload: bytes) -> list[Segment]:
    """Return segments that together are the payload, byte for byte."""
    if len(payload) > LARGEST_MODULE:
        return [Segment((payload,), passing=True)]
    segments: list[Segment] = []
    at = end = 0
    while (start := payload.find(_ENCODED_ZIP, end)) >= 0:
        end = min((where for mark in _TEXT_ENDS if (where := payload.find(mark, start)) >= 0), default=len(payload))
        encoded = payload[start:end]
        pieces = cut_encoded_zip(encoded) if len(encoded) >= _SHORTEST_ZIP else None
        if pieces is not None:
            segments += _text(payload[at:start])
            segments.append(Segment(pieces, encoded))
            at = end
    return segments + _text(payload[at:])


def _text(text: bytes) -> list[Segment]:
    return [Segment(tuple(_LINES.findall(text)))] if text else []


@functools.lru_cache(maxsize=48)
def cut_encoded_zip(encoded: bytes) -> tuple[bytes, ...] | None:
    """Return the pieces of a base64-encoded zip, None when this is something else or would not come out the same again."""
    try:
        archive = binascii.a2b_base64(encoded)
    except binascii.Error:
        return None
    if not archive.startswith(b"PK\x03\x04") or binascii.b2a_base64(archive, newline=False) != encoded:
        return None
    cuts = sorted({0, *_member_boundaries(archive), len(archive)})
    return tuple(archive[start:end] for start, end in itertools.pairwise(cuts))


def _member_boundaries(archive: bytes) -> t.Iterator[int]:
    """Yield where the members' headers and contents begin; nothing for an archive that cannot be followed."""
    end = archive.rfind(b"PK\x05\x06")
    if end < 0 or end + _END.size > len(archive):
        return
    _signature, _disk, _start, _here, count, _size, at, _comment = _END.unpack_from(archive, end)
    for _piece in range(count):
        if at + _CENTRAL_HEADER.size > len(archive):
            return
        fields = _CENTRAL_HEADER.unpack_from(archive, at)
        packed, names, header = fields[8], fields[10:13], fields[16]
        if fields[0] != b"PK\x01\x02" or header + _LOCAL_HEADER.size > len(archive):
            return
        local = _LOCAL_HEADER.unpack_from(archive, header)
        content = header + _LOCAL_HEADER.size + local[9] + local[10]
        yield from (where for where in (header, content, content + packed) if where <= len(archive))
        at += _CENTRAL_HEADER.size + sum(names)
