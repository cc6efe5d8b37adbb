# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the broker of a controller run, and have one found or started when it has none yet.

Blocking, as Ansible's workers are.
"""

from __future__ import annotations

import fcntl
import os
import pathlib
import signal
import socket
import stat
import sys
import tempfile

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import requests
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import BrokerBroken

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


def kept_name(identity: str, broker: int) -> str:
    """Return the name, without suffix, of the files of a broker that waits for a controller."""
    return f"kept-{identity}-{broker}"


def end_with_controller(controller: int) -> None:
    """Have the kernel end this worker when its controller is killed; it would wait for a task nobody wants any more."""
    if sys.platform != "linux" or os.getppid() != controller:
        return
    import ctypes

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
                from ansible_collections.fleet.ssm.plugins.plugin_utils._session.broker_start import find_broker

                find_broker(path, self._controller)
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
