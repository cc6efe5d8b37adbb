# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run an OpenSSH server on loopback for the ssh side of the benchmark, with keys of its own."""

from __future__ import annotations

import getpass
import pathlib
import shutil
import socket
import subprocess
import time

_SSHD = "/usr/sbin/sshd"
_PRIVILEGE_SEPARATION = pathlib.Path("/run/sshd")


def missing() -> str:
    """Say why there can be no server; empty when there can."""
    for program in (_SSHD, "ssh", "ssh-keygen"):
        if shutil.which(program) is None:
            return f"{program} is not installed (Debian: openssh-server)"
    return ""


class SshServer:
    """A server that lets in its own key only; everything it writes is in one folder."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.key = folder / "client_key"
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._made_folder = False

    def __enter__(self) -> SshServer:
        self.folder.mkdir(parents=True, exist_ok=True)
        for key in (self.key, self.folder / "host_key"):
            key.unlink(missing_ok=True)
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        shutil.copy(self.folder / "client_key.pub", self.folder / "authorized_keys")
        config = self.folder / "sshd_config"
        config.write_text(
            f"ListenAddress 127.0.0.1\nPort {self.port}\nHostKey {self.folder}/host_key\nPidFile none\nStrictModes no\n"
            f"AuthorizedKeysFile {self.folder}/authorized_keys\nUsePAM no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n"
            "MaxSessions 100\n",
            encoding="utf-8",
        )
        self._made_folder = not _PRIVILEGE_SEPARATION.exists()
        _PRIVILEGE_SEPARATION.mkdir(exist_ok=True)
        self._process = subprocess.Popen([_SSHD, "-D", "-e", "-f", str(config)], stderr=subprocess.DEVNULL)
        _wait_for(self.port)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        if self._made_folder:
            _PRIVILEGE_SEPARATION.rmdir()

    def variables(self, port: int) -> dict[str, str]:
        """Return the inventory variables that reach it, by this port or one in front of it."""
        options = f"-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ControlPath={self.folder}/mux-%C"
        return {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": str(port),
            "ansible_user": getpass.getuser(),
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_common_args": options,
            "ansible_pipelining": "true",
        }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"no ssh server answers on port {port}")
