# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say how far a transfer is: one line of a terminal, written over and over.

Pure; the clock comes in.
"""

from __future__ import annotations

import collections

UP, DOWN = "\u2192", "\u2190"

_SILENT_SECONDS = 2.0
"""A transfer that takes no longer is not worth a line."""

_AGAIN_SECONDS = 0.5
_RATE_SECONDS = 5.0
_MEGABYTE = 1_000_000
_CLEAR = "\r\x1b[K"


class Progress:
    """One transfer's line.

    :param now: when it began, in seconds of the clock that ``moved`` is given.
    :param columns: the terminal's width.
    """

    def __init__(self, host: str, arrow: str, path: str, now: float, columns: int) -> None:
        self._what = f"{host} {arrow} {path}"
        self._columns = columns
        self._due = now + _SILENT_SECONDS
        self._moments = collections.deque([(now, 0)])
        self._shown = False

    def moved(self, done: int, size: int | None, now: float) -> str:
        """Return what to write to the terminal, mostly nothing; ``done`` bytes of ``size``, None when that is not known."""
        if now < self._due:
            return ""
        self._due = now + _AGAIN_SECONDS
        self._moments.append((now, done))
        while len(self._moments) > 2 and self._moments[1][0] < now - _RATE_SECONDS:
            self._moments.popleft()
        then, before = self._moments[0]
        share = f"{done / _MEGABYTE:.0f} MB" if not size else f"{100 * done // size} % of {size / _MEGABYTE:.0f} MB"
        figures = f" {share}, {(done - before) / _MEGABYTE / max(now - then, 0.001):.1f} MB/s"
        self._shown = True
        # The last column stays free: what stands there may move the line on.
        room = self._columns - 1
        return _CLEAR + (_shortened(self._what, room - len(figures)) + figures)[:room]

    def over(self) -> str:
        """Return what removes the line."""
        return _CLEAR if self._shown else ""


def _shortened(text: str, width: int) -> str:
    """Leave out the middle of what is too long."""
    if len(text) <= width:
        return text
    half = max(0, width - 1) // 2
    return f"{text[:half]}\u2026{text[len(text) - half :]}"
