# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command that takes very long, and the processes there are: whether it runs, and what is left of it."""

from __future__ import annotations

import collections.abc
import contextlib
import itertools
import os
import pathlib
import time

_numbers = itertools.count()


class LongSleep:
    """A sleep that is told from those of all other tests, of which some run at the same time, by how long it takes."""

    def __init__(self) -> None:
        self.command = f"sleep 300.{os.getpid()}{next(_numbers):03}"

    def begins(self, *, times: int = 1, seconds: float = 30) -> bool:
        """Wait until it runs, on so many nodes."""
        return becomes_true(lambda: self._count() >= times, seconds)

    def ends(self, *, seconds: float = 5) -> bool:
        """Wait until it runs nowhere."""
        return becomes_true(lambda: self._count() == 0, seconds)

    def _count(self) -> int:
        return sum(map(_is_sleep, processes(self.command)))


def _is_sleep(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return pathlib.Path("/proc", str(pid), "comm").read_text().strip() == "sleep"
    return False


def processes(words: str) -> list[int]:
    """Return those that have these words in their command line."""
    return [
        int(entry.name) for entry in pathlib.Path("/proc").iterdir() if entry.name.isdigit() and words in command(int(entry.name))
    ]


def command(pid: int) -> str:
    """Return a process's command line, nothing when it has ended."""
    with contextlib.suppress(OSError):
        return pathlib.Path("/proc", str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def have_ended(*pids: int, seconds: float = 5) -> bool:
    """Wait until there is none of these processes."""
    return becomes_true(lambda: not any(pathlib.Path("/proc", str(pid)).exists() for pid in pids), seconds)


def becomes_true(condition: collections.abc.Callable[[], object], seconds: float = 20) -> bool:
    """Wait for something; False when it has not come about in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False
