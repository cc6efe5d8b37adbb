# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
r"""Write and read the lines that a node without Python understands and says.

Pure. ``_node_program/posix.sh`` has the other half. A shell reads lines and nothing else, and may get a line twice
(``parcels.py``); so each line names its request, and each line of a stream its place, and what does not fit is passed over. Every
line is ASCII, a message of its own, and no longer than a message may be.

To the node, where a text is printable ASCII, other bytes as ``\0`` and three octal digits, between two full stops:

=================================  ==================================================================================
request ``more .`` text ``.``       a part of an argument
request verb ``.`` text ``.``       a request with (the rest of) its argument; ``look`` is one that is answered by none
request place ``bytes`` count       so many bytes follow, armoured, once they are waited for
request place ``lines`` count       so many lines follow
request place ``d`` data            one of them
request place ``keep``              what came last is the next part of the stream
request place ``end``               the stream's end
request ``stop``                    stop what you run
request ``hold``, ``on``            hold what you print, and go on
=================================  ==================================================================================

From the node: ``>`` name, request, length of the text, text.

=========  ==========================================================================================================
name       text
=========  ==========================================================================================================
``h``      armour, checker, uid, user, programs that are missing; once, when it begins
``r``      empty: it waits for what was announced
``c``      what the checker prints about that
``d``      what the checker prints about the whole stream
``n``      length of the file that follows
``o e b``  number of the line, data: standard output, standard error, a file
``o.``     number of lines: the end of it; also ``e.`` and ``b.``
``x``      the command's exit code
``z``      empty, or what the checker prints: the request is over
``f``      code, message (armoured): the request failed
=========  ==========================================================================================================
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re

from ansible_collections.fleet.ssm.plugins.plugin_utils._session.terminal_output import (
    DamagedFrame,
    LineReader,
    Remark,
    remark_in,
)

_TEXT = 900
"""Characters of text in a line; 124 are left for what stands before it."""

_WORD = 64
"""openssl cannot read base64 in longer lines than 76."""

_DATA = _TEXT // (_WORD + 1) * _WORD // 4 * 3

_LINE = re.compile(rb"([a-z]\.?) ([0-9]+) ([0-9]+) ([ -~]*)\r?$")
_PLAIN = {byte: chr(byte) for byte in range(32, 127) if byte != ord("\\")}
_ESCAPED = [_PLAIN.get(byte, f"\\0{byte:03o}") for byte in range(256)]


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """A line of the node."""

    name: str
    request: int
    text: str


def order(request: int, verb: str, argument: bytes = b"") -> list[bytes]:
    """Return the lines of a request; they count from ``request`` on."""
    parts = _cut([_ESCAPED[byte] for byte in argument]) or [""]
    verbs = ["more"] * (len(parts) - 1) + [verb]
    return [
        f"{number} {what} .{part}.\n".encode() for number, (what, part) in enumerate(zip(verbs, parts, strict=True), start=request)
    ]


def word(request: int, what: str) -> bytes:
    """Return a line about what a request runs."""
    return f"{request} {what}\n".encode()


def step(request: int, place: int, what: str, rest: int | str = "") -> bytes:
    """Return a line of a request's stream."""
    return f"{request} {place} {what} {rest}".rstrip(" ").encode() + b"\n"


def block(armour: str, data: bytes) -> bytes:
    """Return the bytes that carry a part of a stream."""
    if armour == "od":
        return "".join(_ESCAPED[byte] for byte in data).encode()
    text = base64.b64encode(data)
    return b"".join(text[start : start + _WORD] + b"\n" for start in range(0, len(text), _WORD))


def texts(armour: str, data: bytes) -> list[str]:
    """Return the same as texts of lines."""
    if armour == "od":
        # A shell drops blanks where a text begins and ends.
        return _cut([_ESCAPED[byte] if byte != ord(" ") else r"\0040" for byte in data])
    encoded = [base64.b64encode(data[start : start + _DATA]).decode() for start in range(0, len(data), _DATA)]
    return [" ".join(text[start : start + _WORD] for start in range(0, len(text), _WORD)) for text in encoded]


def _cut(tokens: list[str]) -> list[str]:
    """Join tokens to texts that are no longer than they may be."""
    texts: list[str] = []
    start = size = 0
    for at, token in enumerate(tokens):
        if size + len(token) > _TEXT:
            texts.append("".join(tokens[start:at]))
            start, size = at, 0
        size += len(token)
    return [*texts, "".join(tokens[start:])] if tokens else []


def unarmour(armour: str, text: str) -> bytes:
    """Return the bytes that the node has armoured."""
    try:
        return bytes.fromhex(text) if armour == "od" else base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise DamagedFrame("data of the node arrived damaged") from None


class Decoder(LineReader[Line]):
    """Find the lines in what a session prints."""

    def _read(self, line: bytes) -> Line | Remark | None:
        # Something else may have written to the terminal just before the line.
        start = line.rfind(b">")
        fields = _LINE.match(line, start + 1) if start >= 0 else None
        if fields is not None and len(fields[4]) == int(fields[3]):
            return Line(fields[1].decode(), int(fields[2]), fields[4].decode())
        if (remark := remark_in(line)) is not None:
            return remark
        if start == 0:
            raise DamagedFrame("a line of the node arrived damaged")
        self._remember_line(line)
        return None
