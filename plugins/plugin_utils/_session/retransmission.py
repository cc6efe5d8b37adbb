# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Estimate when an unacknowledged message counts as lost, as RFC 6298 does.

Pure. The agent uses the same estimator on its side (agent/session/datachannel/datachannel.go, calculateRetransmissionTimeout).
"""

from __future__ import annotations

_GAIN = 1 / 8
_VARIATION_GAIN = 1 / 4
_INITIAL_TIMEOUT = 0.2
_GRANULARITY = 0.01
_SHORTEST = 0.5
"""Below it is TCP, which loses nothing but at a cut, so that a late acknowledgement is mostly one of a busy machine."""

_LONGEST = 2.0


class RoundTripEstimate:
    """Smoothed round trip time and its variation, in seconds."""

    def __init__(self) -> None:
        self.smoothed: float | None = None
        self._variation = 0.0

    def add(self, sample: float) -> None:
        """Take one measured round trip; never one of a message that was sent twice (Karn's rule)."""
        if self.smoothed is None:
            self.smoothed, self._variation = sample, sample / 2
            return
        self._variation += _VARIATION_GAIN * (abs(self.smoothed - sample) - self._variation)
        self.smoothed += _GAIN * (sample - self.smoothed)

    def timeout(self) -> float:
        """Return the seconds after which a message should be sent again."""
        if self.smoothed is None:
            return _INITIAL_TIMEOUT
        return min(max(self.smoothed + max(_GRANULARITY, 4 * self._variation), _SHORTEST), _LONGEST)
