# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drive many simulated nodes from this machine and hold what that takes against the bars: ``make bench-scale``.

Fifty nodes run the twenty commands of ``commands.yml`` beside the same over the connection ``local``; two hundred run one, without
and with AWS throttling three of ten StartSession calls. Everything, nodes and stand-in for AWS included, shares this machine.
"""

from __future__ import annotations

import argparse
import collections.abc
import contextlib
import dataclasses
import json
import os
import pathlib
import resource
import statistics
import sys
import tempfile
import time
import typing as t

from tests.benchmark import processes
from tests.emulator.server import Description
from tests.integration.running_emulator import Ansible, RunningEmulator

_HERE = pathlib.Path(__file__).resolve().parent
_RESULTS = _HERE.parents[1] / ".cache" / "scale.json"
_COMMANDS, _LAST_COMMAND, _COUNT = _HERE / "commands.yml", "Command 20", 20
_FEW_FORKS, _MANY_FORKS = 25, 50
_SHARE = 0.3
_LONGEST = 3600
_MEGABYTE = 1_000_000


class ScaleFailed(Exception):
    """A run did not end well, so its figures mean nothing."""


@dataclasses.dataclass
class Run:
    """What one run of a playbook took; times of processes in processor seconds."""

    seconds: float
    processors: dict[str, float]
    broker_memory: int
    start_session_calls: int
    summary: dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the table. A figure without a bar is told, not judged."""

    what: str
    limit: str
    figure: str
    reached: bool | None = None

    def __str__(self) -> str:
        """Return the line."""
        verdict = "" if self.reached is None else "OK" if self.reached else "MISSED"
        return f"{self.what:<58}{self.limit:>12}{self.figure:>30}  {verdict}".rstrip()


class Fleet:
    """Running nodes and a controller for them."""

    def __init__(self, folder: pathlib.Path, count: int) -> None:
        nodes = folder / "scale.yml"
        nodes.write_text(json.dumps({"nodes": [{"name": "node", "count": count}]}), encoding="utf-8")
        self.emulator = RunningEmulator(folder / "emulator", nodes)
        self.count = count
        self._controller = folder / "controller"
        self._controller.mkdir(exist_ok=True)
        description = Description.load(folder / "emulator")
        if description is None:
            raise ScaleFailed("the emulator has gone")
        self._service = description.pid
        self._agents = processes.agents()

    def run(
        self,
        connection: str,
        forks: int,
        *arguments: str,
        hosts: int = 0,
        faults: collections.abc.Mapping[str, t.Any] | None = None,
    ) -> Run:
        """Run the commands from nothing on all nodes, or the first few, in this trouble."""
        self.emulator.reset()
        self.emulator.order(dict(faults or {}))
        ansible, summary = Ansible(self._controller, self.emulator), self._controller / "summary.json"
        summary.unlink(missing_ok=True)
        inventory = self._inventory(connection, hosts or self.count)
        command = ("ansible-playbook", "-i", str(inventory), "--forks", str(forks), str(_COMMANDS), *arguments)
        return self._measured(ansible, command, summary)

    def _measured(self, ansible: Ansible, command: tuple[str, ...], summary: pathlib.Path) -> Run:
        before = self._processors()
        began = time.monotonic()
        settings = {"ANSIBLE_CALLBACKS_ENABLED": "fleet.ssm.session_summary", "FLEET_SSM_SUMMARY_FILE": str(summary)}
        playbook = ansible.start(*command, **settings)
        with processes.watched_broker(playbook.pid) as broker:
            output, _errors = playbook.communicate(timeout=_LONGEST)
        seconds = time.monotonic() - began
        if playbook.returncode != 0:
            raise ScaleFailed(f"{' '.join(command)}: exit code {playbook.returncode}\n{output.decode(errors='replace')[-5000:]}")
        if not processes.wait_until_gone(playbook.pid, 120):
            raise ScaleFailed("the broker is there two minutes after its controller has gone")
        used = {name: after - before[name] for name, after in self._processors().items()}
        return Run(
            seconds,
            {**used, "broker": broker.seconds},
            broker.memory,
            self.emulator.calls("ssm:StartSession"),
            json.loads(summary.read_text(encoding="utf-8")),
        )

    def _processors(self) -> dict[str, float]:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        agents, nodes = processes.agents_and_nodes(self._agents)
        service = processes.processor_seconds(self._service)
        return {"controller": children.ru_utime + children.ru_stime, "service": service, "agents": agents, "nodes": nodes}

    def _inventory(self, connection: str, count: int) -> pathlib.Path:
        nodes = list(self.emulator.nodes().items())[:count]
        hosts = {name: {"ansible_host": node} for name, node in nodes}
        settings = {"ansible_connection": connection, "ansible_python_interpreter": "/usr/bin/python3"}
        path = self._controller / "hosts.json"
        path.write_text(json.dumps({"all": {"hosts": hosts, "vars": settings}}), encoding="utf-8")
        return path


def main() -> int:
    """Measure, print the table, keep the figures in .cache/scale.json."""
    options = _arguments()
    rows: list[Row] = []
    with _fleet(options.few) as fleet:
        rows += _beside_local(fleet, options.rounds)
    with _fleet(options.many) as fleet:
        rows += _many(fleet)
    print(f"\n{'':<58}{'bar':>12}{'measured':>30}")
    print("\n".join(map(str, rows)))
    _RESULTS.parent.mkdir(exist_ok=True)
    _RESULTS.write_text(json.dumps([dataclasses.asdict(row) for row in rows], indent=1), encoding="utf-8")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.scale", description=__doc__)
    parser.add_argument("--few", type=int, default=50, help="nodes that are compared with local")
    parser.add_argument("--many", type=int, default=200, help="nodes of the throttled run")
    parser.add_argument("--rounds", type=int, default=1, help="runs of the comparison, of which the table has the median")
    return parser.parse_args()


@contextlib.contextmanager
def _fleet(count: int) -> collections.abc.Iterator[Fleet]:
    # Sessions run as another user, who must be able to enter; and a path of a unix socket may have 104 characters.
    with tempfile.TemporaryDirectory(prefix="fleet.ssm-scale-", ignore_cleanup_errors=True) as made:
        folder = pathlib.Path(made)
        folder.chmod(0o755)
        (folder / "emulator").mkdir(mode=0o755)
        fleet = Fleet(folder, count)
        try:
            yield fleet
        finally:
            fleet.emulator.command("down")


def _told(name: str, run: Run) -> Run:
    used = ", ".join(f"{who} {seconds:.1f}" for who, seconds in run.processors.items())
    print(f"{name}: {run.seconds:.1f} s; processor seconds: {used}; load {os.getloadavg()[0]:.1f}", flush=True)
    return run


def _beside_local(fleet: Fleet, rounds: int) -> list[Row]:
    one = _told(f"{fleet.count} nodes, 1 command", fleet.run("fleet.ssm.session", _FEW_FORKS, "--start-at-task", _LAST_COMMAND))
    ours, local = [], []
    for _round in range(rounds):
        ours.append(_told(f"{fleet.count} nodes, {_COUNT} commands", fleet.run("fleet.ssm.session", _FEW_FORKS)))
        local.append(_told(f"{fleet.count} hosts, {_COUNT} commands, local", fleet.run("local", _FEW_FORKS)))
    times = [statistics.median(run.seconds for run in runs) for runs in (ours, local)]
    ratio = times[0] / times[1]
    calls = max(run.start_session_calls for run in ours)
    tasks = (_COUNT - 1) * fleet.count
    each = [(run.processors["broker"] - one.processors["broker"]) / tasks * 1000 for run in ours]
    what = f"{fleet.count} nodes x {_COUNT} commands, forks {_FEW_FORKS}"
    return [
        Row(f"{what}, against local", "<= 1.00 x", f"{times[0]:.1f} s, {times[1]:.1f} s: {ratio:.2f} x", ratio <= 1),
        Row(f"{what}, StartSession", f"= {fleet.count}", str(calls), calls == fleet.count),
        Row("broker, processor time of a task", "<= 3 ms", f"{statistics.median(each):.2f} ms", statistics.median(each) <= 3),
        Row("controller, processor time of a task", "", f"{_of_controller(ours, one, tasks):.1f} ms"),
    ]


def _of_controller(ours: list[Run], one: Run, tasks: int) -> float:
    return statistics.median((run.processors["controller"] - one.processors["controller"]) / tasks * 1000 for run in ours)


def _many(fleet: Fleet) -> list[Row]:
    base = _told("1 node, 1 command", fleet.run("fleet.ssm.session", 1, "--start-at-task", _LAST_COMMAND, hosts=1))
    plain = _told(f"{fleet.count} nodes, 1 command", fleet.run("fleet.ssm.session", _MANY_FORKS, "--start-at-task", _LAST_COMMAND))
    order = {"throttle": {"operation": "StartSession", "rate": _SHARE, "times": None}}
    throttled = _told(
        f"{fleet.count} nodes, 1 command, {_SHARE:.0%} of StartSession throttled",
        fleet.run("fleet.ssm.session", _MANY_FORKS, "--start-at-task", _LAST_COMMAND, faults=order),
    )
    memory = (plain.broker_memory - base.broker_memory) / (fleet.count - 1) / _MEGABYTE
    whole = f"{plain.broker_memory / _MEGABYTE:.0f} - {base.broker_memory / _MEGABYTE:.0f} MB"
    nodes = throttled.summary["nodes"].values()
    served = sum(node["sessions"] == 1 for node in nodes)
    waits = sorted(node["throttle_seconds"] for node in nodes)
    count = sum(node["throttles"] for node in nodes)
    what = f"{fleet.count} nodes, {_SHARE:.0%} of StartSession throttled"
    return [
        Row(f"broker, memory of a node at {fleet.count} nodes", "<= 1 MB", f"{whole}: {memory:.2f} MB each", memory <= 1),
        Row(f"{what}: nodes served", f"= {fleet.count}", str(served), served == fleet.count),
        Row(f"{what}: calls throttled", "", f"{count} of {throttled.start_session_calls}"),
        Row(f"{what}: a node's wait", "", f"median {statistics.median(waits):.1f}, most {waits[-1]:.1f} s"),
        Row(f"{what}: the run, without and with", "", f"{plain.seconds:.0f} s, {throttled.seconds:.0f} s"),
    ]


if __name__ == "__main__":
    sys.exit(main())
