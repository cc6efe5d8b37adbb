# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node as a worker sees it, without Ansible around: for bytes that no playbook would carry."""

from __future__ import annotations

import pathlib
import shlex
import subprocess

from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import settings
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.client import BrokerClient

from tests.integration.running_emulator import RunningEmulator


class Node:
    """A node as a worker sees it, and a controller for its broker to live as long as."""

    def __init__(self, emulator: RunningEmulator, machine: str, *pythons: str) -> None:
        self._controller = subprocess.Popen(["sleep", "1000"])
        self._client = BrokerClient(self._controller.pid)
        node = settings.NodeSettings(emulator.nodes()[machine], "test", pythons or ("python3",), 60, 60, 120)
        self._described = settings.describe(AwsOptions(), node)

    @property
    def lacks_python(self) -> bool:
        return self._client.lacks_python

    def run(self, *command: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        return self._client.execute(self._described, shlex.join(command), stdin)

    def put(self, source: pathlib.Path, path: str) -> None:
        self._client.put(self._described, str(source), path)

    def get(self, path: str, target: pathlib.Path) -> None:
        self._client.get(self._described, path, str(target))

    def close(self) -> None:
        self._client.close()
        self._controller.kill()
        self._controller.wait()
