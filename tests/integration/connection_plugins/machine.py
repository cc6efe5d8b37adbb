# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Enter a booted machine of tests/machines; ansible_host is its folder, and who runs Ansible is root."""

from __future__ import annotations

DOCUMENTATION = r"""
name: machine
short_description: Run tasks on a throw-away machine
description: For the collection's own tests.
author: The fleet.ssm contributors (@fleet-ssm)
options:
  folder:
    description: The folder of the machine, with C(enter.json) in it.
    vars:
      - name: ansible_host
"""

import json
import pathlib
import subprocess
import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase


class Connection(ConnectionBase):
    """Runs each command by the machine's own way in."""

    transport = "machine"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command line by the shell."""
        return self._enter(["/bin/sh", "-c", cmd], in_data or b"")

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file there."""
        self._move(["/bin/sh", "-c", 'cat > "$0"', out_path], pathlib.Path(in_path).read_bytes())

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file here."""
        pathlib.Path(out_path).write_bytes(self._move(["cat", in_path]))

    def close(self) -> None:
        """Nothing is held open."""
        self._connected = False

    def _move(self, command: list[str], content: bytes = b"") -> bytes:
        code, output, error = self._enter(command, content)
        if code:
            raise AnsibleConnectionFailure(f"{command}: {error.decode(errors='replace')}")
        return output

    def _enter(self, command: list[str], content: bytes) -> tuple[int, bytes, bytes]:
        entry: list[t.Any] = json.loads(pathlib.Path(self.get_option("folder"), "enter.json").read_text(encoding="utf-8"))
        done = subprocess.run([*entry, *command], input=content, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr
