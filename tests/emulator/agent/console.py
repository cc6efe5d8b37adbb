# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The console of a simulated Windows node, as its agent has it: what is typed there, and what is seen of its screen (winpty).

Pure. A screen has rows of a fixed width, so what is longer goes on in the next one. It is looked at now and then, so a row may
be seen before it is full, and again when it is; between rows there are escape sequences for the cursor, colours and the
window's title. What is typed is echoed, and a line of more than 254 characters loses the rest, as long as the program has not
asked for something else; the one here never has, as it cannot ask a console that is none.
"""

from __future__ import annotations

import random

_LONGEST_LINE = 254
_DECORATIONS = ("\x1b[0m", "\x1b[?25l", "\x1b[0K", "\x1b[K\x1b[?25h", "\x1b]0;Administrator: powershell.exe\x07", "\x1b[37;40m")


class Console:
    """One console.

    :param seed: of what is left to chance.
    :param lossy: share of the rows that are never seen, because they scrolled by too fast.
    """

    def __init__(self, columns: int = 200, *, seed: int = 0, lossy: float = 0.0) -> None:
        self._columns = columns
        self._chance = random.Random(seed)
        self._lossy = lossy
        self._row = ""
        self._typed = 0

    def resize(self, columns: int) -> None:
        """Make it wider or narrower."""
        self._columns = columns

    def type(self, data: bytes) -> tuple[bytes, bytes]:
        """Return what the program reads of what is typed, and the echo that is seen."""
        read = bytearray()
        for byte in data:
            self._typed = 0 if byte in b"\r\n" else self._typed + 1
            if self._typed <= _LONGEST_LINE:
                read.append(byte)
        return bytes(read), self.show(bytes(read))

    def show(self, data: bytes) -> bytes:
        """Return what is seen of what the program writes."""
        seen = "".join(self._put(character) for character in data.decode("ascii", errors="replace"))
        # A look at the screen in the middle of a row.
        if self._row and self._chance.random() < 0.3:
            seen += self._row + self._decoration() + "\r"
        return seen.encode()

    def _put(self, character: str) -> str:
        if character == "\n":
            return self._end_row()
        if character == "\r":
            return ""
        wrapped = self._end_row() if len(self._row) >= self._columns else ""
        self._row += character
        return wrapped

    def _end_row(self) -> str:
        row, self._row = self._row, ""
        if len(row) == self._columns:
            # Behind the last cell it would erase that (winpty's Terminal.cc, sendLine).
            row = row[:-1] + "\x1b[0K" + row[-1]
        if self._chance.random() < self._lossy:
            return ""
        again = row + "\r" if self._chance.random() < 0.05 else ""
        return self._decoration() + again + row + self._decoration() + "\r\n"

    def _decoration(self) -> str:
        return "".join(self._chance.choices(_DECORATIONS, k=self._chance.choice((0, 1, 2))))


def as_agent_types(data: bytes) -> bytes:
    """Return input as an agent on Windows passes it on (shell_windows.go, InputStreamMessageHandler)."""
    return data if b"\r\n" in data else data.replace(b"\n", b"\r")
