# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clean up on a node when the program is killed."""

import base64
import contextlib
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t


class Watchman:
    """A process of its own that cleans up when this program is killed, as the agent does to end a session (execcmd.go, Kill)."""

    def __init__(self) -> None:
        reading, self.pipe = os.pipe()
        if os.fork() == 0:
            try:
                self.serve(reading)
            finally:
                os._exit(0)
        os.close(reading)

    def serve(self, reading: int) -> None:
        """Read what there is to clean up until nobody can write any more, and do it."""
        os.setsid()
        os.close(self.pipe)
        for descriptor in range(3):
            os.close(descriptor)
        left = set()  # type: t.Set[bytes]
        with open(reading, "rb") as told:
            for line in told:
                mark, what = line[:1], base64.b64decode(line[1:])
                (left.add if mark == b"+" else left.discard)(what)
        for what in left:
            if what.startswith(b"/"):
                remove(what)
            else:
                hang_up(int(what))

    def begun(self, what: "t.Union[int, bytes]") -> None:
        """Mind a process group or an unfinished file."""
        self.tell(b"+", what)

    def ended(self, what: "t.Union[int, bytes]") -> None:
        """Mind it no more."""
        self.tell(b"-", what)

    def tell(self, mark: bytes, what: "t.Union[int, bytes]") -> None:
        """Write a line."""
        name = what if isinstance(what, bytes) else b"%d" % what
        # Should somebody have killed it, commands run all the same.
        with contextlib.suppress(OSError):
            os.write(self.pipe, mark + base64.b64encode(name) + b"\n")


def hang_up(group: int) -> None:
    """Tell a process group that its user is gone, as the end of a terminal does."""
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGHUP)
        os.killpg(group, signal.SIGCONT)


def remove(path: bytes) -> None:
    """Remove a file if it is there."""
    with contextlib.suppress(OSError):
        os.unlink(path)
