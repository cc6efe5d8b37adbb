# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watch how much memory the programs of a run take at most: worker, broker, and what runs on the node."""

from __future__ import annotations

import pathlib
import re
import threading
import time
import types

_LOOK_EVERY = 0.1

_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
_PARENT = re.compile(r"^PPid:\s+(\d+)", re.MULTILINE)

_ROLES = {
    "broker": "_session.broker",
    "courier": "import socket,sys",
    "node program": "import os,zlib,base64;",
    "worker": "/ansible-playbook ",
}
"""What a program's command line holds."""


class PeakMemory:
    """A context that samples the processes which belong to a folder: those that name it, and their children's children.

    ``megabytes`` has the peak of each role in the end, of its largest process.
    """

    def __init__(self, *folders: pathlib.Path) -> None:
        self.megabytes: dict[str, float] = {}
        self._folders = [str(folder) for folder in folders]
        # By command line too: between fork and exec a process still has another's.
        self._known: dict[tuple[int, str], str] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: types.TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.is_set():
            for entry in pathlib.Path("/proc").iterdir():
                if entry.name.isdigit():
                    self._look(int(entry.name))
            time.sleep(_LOOK_EVERY)

    def _look(self, process: int) -> None:
        try:
            command = _read(process, "cmdline").replace("\0", " ")
            role = self._known.get((process, command))
            if role is None:
                role = self._known[process, command] = self._role(process, command)
            peak = _PEAK.search(_read(process, "status")) if role else None
        except OSError:
            return
        if role and peak is not None:
            self.megabytes[role] = max(self.megabytes.get(role, 0.0), int(peak[1]) / 1024)

    def _role(self, process: int, command: str) -> str:
        role = next((name for name, part in _ROLES.items() if part in command), "")
        return role if role and self._belongs(process) else ""

    def _belongs(self, process: int) -> bool:
        while process > 1:
            if any(folder in _read(process, name) for folder in self._folders for name in ("cmdline", "environ")):
                return True
            parent = _PARENT.search(_read(process, "status"))
            process = int(parent[1]) if parent is not None else 0
        return False


def _read(process: int, name: str) -> str:
    return pathlib.Path("/proc", str(process), name).read_text(encoding="utf-8", errors="replace")
