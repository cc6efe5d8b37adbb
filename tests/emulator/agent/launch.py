# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switch simulated machines on and off."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from tests.emulator.node_settings import NodeSettings

_PATIENCE = 3.0
_SETTINGS, _PID = "settings.json", "agent.pid"


@dataclasses.dataclass(frozen=True)
class Node:
    """A machine that was switched on; ``pid`` is its outermost process."""

    folder: pathlib.Path

    @property
    def pid(self) -> int:
        """The process to end; 0 when there is none."""
        try:
            return int((self.folder / _PID).read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return 0

    @property
    def root(self) -> pathlib.Path:
        """Where its files are seen from outside: "/" when it has no root folder of its own."""
        upper = self.folder / "upper"
        return upper if upper.exists() else pathlib.Path("/")

    def is_running(self) -> bool:
        """Whether its process still lives."""
        return self.pid != 0 and lives(self.pid)

    def stop(self) -> None:
        """Switch it off: no process and no mount is left, its folder stays."""
        stop_all([self])

    def kill(self) -> None:
        """Pull the plug."""
        for pid in with_descendants(self.pid):
            _signal(pid, signal.SIGKILL)


def start_node(settings: NodeSettings) -> Node:
    """Switch one machine on; returns as soon as its process runs."""
    return start_nodes([settings])[0]


def start_nodes(many: list[NodeSettings]) -> list[Node]:
    """Switch machines on: one Python forks them all, so that a hundred cost little more than one."""
    for settings in many:
        settings.folder.mkdir(parents=True, exist_ok=True)
        (settings.folder / _PID).unlink(missing_ok=True)
        text = json.dumps(dataclasses.asdict(settings), default=str)
        path = settings.folder / _SETTINGS
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    folders = [str(settings.folder) for settings in many]
    subprocess.run([sys.executable, "-m", "tests.emulator.agent", *folders], check=True, cwd=pathlib.Path(__file__).parents[3])
    return [Node(settings.folder) for settings in many]


def stop_all(nodes: list[Node]) -> None:
    """Switch machines off together."""
    doomed = {pid for node in nodes if node.is_running() for pid in with_descendants(node.pid)}
    for node in nodes:
        _signal(node.pid, signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE
    while any(node.is_running() for node in nodes) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in doomed:
        _signal(pid, signal.SIGKILL)
    while any(lives(pid) for pid in doomed) and time.monotonic() < deadline + _PATIENCE:
        time.sleep(0.02)


def lives(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not, and some first processes collect late or never."""
    try:
        return pathlib.Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def read_settings(folder: pathlib.Path) -> NodeSettings:
    """Read what ``start_nodes`` wrote."""
    members = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
    return NodeSettings(**{**members, "folder": folder, "ca_file": pathlib.Path(members["ca_file"])})


def write_pid(folder: pathlib.Path) -> None:
    """Tell whoever switches it off which process that is."""
    (folder / _PID).write_text(str(os.getpid()), encoding="ascii")


def _signal(pid: int, number: signal.Signals) -> None:
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def with_descendants(pid: int) -> list[int]:
    """Return a process and all below it, as the host numbers them."""
    children: dict[int, list[int]] = collections.defaultdict(list)
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                children[int(parent)].append(int(entry.name))
    found, waiting = [], [pid] if pid else []
    while waiting:
        current = waiting.pop()
        found.append(current)
        waiting += children[current]
    return found
