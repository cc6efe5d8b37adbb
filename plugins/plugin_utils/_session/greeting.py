# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for the program of a session to greet, and know when the phases of a session's beginning were over."""

from __future__ import annotations

import asyncio
import json
import typing as t


class Greeting:
    """The greeting of one session's program; another program in its place greets again.

    ``facts`` is what it says: its user, its Python. ``at`` is when it came last, by the event loop's clock. ``seconds`` has the
    phases that are over, in seconds from the first.

    :param seconds: how long it may take.
    :param on_overdue: told when it has taken longer.
    """

    def __init__(self, seconds: float, on_overdue: t.Callable[[], None]) -> None:
        self.facts: dict[str, t.Any] | None = None
        self.at: float | None = None
        self.seconds: dict[str, float] = {}
        self._limit = seconds
        self._on_overdue = on_overdue
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.time()
        self._due: asyncio.TimerHandle | None = None

    def note(self, phase: str) -> None:
        """Note that a phase is over."""
        self.seconds.setdefault(phase, round(self._loop.time() - self._begun, 3))

    def expect(self) -> None:
        """Wait for it from now on."""
        self.facts = None
        self.give_up()
        self._due = self._loop.call_later(self._limit, self._on_overdue)

    def give_up(self) -> None:
        """Wait no longer."""
        if self._due is not None:
            self._due.cancel()

    def take(self, body: bytes) -> None:
        """Take what the program says of itself, a JSON object; ValueError or TypeError when it is none."""
        self.facts = dict(json.loads(body))
        self.give_up()
        self.at = self._loop.time()
        self.note("greeting")
