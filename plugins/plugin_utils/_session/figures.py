# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count what goes on with a node in a run: what the callback ``session_summary`` shows.

Pure; the clock comes in.
"""

from __future__ import annotations

import contextlib
import dataclasses
import operator
import typing as t

_TASKS_KEPT, _TASKS_BEFORE_LOOKING = 16, 64


@dataclasses.dataclass(slots=True)
class Throttling:
    """What AWS's throttling costs: calls refused, and seconds spent waiting for a turn or for the next attempt."""

    count: int = 0
    seconds: float = 0.0

    @contextlib.contextmanager
    def waiting(self, clock: t.Callable[[], float]) -> t.Iterator[None]:
        """Count the time that something takes as lost."""
        began = clock()
        try:
            yield
        finally:
            self.seconds += clock() - began


@dataclasses.dataclass(slots=True)
class RoundTrips:
    """How often nothing could go on until the other side had answered something sent: a result, credit, acknowledgements."""

    count: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Figures:
    """What went on with a node in this run.

    Bytes are those of websocket payloads. ``seconds`` is how long requests took, without the wait for their session.
    """

    sessions: int = 0
    requests: int = 0
    round_trips: int = 0
    reconnects: int = 0
    throttles: int = 0
    throttle_seconds: float = 0.0
    bytes_up: int = 0
    bytes_down: int = 0
    bytes_saved: int = 0
    seconds: float = 0.0

    def __add__(self, other: Figures) -> Figures:
        """Return the sum."""
        return Figures(*map(operator.add, dataclasses.astuple(self), dataclasses.astuple(other)))

    def __sub__(self, other: Figures) -> Figures:
        """Return what came since."""
        return Figures(*map(operator.sub, dataclasses.astuple(self), dataclasses.astuple(other)))


class TaskTimes:
    """How long a node's tasks took, as far as the slowest is asked for; tasks go by Ansible's ids of them."""

    def __init__(self) -> None:
        self.total = 0.0
        self._seconds: dict[str, float] = {}

    def add(self, task: str, seconds: float) -> None:
        """Add a request of a task; a loop's come one after another."""
        self.total += seconds
        self._seconds[task] = self._seconds.get(task, 0.0) + seconds
        if len(self._seconds) >= _TASKS_BEFORE_LOOKING:
            slowest = sorted(self._seconds, key=self._seconds.__getitem__)[-_TASKS_KEPT:]
            # And the one just seen, which may go on.
            self._seconds = {kept: self._seconds[kept] for kept in {*slowest, task}}

    def slowest(self) -> tuple[str, float]:
        """Return a task's id and its seconds."""
        return max(self._seconds.items(), key=lambda item: item[1], default=("", 0.0))
