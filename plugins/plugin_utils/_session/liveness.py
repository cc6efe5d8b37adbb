# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell when a quiet session needs a stir, and when its agent counts as dead.

Pure. The two belong together: an agent that has nothing to acknowledge is asked for something early enough to be found out in time.
Only time with a socket counts; how long there may be none is another matter (``channel.py``).
"""

from __future__ import annotations

NOT_IDLE_SECONDS = 50.0
"""A session counts as idle when no input comes, whatever its output; the shortest limit one can set is a minute."""

STALL_SECONDS = 120.0
"""An agent that acknowledges nothing for so long is taken for dead."""


class Liveness:
    """One session's signs of life; all times in seconds.

    :param stall_seconds: how long an agent may acknowledge nothing.
    """

    def __init__(self, stall_seconds: float = STALL_SECONDS) -> None:
        self.stall_seconds = stall_seconds
        self._quiet_seconds = min(NOT_IDLE_SECONDS, stall_seconds / 2)
        self._last_input = float("-inf")
        self._opened: float | None = None
        self._connected_before = 0.0
        self._waiting_since: float | None = None

    def socket_opened(self, now: float) -> None:
        """There is a socket (again)."""
        if self._opened is None:
            self._opened = now

    def socket_lost(self, now: float) -> None:
        """There is none."""
        self._connected_before = self._connected(now)
        self._opened = None

    def input_sent(self, now: float) -> None:
        """The service has heard from us."""
        self._last_input = now
        self.waits(now)

    def waits(self, now: float) -> None:
        """Something is for the agent to acknowledge, or cannot even be sent yet."""
        if self._waiting_since is None:
            self._waiting_since = self._connected(now)

    def alive(self, now: float, *, waiting: bool) -> None:
        """The agent has acknowledged something, or has just begun; ``waiting``: there is more."""
        self._waiting_since = self._connected(now) if waiting else None

    def stir_due(self) -> float:
        """Return when some input must be sent, if only for its own sake."""
        return self._last_input + self._quiet_seconds

    def stall_due(self) -> float | None:
        """Return when the agent is to be given up; None while nothing is expected of it."""
        if self._waiting_since is None or self._opened is None:
            return None
        return self._opened + self._waiting_since - self._connected_before + self.stall_seconds - self._quiet_seconds

    def _connected(self, now: float) -> float:
        """Return for how long there was a socket so far."""
        return self._connected_before + (0.0 if self._opened is None else now - self._opened)
