# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, stop and ask the emulator: ``python -m tests.emulator up | down | status | env | register | serve``."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time
import typing as t
import urllib.request

from tests.emulator import fleet, machines
from tests.emulator.agent import launch
from tests.emulator.server import ACCESS_KEY, SECRET_KEY, Description, Emulator

_CLONE = pathlib.Path(__file__).resolve().parents[2]
_PATIENCE = 60.0
_FLEET = "fleet.yml"


def main() -> int:
    """Do what the command line says; return the exit status."""
    options = _parser().parse_args()
    options.state = options.state.resolve()
    # Whoever stops `up` half way still has it stop what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        options.action(options)
    except (EmulatorError, fleet.BadFleetError, machines.MachineError) as error:
        print(f"emulator: {error}", file=sys.stderr)
        return 1
    return 0


class EmulatorError(Exception):
    """The emulator cannot do it; the text says why and what to do."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.emulator", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    for name, action, text in (
        ("up", up, "start everything, print the environment for a shell when all nodes are online"),
        ("serve", serve, "run the server side in the foreground, without machines"),
        ("down", down, "stop everything"),
        ("status", status, "show the nodes"),
        ("env", env, "print the environment for a shell"),
        ("register", register, "register a bare hybrid server, as amazon-ssm-agent -register does"),
    ):
        verb = verbs.add_parser(name, help=text)
        verb.set_defaults(action=action)
        verb.add_argument("--state", type=pathlib.Path, default=pathlib.Path(".demo"), help="folder for all it writes")
        if name in ("up", "serve"):
            verb.add_argument("--port", type=int, default=0, help="of the API; any free one unless given")
            verb.add_argument("--delay-ms", type=float, default=0.0, help="round trip time to add")
            verb.add_argument("--nodes", type=pathlib.Path, default=fleet.DEMO, help="fleet file")
        if name == "register":
            verb.add_argument("name", help="of the machine")
            verb.add_argument("--id", required=True, help="activation id; the code is read from SSM_ACTIVATION_CODE")
    return parser


def up(options: argparse.Namespace) -> None:
    """Start the server as a daemon, then the machines; wait until all are online."""
    if _running(options.state) is not None:
        raise EmulatorError(
            f"one runs in {options.state} already; stop it by: python -m tests.emulator down --state {options.state}"
        )
    options.state.mkdir(parents=True, exist_ok=True)
    described = fleet.read(options.nodes)
    (options.state / _FLEET).write_text(options.nodes.read_text(encoding="utf-8"), encoding="utf-8")
    Description.remove(options.state)
    machines.forget_all(options.state)
    server = _start_server(options)
    try:
        description = _wait_for_description(options.state, server)
        machines.start(options.state, description, described)
        _wait_until_online(description, machines.expected(described))
    except BaseException:
        down(options)
        raise
    env(options)


def _start_server(options: argparse.Namespace) -> subprocess.Popen[bytes]:
    arguments = ["--state", str(options.state), "--port", str(options.port), "--delay-ms", str(options.delay_ms)]
    with (options.state / "server.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.emulator", "serve", *arguments, "--nodes", str(options.state / _FLEET)],
            cwd=_CLONE,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def serve(options: argparse.Namespace) -> None:
    """Be the server."""
    # Before there are threads: they would get the signal that this one waits for.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    described = fleet.read(options.nodes)
    emulator = Emulator(options.state, described.region, options.port, options.delay_ms)
    emulator.start()
    Description(
        pid=os.getpid(),
        region=described.region,
        url=emulator.url,
        messages_url=emulator.service.url,
        ca_file=str(emulator.certificates.authority),
        identities=emulator.identities(described),
    ).save(options.state)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    emulator.stop()


def down(options: argparse.Namespace) -> None:
    """Stop machines and server; what they wrote stays."""
    machines.stop_all(options.state)
    description = _running(options.state)
    if description is not None:
        os.kill(description.pid, signal.SIGTERM)
        _wait(lambda: not launch.lives(description.pid), "the server does not stop")
    Description.remove(options.state)


def status(options: argparse.Namespace) -> None:
    """Show the nodes."""
    for node in _nodes(_needed(options.state)):
        print(f"{node['id']:<22} {node['name']:<20} {'online' if node['connected'] else 'offline'}")


def env(options: argparse.Namespace) -> None:
    """Print what a shell is to have."""
    description = _needed(options.state)
    for name, value in {
        "AWS_ENDPOINT_URL": description.url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": description.region,
        "AWS_DEFAULT_REGION": description.region,
        "AWS_CA_BUNDLE": description.ca_file,
        "AWS_EC2_METADATA_DISABLED": "true",
        "FLEET_EMULATOR_URL": description.url,
        "FLEET_EMULATOR_STATE": str(options.state),
    }.items():
        print(f"export {name}={shlex.quote(value)}")


def register(options: argparse.Namespace) -> None:
    """Register a bare server and wait until it is online."""
    code = os.environ.get("SSM_ACTIVATION_CODE")
    if not code:
        raise EmulatorError("set SSM_ACTIVATION_CODE to the activation's code")
    description = _needed(options.state)
    machine = fleet.read(options.state / _FLEET).machine(options.name)
    machines.register(options.state, description, machine, options.id, code)
    _wait_until_online(description, [machine.name])


def _running(folder: pathlib.Path) -> Description | None:
    description = Description.load(folder)
    return description if description is not None and launch.lives(description.pid) else None


def _needed(folder: pathlib.Path) -> Description:
    description = _running(folder)
    if description is None:
        raise EmulatorError(f"none runs in {folder}; start one by: python -m tests.emulator up --state {folder}")
    return description


def _nodes(description: Description) -> list[dict[str, t.Any]]:
    with urllib.request.urlopen(f"{description.url}/_emulator/nodes", timeout=10) as answer:
        nodes: list[dict[str, t.Any]] = json.loads(answer.read())
    return nodes


def _wait_for_description(folder: pathlib.Path, server: subprocess.Popen[bytes]) -> Description:
    log = folder / "server.log"

    def look() -> bool:
        if server.poll() is not None:
            raise EmulatorError(f"the server does not start: {log.read_text(encoding='utf-8', errors='replace')[-1000:]}")
        return _running(folder) is not None

    _wait(look, f"the server does not start; see {log}")
    return _needed(folder)


def _wait_until_online(description: Description, names: list[str]) -> None:
    def online() -> bool:
        return set(names) <= {node["name"] for node in _nodes(description) if node["connected"]}

    _wait(online, f"not all of {', '.join(names)} came online; see agent.log in the folders of the machines")


def _wait(condition: t.Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise EmulatorError(otherwise)
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
