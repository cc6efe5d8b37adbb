# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remember which pieces a node has, and write streams as recipes of them.

Pure. A node's program keeps the pieces of one session by number; this side hands out the numbers and says what to forget, so
both always agree without asking. The reading side is ``expand`` in ``_node_program/wire.py``.

====  =============================  ===========================================
step  then                           meaning
====  =============================  ===========================================
0     length, bytes                  these bytes
1     number                         the piece of that number
2     number, length, bytes          these bytes, to be remembered
3     0                              what follows is base64-encoded …
4     number                         … up to here, and the result remembered
5     number                         forget a piece
====  =============================  ===========================================
"""

from __future__ import annotations

import collections
import functools
import hashlib
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session.cutting import Segment

LITERAL, REFERENCE, REMEMBER, BASE64_BEGIN, BASE64_END, FORGET = range(6)

_WORTHWHILE = 48
"""A shorter piece is sent as it is: a reference to it would save nothing."""

CAPACITY = 24 * 1024 * 1024
"""Bytes of pieces a node keeps for us."""


def number(value: int) -> bytes:
    """Return an unsigned LEB128 number."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


class PieceLedger:
    """What one session's node program remembers."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.saved = 0
        self._capacity = capacity
        self._held = 0
        self._next = 0
        self._known: collections.OrderedDict[bytes, tuple[int, int]] = collections.OrderedDict()

    def recipe(self, segments: t.Iterable[Segment]) -> bytes:
        """Return the recipe for a stream; from now on its pieces count as known."""
        out: list[bytes] = []
        for segment in segments:
            if segment.passing:
                _flush_literal([*segment.pieces], out)
            elif segment.encoded is None:
                self._write(segment.pieces, out)
            else:
                self._write_encoded(segment.pieces, segment.encoded, out)
        # Only now: what this recipe refers to must still be there while it is read.
        self._forget_oldest(out)
        return b"".join(out)

    def forget(self) -> None:
        """Know nothing, as a program that has just begun."""
        self._known.clear()
        self._held = 0

    def _write(self, pieces: t.Iterable[bytes], out: list[bytes]) -> None:
        literal: list[bytes] = []
        for piece in pieces:
            if len(piece) < _WORTHWHILE:
                literal.append(piece)
                continue
            _flush_literal(literal, out)
            key = _digest(piece)
            known = self._find(piece, key)
            if known is None:
                out.append(bytes([REMEMBER]) + number(self._add(piece, key)) + number(len(piece)) + piece)
            else:
                out.append(bytes([REFERENCE]) + number(known))
        _flush_literal(literal, out)

    def _write_encoded(self, pieces: t.Iterable[bytes], encoded: bytes, out: list[bytes]) -> None:
        key = _digest_of_encoded(encoded)
        known = self._find(encoded, key)
        if known is not None:
            out.append(bytes([REFERENCE]) + number(known))
            return
        out.append(bytes([BASE64_BEGIN, 0]))
        self._write(pieces, out)
        out.append(bytes([BASE64_END]) + number(self._add(encoded, key)))

    def _find(self, piece: bytes, key: bytes) -> int | None:
        known = self._known.get(key)
        if known is None:
            return None
        self._known.move_to_end(key)
        self.saved += len(piece)
        return known[0]

    def _add(self, piece: bytes, key: bytes) -> int:
        identity = self._next
        self._next += 1
        self._known[key] = (identity, len(piece))
        self._held += len(piece)
        return identity

    def _forget_oldest(self, out: list[bytes]) -> None:
        while self._held > self._capacity:
            _key, (identity, size) = self._known.popitem(last=False)
            self._held -= size
            out.append(bytes([FORGET]) + number(identity))


def _flush_literal(literal: list[bytes], out: list[bytes]) -> None:
    if literal:
        data = b"".join(literal)
        out.append(bytes([LITERAL]) + number(len(data)) + data)
        literal.clear()


def _digest(piece: bytes) -> bytes:
    return hashlib.blake2b(piece, digest_size=16).digest()


_digest_of_encoded = functools.lru_cache(maxsize=48)(_digest)
"""The same few modules go to every node."""
