# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running emulator as tests see it: its environment, its nodes, what it counted, what it is to break."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import pathlib
import shlex
import subprocess
import sys
import threading
import time
import typing as t
import urllib.request

import botocore.config
import botocore.session

from tests.emulator.agent import launch

CLONE = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Run:
    """An Ansible program that has ended."""

    code: int
    output: str

    def __str__(self) -> str:
        return f"exit code {self.code}\n{self.output}"

    def says(self, sentence: str) -> bool:
        """Say whether a sentence is in the output; pytest shows what is printed when a test fails of it."""
        found = self.count(sentence) > 0
        if not found:
            print(self)
        return found

    def count(self, sentence: str) -> int:
        """Count a sentence in the output, whose lines Ansible wraps at blanks and after hyphens."""
        return _unwrapped(self.output).count(_unwrapped(sentence))


def _unwrapped(text: str) -> str:
    return " ".join(text.split()).replace("- ", "-")


class RunningEmulator:
    """One started by the command line that users have."""

    def __init__(self, folder: pathlib.Path, nodes: pathlib.Path, delay_ms: float = 0.0) -> None:
        self.folder = folder
        exports = self.command("up", "--nodes", str(nodes), "--delay-ms", str(delay_ms))
        lines = [line.removeprefix("export ").split("=", 1) for line in exports.splitlines()]
        self.environment = {name: shlex.split(value)[0] for name, value in lines}
        self.url = self.environment["AWS_ENDPOINT_URL"]
        self._session = botocore.session.Session()
        self._clients: dict[tuple[t.Any, ...], t.Any] = {}
        self._lock = threading.Lock()

    def command(self, *arguments: str, **environment: str) -> str:
        """Run one of the emulator's verbs; return what it printed."""
        command = [sys.executable, "-m", "tests.emulator", *arguments, "--state", str(self.folder)]
        done = subprocess.run(command, cwd=CLONE, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout

    def nodes(self) -> dict[str, str]:
        """Return node ids by machine."""
        return {node["name"]: node["id"] for node in self._get("nodes")}

    def is_online(self, machine: str) -> bool:
        """Say whether a machine's agent is connected."""
        return any(node["connected"] for node in self._get("nodes") if node["name"] == machine)

    def switch_off(self, machine: str) -> None:
        """Pull a machine's plug."""
        launch.Node(self.folder / "nodes" / machine).kill()

    def switch_on(self, machine: str) -> None:
        """Have it boot again; it is online some time later."""
        launch.start_node(launch.read_settings(self.folder / "nodes" / machine))

    def statistics(self) -> dict[str, t.Any]:
        """Return what was counted since the last reset."""
        statistics: dict[str, t.Any] = self._get("stats")
        return statistics

    def calls(self, name: str) -> int:
        """Return how often an operation was called."""
        return int(self.statistics()["calls"].get(name, 0))

    def reset(self) -> None:
        """Forget what was counted and ordered, once the test before has ended what it began."""
        self.no_session_is_left()
        self.order({"clear": True})
        self._post("stats/reset", {})

    def order(self, faults: dict[str, t.Any]) -> None:
        """Have it break something."""
        self._post("faults", faults)

    def record(self, on: bool = True) -> None:
        """Keep what sessions carry from now on, or no more."""
        self._post("recording", {"on": on})

    def recorded(self) -> list[dict[str, bytes]]:
        """Return what was typed and what was printed in each session since it is kept."""
        sessions: dict[str, dict[str, str]] = self._get("recording")
        return [{side: base64.b64decode(text) for side, text in session.items()} for session in sessions.values()]

    def faults(self) -> dict[str, t.Any]:
        """Return what it still has orders to break."""
        held: dict[str, t.Any] = self._get("faults")
        return held

    def add_records(self, order: dict[str, t.Any]) -> None:
        """Have it know nodes and instances that are only records."""
        self._post("records", order)

    def client(self, service: str, keys: tuple[str, ...] = (), region: str = "", **settings: t.Any) -> t.Any:
        """Return a client of one of its services, with other keys and region than its own and botocore's settings when given."""
        wanted = (service, keys, region, json.dumps(settings, sort_keys=True))
        with self._lock:
            if wanted not in self._clients:
                own = self.environment["AWS_ACCESS_KEY_ID"], self.environment["AWS_SECRET_ACCESS_KEY"]
                names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
                given: dict[str, t.Any] = dict(zip(names, keys or own, strict=False))
                self._clients[wanted] = self._session.create_client(
                    service,
                    region_name=region or self.environment["AWS_REGION"],
                    endpoint_url=self.url,
                    config=botocore.config.Config(**settings),
                    **given,
                )
            return self._clients[wanted]

    def run_command(self, machine: str, *lines: str, **parameters: str) -> dict[str, t.Any]:
        """Run a shell script on a machine by Run Command; return what GetCommandInvocation says in the end."""
        ssm, node = self.client("ssm"), self.nodes()[machine]
        values = {"commands": list(lines), **{name: [value] for name, value in parameters.items()}}
        sent = ssm.send_command(DocumentName="AWS-RunShellScript", InstanceIds=[node], Parameters=values)["Command"]
        deadline = time.monotonic() + 30
        while True:
            invocation: dict[str, t.Any] = ssm.get_command_invocation(CommandId=sent["CommandId"], InstanceId=node)
            if invocation["Status"] not in ("Pending", "InProgress"):
                return invocation
            if time.monotonic() > deadline:
                raise AssertionError(f"the command is still {invocation['Status']} after 30 s")
            time.sleep(0.05)

    def terminate_sessions(self) -> None:
        """End every session, as somebody in the console would."""
        ssm = self.client("ssm")
        for session in ssm.describe_sessions(State="Active")["Sessions"]:
            ssm.terminate_session(SessionId=session["SessionId"])

    def no_session_is_left(self, seconds: float = 5.0) -> bool:
        """Wait until every session has ended."""
        deadline = time.monotonic() + seconds
        while self.statistics()["sessions"]["open"]:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def _get(self, page: str) -> t.Any:
        with urllib.request.urlopen(f"{self.url}/_emulator/{page}", timeout=10) as answer:
            return json.loads(answer.read())

    def _post(self, page: str, body: dict[str, t.Any]) -> None:
        request = urllib.request.Request(f"{self.url}/_emulator/{page}", data=json.dumps(body).encode(), method="POST")
        urllib.request.urlopen(request, timeout=60).close()


class Ansible:
    """Runs Ansible's programs in a folder, against an emulator."""

    def __init__(self, folder: pathlib.Path, emulator: RunningEmulator) -> None:
        self.folder = folder
        self.emulator = emulator
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "AWS_", "FLEET_"))},
            **emulator.environment,
            "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
            "ANSIBLE_HOME": str(folder / "home"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
            "ANSIBLE_DEPRECATION_WARNINGS": "0",
            "PYTHONWARNINGS": "ignore",
        }

    def inventory(self, *machines: str, **variables: str) -> pathlib.Path:
        """Write an inventory of bare node ids with nothing but the connection."""
        ids = self.emulator.nodes()
        settings = {
            "ansible_connection": "fleet.ssm.session",
            "ansible_python_interpreter": "/usr/bin/python3",
            **variables,
        }
        lines = [ids.get(machine, machine) for machine in machines]
        lines += ["[all:vars]", *(f"{name}={value}" for name, value in settings.items())]
        path = self.folder / "hosts.ini"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def playbook(self, tasks: str, inventory: pathlib.Path, *arguments: str, timeout: float = 120, **environment: str) -> Run:
        """Run tasks (YAML, a list) on all hosts."""
        return self.run(
            "ansible-playbook", "-i", str(inventory), str(self.write(tasks)), *arguments, timeout=timeout, **environment
        )

    def write(self, tasks: str) -> pathlib.Path:
        """Write a playbook of these tasks."""
        path = self.folder / "play.yml"
        indented = "\n".join(f"    {line}" for line in tasks.strip("\n").splitlines())
        path.write_text(f"- hosts: all\n  gather_facts: false\n  tasks:\n{indented}\n", encoding="utf-8")
        return path

    def run(self, *command: str, timeout: float = 120, **environment: str) -> Run:
        """Run a program; it must end by itself."""
        everything = {**self.environment, **environment}
        done = subprocess.run(
            command, cwd=self.folder, env=everything, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False
        )
        return Run(done.returncode, done.stdout.decode(errors="replace"))

    def start(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a program and do not wait for it."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
