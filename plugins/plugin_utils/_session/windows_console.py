# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry the streams to and from a Windows node in numbered lines, over a console that may lose, repeat, wrap or decorate them.

Pure; the clock's seconds come with each call. The agent has the node's program write to a hidden console and reads that
console's screen (winpty): what comes is the rows of a screen with escape sequences between them, a row may come again when more
was written to it, and what scrolled by too fast is gone. What goes is typed: the agent makes a carriage return of a line feed,
and a console that was not told otherwise echoes it and takes no line of more than 254 characters. So everything travels in
lines of up to 190 characters, with number and checksum, that are kept until the other side has acknowledged them, and said
again when it does not. ``_node_program/windows/link.cs`` has the other half.

====================================  ==============================================================================
number.count.base64.crc ``\\n``        to the node: the line of that number, its bytes
``<`` number.count.text.crc ``>``     from the node: the same, with a part of a text in which each frame stands between
                                      ``-`` and ``,``, as ``frames.py`` has it between ``<`` and a line feed
count                                 how many lines have come from the other side in order; without content the line has no
                                      number of its own and says just this
crc                                   of what stands before the last full stop; 8 hexadecimal digits
====================================  ==============================================================================
"""

from __future__ import annotations

import base64
import binascii
import collections
import itertools
import re

_CONTENT = 120
"""Bytes in a line to the node."""

_WINDOW = 256
"""Lines on their way; a screen's history holds several times as many (winpty has 3000), so none scrolls away unseen."""

_FIRST_WINDOW = 8
"""The same as long as nothing has come from the node: its program takes seconds to begin, and more would only be said again."""

_AGAIN = 8
"""Lines said again at once: on a slow console, what seems to be lost is mostly late."""

_ACKNOWLEDGE_AFTER = 32
_ACKNOWLEDGE_SECONDS = 0.05
_PATIENCE, _MOST_PATIENCE = 2.0, 16.0

_LONGEST_LINE = 1024
_NOISE_KEPT = 2000

_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # a control sequence: colours, where the cursor is
    r"|\][^\x07\x1b]*(?:\x07|\x1b\\)"  # a command of the operating system: the window's title
    r"|[ -/]*[0-Z\\^-~])"
)
_UNFINISHED_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]{0,256}\x1b?|[ -/]*)?\Z")
_AFTER_ROW = re.compile(r"(?<=[\n>])")
_BETWEEN_ROWS = re.compile(r"[\x00-\x20]+")
_LINE = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})\.([A-Za-z0-9+/=,-]*)\.([0-9a-f]{8})")
_AS_FRAMES = bytes.maketrans(b"-,", b"<\n")


class ConsoleLink:
    """One session's lines, both ways."""

    def __init__(self) -> None:
        self._heard = ""
        self._unread = ""
        self._expected = 0
        self._ahead: dict[int, bytes] = {}
        self._window = _FIRST_WINDOW
        self._owed = 0
        self._owed_since: float | None = None
        self._next = 0
        self._waiting: collections.deque[bytes] = collections.deque()
        self._sent: collections.OrderedDict[int, str] = collections.OrderedDict()
        self._moved = 0.0
        self._acknowledged = 0.0
        self._patience = _PATIENCE

    # -- to the node --------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Queue bytes of the stream to the node."""
        self._waiting.extend(data[start : start + _CONTENT] for start in range(0, len(data), _CONTENT))

    def pump(self, now: float, *, delivered: bool = True) -> list[bytes]:
        """Return the lines to be said now.

        :param delivered: whether the agent has got all lines so far; as long as it has not, the console is not to blame.
        """
        lines: list[bytes] = []
        if not delivered:
            self._moved = self._acknowledged = now
        if self._sent and now >= self._moved + self._patience:
            lines += [self._line(number, text) for number, text in itertools.islice(self._sent.items(), _AGAIN)]
            self._moved, self._patience = now, min(2 * self._patience, _MOST_PATIENCE)
        while self._waiting and len(self._sent) < self._window:
            if not self._sent:
                self._moved = self._acknowledged = now
            text = base64.b64encode(self._waiting.popleft()).decode()
            self._sent[self._next] = text
            lines.append(self._line(self._next, text))
            self._next += 1
        if self._owed_since is not None and (self._owed >= _ACKNOWLEDGE_AFTER or now >= self._owed_since + _ACKNOWLEDGE_SECONDS):
            lines.append(self._line(self._next, ""))
        return lines

    def deadline(self) -> float | None:
        """Return when ``pump`` must be called next, None when there is nothing to wait for."""
        moments = [self._moved + self._patience] if self._sent else []
        if self._owed_since is not None:
            moments.append(self._owed_since + _ACKNOWLEDGE_SECONDS)
        return min(moments, default=None)

    def unacknowledged_for(self, now: float) -> float:
        """Return the seconds since the node's program last acknowledged something, 0 when it has all or has not greeted."""
        return now - self._acknowledged if self._sent and self._window == _WINDOW else 0.0

    def _line(self, number: int, text: str) -> bytes:
        self._owed, self._owed_since = 0, None
        content = f"{number}.{self._expected}.{text}"
        return f"{content}.{_checksum(content)}\n".encode()

    # -- from the node ------------------------------------------------------------------------------------------------

    def feed(self, output: bytes, now: float) -> bytes:
        """Take what the session printed; return the bytes that are next in turn, as ``frames.Decoder`` wants them."""
        text = _ESCAPE.sub("", self._unread + output.decode("ascii", errors="replace"))
        unfinished = _UNFINISHED_ESCAPE.search(text)
        end = text.rfind(">", 0, unfinished.start() if unfinished else len(text)) + 1
        self._unread = text[end:][-_LONGEST_LINE:]
        out: list[bytes] = []
        for part in _overwritten(text[:end]).split(">")[:-1]:
            before, mark, row = part.rpartition("<")
            line = _LINE.fullmatch(_BETWEEN_ROWS.sub("", row)) if mark else None
            if line is not None and line[4] == _checksum(line[0].rpartition(".")[0]):
                self._hear(before)
                self._take(line, out, now)
            else:
                self._hear(part + ">")
        return b"".join(out).translate(_AS_FRAMES)

    @property
    def noise(self) -> str:
        """The end of what came and is no line: what PowerShell complains of, for instance."""
        return (self._heard + self._unread)[-_NOISE_KEPT:]

    def _take(self, line: re.Match[str], out: list[bytes], now: float) -> None:
        self._window = _WINDOW
        self._acknowledge(int(line[2]), now)
        if not line[3]:
            return
        self._owed += 1
        self._owed_since = now if self._owed_since is None else self._owed_since
        number = int(line[1])
        if self._expected <= number < self._expected + 2 * _WINDOW:
            self._ahead[number] = line[3].encode()
        while self._expected in self._ahead:
            out.append(self._ahead.pop(self._expected))
            self._expected += 1

    def _acknowledge(self, count: int, now: float) -> None:
        while self._sent and next(iter(self._sent)) < count:
            self._sent.popitem(last=False)
            self._moved = self._acknowledged = now
            self._patience = _PATIENCE

    def _hear(self, text: str) -> None:
        self._heard = (self._heard + text)[-_NOISE_KEPT:]


def _overwritten(text: str) -> str:
    """Return the text without what its rows showed before the cursor went back to their beginning to write something else."""
    return "".join(row[_cursor(row) :] for row in _AFTER_ROW.split(text))


def _cursor(row: str) -> int:
    at = row.rfind("\r")
    while at >= 0 and row[at + 1 : at + 2] in ("", "\r", "\n"):
        at = row.rfind("\r", 0, at)
    return at + 1


def _checksum(text: str) -> str:
    return f"{binascii.crc32(text.encode()):08x}"
