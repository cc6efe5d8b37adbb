# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible on booted machines: what each task of a run did on each of them."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import typing as t

from tests.machines.machine import Machine

_INTEGRATION = pathlib.Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Run:
    """A playbook that has ended: each task's host, name, and result with how it ended."""

    code: int
    output: str
    tasks: list[tuple[str, str, dict[str, t.Any]]]

    def __str__(self) -> str:
        return f"exit code {self.code}\n{self.output}"

    def changed(self, host: str) -> list[str]:
        """Name the tasks that changed something there, or would."""
        return [task.rpartition(" : ")[2] for where, task, result in self.tasks if where == host and result.get("changed")]

    def failure(self, host: str) -> str:
        """Return what the task that failed there said."""
        said = [str(result["msg"]) for where, _task, result in self.tasks if where == host and result["ending"] == "failed"]
        assert said, f"nothing failed on {host}\n{self}"
        return said[0]

    def fact(self, host: str, name: str) -> t.Any:
        """Return a fact that was set there."""
        facts = [result.get("ansible_facts", {}) for where, _task, result in self.tasks if where == host]
        return [found[name] for found in facts if name in found][-1]


class Playbooks:
    """Runs plays on machines from a folder of its own."""

    def __init__(
        self, folder: pathlib.Path, machines: t.Mapping[str, Machine], environment: t.Mapping[str, str] | None = None
    ) -> None:
        self._folder = folder
        self._record = folder / "record"
        self._inventory = folder / "hosts.ini"
        hosts = [f"{name} ansible_host={machine.folder}" for name, machine in machines.items()]
        settings = ["[all:vars]", "ansible_connection=machine", "ansible_python_interpreter=/usr/bin/python3"]
        self._inventory.write_text("\n".join([*hosts, *settings, ""]), encoding="utf-8")
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "AWS_", "FLEET_"))},
            "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
            "ANSIBLE_HOME": str(folder / "home"),
            "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
            "ANSIBLE_REMOTE_TEMP": "/tmp/ansible",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CONNECTION_PLUGINS": str(_INTEGRATION / "connection_plugins"),
            "ANSIBLE_CALLBACK_PLUGINS": str(_INTEGRATION / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "recorder",
            "RECORDER_FILE": str(self._record),
            **(environment or {}),
        }

    def role(self, entry: str, variables: dict[str, t.Any], *arguments: str, name: str = "agent") -> Run:
        """Run an entry point of one of the collection's roles on all machines."""
        role = {"ansible.builtin.import_role": {"name": f"fleet.ssm.{name}", "tasks_from": entry}, "vars": variables}
        return self.tasks([{"name": "Role", **role}], *arguments)

    def tasks(self, tasks: list[dict[str, t.Any]], *arguments: str) -> Run:
        """Run tasks on all machines."""
        return self.plays([{"hosts": "all", "gather_facts": False, "tasks": tasks}], *arguments)

    def plays(self, plays: list[dict[str, t.Any]], *arguments: str) -> Run:
        """Run whole plays."""
        play = self._folder / "play.yml"
        play.write_text(json.dumps(plays), encoding="utf-8")
        return self.playbook(str(play), *arguments)

    def playbook(self, play: str, *arguments: str) -> Run:
        """Run a playbook, a file or one of the collection's."""
        self._record.unlink(missing_ok=True)
        command = ["ansible-playbook", "-i", str(self._inventory), play, *arguments]
        done = subprocess.run(
            command, cwd=self._folder, env=self._environment, capture_output=True, text=True, timeout=200, check=False
        )
        lines = self._record.read_text(encoding="utf-8").splitlines() if self._record.exists() else []
        return Run(done.returncode, done.stdout + done.stderr, [tuple(json.loads(line)) for line in lines])
