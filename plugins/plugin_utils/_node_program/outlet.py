# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write to a descriptor without ever waiting for it: what it does not take just now is queued."""

import collections
import os

#: how many bytes may wait before whoever has more is to hold it back
LIMIT = 256 * 1024


class Outlet:
    """A descriptor and the bytes it has not taken yet."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.queue = collections.deque()  # type: collections.deque[bytes]
        self.waiting = 0

    def is_full(self) -> bool:
        """Return whether there is no room for more."""
        return self.waiting >= LIMIT

    def put(self, data: bytes) -> None:
        """Queue bytes."""
        self.queue.append(data)
        self.waiting += len(data)

    def write(self) -> bool:
        """Write as much as the descriptor takes; return whether who was held back may go on now."""
        was_full = self.is_full()
        try:
            while self.queue:
                data = self.queue[0]
                count = os.write(self.descriptor, data)
                self.waiting -= count
                if count == len(data):
                    self.queue.popleft()
                else:
                    self.queue[0] = data[count:]
        except BlockingIOError:
            pass
        return was_full and not self.is_full()
