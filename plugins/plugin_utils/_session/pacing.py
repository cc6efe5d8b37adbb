# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide when an AWS operation may be called next, so that many callers find the speed that the account allows.

Pure; time comes in as a number of seconds. A token bucket whose rate is halved when AWS throttles a call and grows with each one
that goes through. AWS publishes no limit for StartSession, and others use up the same one, so it can only be found out.
"""

from __future__ import annotations

FASTEST, SLOWEST = 50.0, 1.0
"""Calls in a second. It begins with the fastest: most runs are too small to be throttled, and pay nothing."""

BURST = 20
"""Calls at once after a time without any."""

STEP = 3.0
"""Calls in a second more for each that goes through.

A limit of two calls a second or more is then used whole (``tests/unit/…/test_turns.py``); slower growth wastes fewer calls, but
takes long where throttling comes of others' calls and not of ours.
"""

_ROUNDING = 1e-9
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0


class Pace:
    """The pace of one operation in one account and region.

    :param now: the time when it begins.
    """

    def __init__(self, now: float) -> None:
        self.rate = FASTEST
        self._tokens = float(BURST)
        self._moment = now
        self._turns = 0
        self._halved_at = 0
        self._refused_since: float | None = None
        self._refusals = 0

    def pause(self, now: float) -> float:
        """Return the seconds until there is a turn, 0 when there is one."""
        self._advance(now)
        missing = 1 - self._tokens
        return missing / self.rate if missing > _ROUNDING else 0.0

    def take(self, now: float) -> int:
        """Use a turn; return its number, for ``refused``."""
        self._advance(now)
        self._tokens -= 1
        self._turns += 1
        return self._turns

    def refused(self, turn: int, now: float) -> None:
        """AWS throttled the call that was made in a turn."""
        self._advance(now)
        if self._refused_since is None:
            self._refused_since = now
        # Calls that were on their way already when the rate was halved say nothing of the new one.
        if turn > self._halved_at:
            self._halved_at = self._turns
            self._refusals += 1
            self.rate = max(SLOWEST, self.rate / 2)
            self._tokens = min(0.0, self._tokens)

    def passed(self, now: float) -> None:
        """AWS did not throttle a call."""
        self._advance(now)
        self._refused_since = None
        self._refusals = 0
        self.rate = min(FASTEST, self.rate + STEP)

    def refused_for(self, now: float) -> float:
        """Return for how many seconds AWS has throttled every call."""
        return 0.0 if self._refused_since is None else now - self._refused_since

    def away(self, chance: float) -> float:
        """Return the seconds that a refused caller stays away, from a chance between 0 and 1.

        They double with each rate that is refused, until a call goes through; a caller's own refusals do not count, or who was
        unlucky would be passed by all who came later. Controllers that were throttled together should not come back together.
        """
        doublings = min(max(self._refusals - 1, 0), 10)
        return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**doublings) * (0.5 + chance / 2)

    def _advance(self, now: float) -> None:
        """Add the tokens of the time that has passed."""
        elapsed = max(0.0, now - self._moment)
        self._moment = max(self._moment, now)
        self._tokens = min(float(BURST), self._tokens + elapsed * self.rate)
