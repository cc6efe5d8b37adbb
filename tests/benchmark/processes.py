# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure memory and processor time of the processes of a run, from /proc."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import os
import pathlib
import threading
import time

_TICK = os.sysconf("SC_CLK_TCK")
_BROKER = b"_session.broker"
_AGENT = b"tests.emulator.agent"
_EVERY = 0.1


@dataclasses.dataclass
class BrokerUse:
    """What a broker has used, as last seen while its controller lived: bytes, and processor seconds."""

    memory: int = 0
    seconds: float = 0.0


@contextlib.contextmanager
def watched_broker(controller: int) -> collections.abc.Iterator[BrokerUse]:
    """Look at the broker of a controller until both are done."""
    use, over = BrokerUse(), threading.Event()

    def watch() -> None:
        broker = 0
        while not over.wait(_EVERY):
            broker = broker or next(_processes(_BROKER, str(controller).encode()), 0)
            with contextlib.suppress(OSError):
                use.seconds = sum(_times(broker)[:2]) if broker else 0.0
                use.memory = max(use.memory, _resident(broker) if broker else 0)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield use
    finally:
        over.set()
        thread.join()


def agents() -> list[int]:
    """Return the processes of all simulated agents."""
    return list(_processes(_AGENT))


def agents_and_nodes(agents: list[int]) -> tuple[float, float]:
    """Return the processor seconds of agents so far, and of what ran on their nodes and has ended."""
    own, below = 0.0, 0.0
    for process in agents:
        with contextlib.suppress(OSError):
            times = _times(process)
            own += sum(times[:2])
            below += sum(times[2:])
    return own, below


def processor_seconds(process: int) -> float:
    """Return what a process has used so far."""
    return sum(_times(process)[:2])


def wait_until_gone(controller: int, seconds: float) -> bool:
    """Wait for the end of a controller's broker, which ends its sessions first; False when it lives on."""
    deadline = time.monotonic() + seconds
    while next(_processes(_BROKER, str(controller).encode()), 0):
        if time.monotonic() > deadline:
            return False
        time.sleep(_EVERY)
    return True


def _processes(*words: bytes) -> collections.abc.Iterator[int]:
    """Yield the processes whose command line has arguments that end so."""
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
                if all(any(argument.endswith(word) for argument in arguments) for word in words):
                    yield int(entry.name)


def _times(process: int) -> list[float]:
    """Return user and system seconds, and those of children that were waited for."""
    fields = pathlib.Path("/proc", str(process), "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return [int(field) / _TICK for field in fields[11:15]]


def _resident(process: int) -> int:
    pages = pathlib.Path("/proc", str(process), "statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
