# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the messages that were not acknowledged, and tell which of them to send again, and when.

Pure. Each message is acknowledged by itself, in the order of arrival, so an acknowledgement also says that what was sent long
before its message, and is not acknowledged, got lost (as RFC 8985 does for TCP, but by order in place of time: a burst has one
time). What nothing came after is found out by a clock: the oldest message is sent again, and each acknowledgement then lets a few
more follow, as a socket that was cut somewhere behind the service may have taken a whole window with it. They follow from the
newest one on: when nothing was lost and the agent was only busy, it is the older ones that are acknowledged now, and that ends it
(RFC 5682's idea).
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session.retransmission import RoundTripEstimate

REORDERED = 32
"""A message counts as lost when one was acknowledged that was sent so many messages later."""

_GROWTH = 4


@dataclasses.dataclass(slots=True)
class Sent:
    """A message on its way. ``first`` and ``last`` are places in the order of all that was sent."""

    data: bytes
    size: int
    first: int
    last: int
    when: float

    @property
    def once(self) -> bool:
        """Whether it was sent only once, so that it is known which copy an acknowledgement is for."""
        return self.first == self.last


class Unacknowledged:
    """All of them, by sequence number."""

    def __init__(self) -> None:
        self.round_trip = RoundTripEstimate()
        self.size = 0
        self._messages: collections.OrderedDict[int, Sent] = collections.OrderedDict()
        self._in_order: collections.OrderedDict[int, int] = collections.OrderedDict()
        self._next = 0
        self._overdue_at = 0
        self._suspects: list[int] = []
        self._last_acknowledged = float("-inf")

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._messages)

    def any_from(self, number: int) -> bool:
        """Whether there is any with this number or a later one."""
        return any(key >= number for key in self._messages)

    def add(self, number: int, data: bytes, size: int, now: float) -> None:
        """Take a message that is sent now; ``size`` is that of its payload."""
        self._messages[number] = Sent(data, size, self._next, self._next, now)
        self._in_order[self._next] = number
        self._next += 1
        self.size += size

    def due(self) -> float | None:
        """Return when the oldest one is to be sent again."""
        if not self._messages:
            return None
        # As long as acknowledgements come, it is on its way in a long queue, or else found out by them.
        since = max(next(iter(self._messages.values())).when, self._last_acknowledged)
        return since + self.round_trip.timeout()

    def overdue(self, now: float) -> list[bytes]:
        """Return what to send again now that the oldest one is overdue."""
        oldest = next(iter(self._messages))
        self._overdue_at = self._next
        self._suspects = [number for number in self._in_order.values() if number != oldest]
        return [self._repeat(oldest, now)]

    def all(self, now: float) -> list[bytes]:
        """Return everything, to be sent again on a new socket."""
        self._suspects.clear()
        return [self._repeat(number, now) for number in self._messages]

    def acknowledge(self, number: int, now: float) -> list[bytes] | None:
        """Take an acknowledgement; return what to send again because of it, None when it was for nothing."""
        sent = self._messages.pop(number, None)
        if sent is None:
            return None
        del self._in_order[sent.last]
        self.size -= sent.size
        self._last_acknowledged = now
        if sent.once:
            self.round_trip.add(now - sent.when)
            if sent.last < self._overdue_at:
                self._suspects.clear()
        lost = list(self._sent_before(sent.first - REORDERED + 1))
        return [self._repeat(number, now) for number in (*lost, *self._next_suspects())]

    def _sent_before(self, place: int) -> t.Iterator[int]:
        """Yield what was last sent before a place in the order of all that was sent."""
        for order, number in self._in_order.items():
            if order >= place:
                return
            yield number

    def _next_suspects(self) -> t.Iterator[int]:
        """Yield a few of those that were sent before the oldest one was overdue, and not again since."""
        count = 0
        while self._suspects and count < _GROWTH:
            number = self._suspects.pop()
            if number in self._messages and self._messages[number].last < self._overdue_at:
                count += 1
                yield number

    def _repeat(self, number: int, now: float) -> bytes:
        sent = self._messages[number]
        del self._in_order[sent.last]
        sent.last, sent.when = self._next, now
        self._in_order[self._next] = number
        self._next += 1
        return sent.data
