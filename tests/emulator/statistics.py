# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts what the emulator was asked to do; served as ``GET /_emulator/stats``.

The answer::

    {
        "calls": {"ssm:StartSession": 3, "ec2:DescribeInstances": 1},
        "s3_requests": 0,
        "sessions": {"opened": 3, "open": 0, "most": 3},
        "websocket": {"client_up": {"bytes": 4711, "messages": 42}, "client_down": ..., "agent_up": ..., "agent_down": ...},
        "faults": {"cut": 2},
    }

``client_up`` is what clients sent to the message service, ``client_down`` what it sent to them; ``agent_up`` and
``agent_down`` are the same for agents (control and data channels). Bytes are websocket payload bytes; what a fault
dropped on its way to the service counts, what it dropped on its way out does not. ``faults`` is faults.py's.
"""

from __future__ import annotations

import collections
import threading
import typing as t

Direction = t.Literal["client_up", "client_down", "agent_up", "agent_down"]
DIRECTIONS: tuple[Direction, ...] = t.get_args(Direction)


class Statistics:
    """Counters; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[str] = set()
        self.reset()

    def reset(self) -> None:
        """Start counting anew; sessions that are open stay open."""
        with self._lock:
            self._calls: collections.Counter[str] = collections.Counter()
            self._bytes: collections.Counter[str] = collections.Counter()
            self._messages: collections.Counter[str] = collections.Counter()
            self._opened = 0
            self._most = len(self._open)

    def call(self, service: str, operation: str) -> None:
        """Count one API request, whatever came of it."""
        with self._lock:
            self._calls[f"{service}:{operation}"] += 1

    def session_opened(self, session_id: str) -> None:
        """Note that StartSession succeeded."""
        with self._lock:
            self._opened += 1
            self._open.add(session_id)
            self._most = max(self._most, len(self._open))

    def session_closed(self, session_id: str) -> None:
        """Note that a session is over; a second time is harmless."""
        with self._lock:
            self._open.discard(session_id)

    def traffic(self, direction: Direction, size: int) -> None:
        """Count one websocket message of ``size`` payload bytes."""
        with self._lock:
            self._bytes[direction] += size
            self._messages[direction] += 1

    def snapshot(self) -> dict[str, t.Any]:
        """Return everything counted since the last reset, ready for JSON."""
        with self._lock:
            return {
                "calls": dict(sorted(self._calls.items())),
                "s3_requests": sum(count for name, count in self._calls.items() if name.startswith("s3:")),
                "sessions": {"opened": self._opened, "open": len(self._open), "most": self._most},
                "websocket": {
                    direction: {"bytes": self._bytes[direction], "messages": self._messages[direction]} for direction in DIRECTIONS
                },
            }
