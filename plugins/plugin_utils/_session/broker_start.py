# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the broker of a controller run, or take over one that another run has left; most workers find it running.

Blocking, as Ansible's workers are.
"""

from __future__ import annotations

import os
import pathlib
import socket
import struct
import subprocess
import sys

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import requests
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.broker_place import kept_name
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.surroundings import identity

_BROKER = "ansible_collections.fleet.ssm.plugins.plugin_utils._session.broker"
_COLLECTIONS = pathlib.Path(__file__).parents[5]
#: Run a module of this very copy of the collection; Python, unlike Ansible, may find another one first. Nothing is garbage yet.
_START = (
    "import gc, importlib, sys, types; gc.disable(); "
    "collections = sys.modules['ansible_collections'] = types.ModuleType('ansible_collections'); "
    "collections.__path__ = [sys.argv[1]]; "
    "importlib.import_module(sys.argv[2]).main(*sys.argv[3:])"
)
_BACKLOG = 512
_ADOPTION_SECONDS = 5.0


def find_broker(path: pathlib.Path, controller: int) -> None:
    """Have a broker for a controller run, listening at a path; it can be connected to when this returns."""
    _sweep(path.parent)
    own = identity()
    for kept in path.parent.glob(kept_name(own, 0)[:-1] + "*.sock"):
        if _adopts(kept, controller):
            return
    _start_broker(path, controller, own)


def _adopts(kept: pathlib.Path, controller: int) -> bool:
    """Ask a broker that waits for a controller to work for this one; it may just leave or have been asked by another."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ADOPTION_SECONDS)
        try:
            connection.connect(str(kept))
            connection.sendall(requests.encode({"operation": "adopt", "controller": controller}))
            with connection.makefile("rb") as answers:
                header, _body = requests.decode_lengths(answers.read(requests.LENGTHS.size))
                answer = requests.decode_header(answers.read(header))
        except (OSError, struct.error, requests.MalformedRequest):
            return False
    return answer.get("event") == "done"


def _start_broker(path: pathlib.Path, controller: int, own: str) -> None:
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listening, path.with_suffix(".log").open("wb") as log:
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(_BACKLOG)
        subprocess.Popen(
            [sys.executable, "-c", _START, str(_COLLECTIONS), _BROKER, str(path), str(controller), str(listening.fileno()), own],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(folder for folder in sys.path if folder)},
            pass_fds=[listening.fileno()],
            start_new_session=True,
        )


def _sweep(folder: pathlib.Path) -> None:
    """Remove what brokers that were killed left behind: by the controller's process id, or their own when they were kept."""
    for leftover in folder.iterdir():
        process = leftover.stem.rpartition("-")[2]
        if process.isdigit() and not _is_ours_and_alive(int(process)):
            leftover.unlink(missing_ok=True)


def _is_ours_and_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
