# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the broker of a controller run, and start it when there is none.

Blocking, as Ansible's workers are.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import pathlib
import signal
import socket
import stat
import subprocess
import sys
import tempfile

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import requests
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import BrokerBroken

_BROKER = "ansible_collections.fleet.ssm.plugins.plugin_utils._session.broker"
_BACKLOG = 512
_PR_SET_PDEATHSIG = 1


def runtime_folder() -> pathlib.Path:
    """Return the folder of this user's broker sockets; made when missing, refused when somebody else could look in."""
    # Not below HOME, which may be read-only or too long: a socket's path has at most 103 characters.
    folder = pathlib.Path(tempfile.gettempdir(), f"fleet.ssm-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise BrokerBroken(
            f"{folder} belongs to somebody else or is open to others. Remove it, or set TMPDIR to a folder of your own."
        )
    return folder


def end_with_controller(controller: int) -> None:
    """Have the kernel end this worker when its controller is killed; it would wait for a task nobody wants any more."""
    if sys.platform != "linux" or os.getppid() != controller:
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != controller:
        os.kill(os.getpid(), signal.SIGKILL)


class BrokerPlace:
    """Where the broker of a controller run is to be found.

    :param controller: process id of ansible-playbook; its end is the broker's end.
    """

    def __init__(self, controller: int) -> None:
        self._controller = controller

    @property
    def _path(self) -> pathlib.Path:
        return runtime_folder() / f"{self._controller}.sock"

    def connect(self) -> socket.socket:
        """Return a connection; start the broker when there is none."""
        connection = self.connect_existing()
        if connection is not None:
            return connection
        path = self._path
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            connection = self.connect_existing()
            if connection is None:
                start_broker(path, self._controller)
                connection = self.connect_existing()
        if connection is None:
            raise BrokerBroken(f"the broker could not be started.{self.last_words()}")
        return connection

    def connect_existing(self) -> socket.socket | None:
        """Return a connection to a broker that runs, None when there is none."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(requests.SILENCE_SECONDS)
        try:
            connection.connect(str(self._path))
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            return None
        return connection

    def last_words(self) -> str:
        """Return what the broker has complained of, if anything."""
        try:
            text = self._path.with_suffix(".log").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""
        return f" Its last words: {text[-2000:]}" if text else ""


def start_broker(path: pathlib.Path, controller: int) -> None:
    """Start the broker of a controller run, listening at a path; it can be connected to when this returns."""
    _sweep(path.parent)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listening, path.with_suffix(".log").open("wb") as log:
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(_BACKLOG)
        subprocess.Popen(
            [sys.executable, "-m", _BROKER, str(path), str(controller), str(listening.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(_import_path())},
            pass_fds=[listening.fileno()],
            start_new_session=True,
        )


def _sweep(folder: pathlib.Path) -> None:
    """Remove what brokers that were killed left behind: those whose controller is gone too."""
    for leftover in folder.iterdir():
        if leftover.stem.isdigit() and not _is_alive(int(leftover.stem)):
            leftover.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _import_path() -> list[str]:
    """Return where the broker finds what this process finds; Ansible finds collections in folders of its own."""
    folders = [pathlib.Path(folder) for folder in getattr(sys.modules.get("ansible_collections"), "__path__", [])]
    # Only ours: ansible-core has one inside its own package, whose neighbours would hide modules of the standard library.
    ours = [str(folder.parent) for folder in folders if folder.joinpath("fleet", "ssm").exists()]
    return [folder for folder in dict.fromkeys([*sys.path, *ours]) if folder]
