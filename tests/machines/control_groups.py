# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control group of its own for each machine: without one, all would share the group that systemd-nspawn makes where it is."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import signal
import time

_ROOT = pathlib.Path("/sys/fs/cgroup")


def make(name: str) -> list[pathlib.Path]:
    """Make the groups and return the files into which a process writes its id to move there."""
    groups = [hierarchy / name for hierarchy in _hierarchies()]
    for group in groups:
        group.mkdir(exist_ok=True)
    return [group / "cgroup.procs" for group in groups]


def kill(name: str, seconds: float = 10.0) -> None:
    """End what runs in the groups, and wait until it has."""
    deadline = time.monotonic() + seconds
    while processes := _processes(name):
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise OSError(f"processes {processes} of {name} cannot be ended")
        time.sleep(0.02)


def remove(name: str, seconds: float = 10.0) -> None:
    """Remove the groups with those below them; nothing runs in them any more."""
    deadline = time.monotonic() + seconds
    while busy := [folder for folder in _folders(name) if not _is_removed(folder)]:
        if time.monotonic() > deadline:
            raise OSError(f"control groups {busy} cannot be removed")
        time.sleep(0.02)


def _is_removed(folder: pathlib.Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError as error:
        # What has ended is gone from the list of processes a moment before it is gone from the group.
        if error.errno == errno.EBUSY:
            return False
        raise
    return True


def _folders(name: str) -> list[pathlib.Path]:
    """List the groups, those below before those above; who reads them finds that some have just gone."""
    groups = [hierarchy / name for hierarchy in _hierarchies()]
    return [pathlib.Path(folder) for group in groups for folder, _folders, _files in os.walk(group, topdown=False)]


def _processes(name: str) -> list[int]:
    found: list[int] = []
    for folder in _folders(name):
        with contextlib.suppress(OSError):
            found += map(int, (folder / "cgroup.procs").read_text(encoding="ascii").split())
    return found


def _hierarchies() -> list[pathlib.Path]:
    # The hybrid layout of version 1 has these two; version 2 has one, which is the root.
    hybrid = [_ROOT / "systemd", _ROOT / "unified"]
    return [hierarchy for hierarchy in hybrid if hierarchy.is_dir()] or [_ROOT]
