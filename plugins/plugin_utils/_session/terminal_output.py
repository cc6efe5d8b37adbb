# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cut what a session prints into lines, and keep the end of what means nothing.

Pure. What means something is told by those who read the lines: ``frames.py``, ``posix_lines.py``. Before their first line anything
may stand there: the echo of what was sent, a complaint of the shell.
"""

from __future__ import annotations

import abc
import dataclasses
import re
import typing as t

_REMARK = re.compile(rb"@([a-z]+)\r?$")
"""At the end of its line: a shell's prompt may stand before it."""

_NOISE_LINE, _NOISE = 300, 2000

MAX_LINE = 1024 * 1024
"""Bytes of one line from a node, and of what it decompresses to; the programs there send less than a tenth of it."""


class DamagedFrame(ValueError):
    """Bytes of the node that are none of its program's although they begin like them."""


@dataclasses.dataclass(frozen=True, slots=True)
class Remark:
    """A line of the session's start that is for us and of no other form: ``@name``."""

    name: str


def remark_in(line: bytes) -> Remark | None:
    """Return the remark that a line is, if it is one."""
    found = _REMARK.search(line)
    return Remark(found.group(1).decode("ascii")) if found is not None else None


Read = t.TypeVar("Read")


class LineReader(abc.ABC, t.Generic[Read]):
    """Cut output into lines; ``noise`` is the end of the others, which a user wants to read when nothing else ever comes."""

    def __init__(self) -> None:
        self.noise = b""
        self._buffer = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> t.Iterator[Read | Remark]:
        """Take output and yield what it completes; raise DamagedFrame."""
        searched = self._searched
        self._buffer += data
        while (end := self._buffer.find(b"\n", searched)) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            searched = 0
            if (found := self._read(line)) is not None:
                yield found
        self._searched = len(self._buffer)
        if len(self._buffer) > MAX_LINE:
            raise DamagedFrame(f"the node sent a line of more than {MAX_LINE} bytes")

    def take_over(self, other: LineReader[t.Any]) -> None:
        """Go on where another reader is, with what it has heard and not read yet; it reads no more."""
        self.remember(other.noise)
        self._buffer[:0] = other._buffer
        self._searched = 0
        other._buffer.clear()

    @abc.abstractmethod
    def _read(self, line: bytes) -> Read | Remark | None:
        """Return what a line says, None when that is nothing."""

    def remember(self, noise: bytes) -> None:
        """Keep the end of what means nothing."""
        self.noise = (self.noise + noise)[-_NOISE:]

    def _remember_line(self, line: bytes) -> None:
        self.remember(line[-_NOISE_LINE:] + b"\n")
