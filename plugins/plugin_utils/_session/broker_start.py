# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the broker of a controller run; apart from ``broker_place.py``, as most workers find it running.

Blocking, as Ansible's workers are.
"""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys

_BROKER = "ansible_collections.fleet.ssm.plugins.plugin_utils._session.broker"
_COLLECTIONS = pathlib.Path(__file__).parents[5]
#: Run a module of this very copy of the collection; Python, unlike Ansible, may find another one first.
_START = (
    "import importlib, sys, types; "
    "collections = sys.modules['ansible_collections'] = types.ModuleType('ansible_collections'); "
    "collections.__path__ = [sys.argv[1]]; "
    "importlib.import_module(sys.argv[2]).main(*sys.argv[3:])"
)
_BACKLOG = 512


def start_broker(path: pathlib.Path, controller: int) -> None:
    """Start the broker of a controller run, listening at a path; it can be connected to when this returns."""
    _sweep(path.parent)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listening, path.with_suffix(".log").open("wb") as log:
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(_BACKLOG)
        subprocess.Popen(
            [sys.executable, "-c", _START, str(_COLLECTIONS), _BROKER, str(path), str(controller), str(listening.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(folder for folder in sys.path if folder)},
            pass_fds=[listening.fileno()],
            start_new_session=True,
        )


def _sweep(folder: pathlib.Path) -> None:
    """Remove what brokers that were killed left behind: those whose controller is gone too."""
    for leftover in folder.iterdir():
        if leftover.stem.isdigit() and not _is_ours_and_alive(int(leftover.stem)):
            leftover.unlink(missing_ok=True)


def _is_ours_and_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
