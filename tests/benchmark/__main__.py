# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time the same playbooks over this collection, ssh and amazon.aws.aws_ssm: ``make bench``.

Each run is an ansible-playbook of its own on one machine, from nothing to exit. ssh reaches an OpenSSH server on this machine by a
delayed port; the other two a node of the emulator, which delays all its traffic. The rounds go through all transports in turn, so
that a busy minute of the machine hits each.
"""

from __future__ import annotations

import argparse
import collections.abc
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

from tests.benchmark.transports import NAMES, TRANSPORTS, Transport
from tests.integration.running_emulator import Ansible, RunningEmulator

_HERE = pathlib.Path(__file__).resolve().parent
_RESULTS = _HERE.parents[1] / ".cache" / "benchmark.json"
_PLAYBOOKS = {"20 commands": "commands.yml", "copy of 5 MB": "copy.yml"}
_FILE_SIZE = 5 * 1000 * 1000

Times = dict[tuple[str, float, str], list[float]]
"""Seconds by playbook, round trip time in milliseconds and transport."""


class BenchmarkFailed(Exception):
    """A run did not end well, so its time means nothing."""


def main() -> int:
    """Measure, print the table, keep the figures in .cache/benchmark.json."""
    options = _arguments()
    missing = {name: TRANSPORTS[name].missing() for name in NAMES}
    names = [name for name in NAMES if not missing[name]]
    times: Times = {}
    for delay_ms in options.rtt:
        _measure(times, names, delay_ms, options.rounds)
    print("\n".join(table(times, names)))
    for name, reason in missing.items():
        if reason:
            print(f"{name} was not run: {reason}")
    _RESULTS.parent.mkdir(exist_ok=True)
    rows = [{"playbook": key[0], "rtt_ms": key[1], "transport": key[2], "seconds": value} for key, value in times.items()]
    _RESULTS.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, of which the table has the median")
    parser.add_argument("--rtt", type=float, nargs="+", default=[0.0, 50.0], help="round trip times in milliseconds")
    return parser.parse_args()


def _measure(times: Times, names: list[str], delay_ms: float, rounds: int) -> None:
    fleet = _HERE / ("real_fleet.yml" if os.environ.get("SSM_AGENT_BIN") and os.geteuid() == 0 else "fleet.yml")
    # Sessions run as another user, who must be able to enter; and a path of a unix socket may have 104 characters.
    with tempfile.TemporaryDirectory(prefix="fleet.ssm-bench-", ignore_cleanup_errors=True) as made:
        folder = pathlib.Path(made)
        folder.chmod(0o755)
        emulator = RunningEmulator(folder, fleet, delay_ms)
        try:
            transports = {name: TRANSPORTS[name](folder, emulator, delay_ms) for name in names}
            with contextlib.ExitStack() as running:
                for transport in transports.values():
                    running.enter_context(transport.running())
                for round_number in range(rounds):
                    for playbook, name in ((playbook, name) for playbook in _PLAYBOOKS for name in names):
                        seconds = _run(transports[name], playbook, folder)
                        times.setdefault((playbook, delay_ms, name), []).append(seconds)
                        print(f"RTT {delay_ms:g} ms, round {round_number + 1}, {playbook}, {name}: {seconds:.1f} s", flush=True)
        finally:
            emulator.command("down")


def _run(transport: Transport, playbook: str, folder: pathlib.Path) -> float:
    """Run a playbook from nothing; return its seconds."""
    controller = folder / "controller"
    shutil.rmtree(controller, ignore_errors=True)
    controller.mkdir()
    data = controller / "data.bin"
    data.write_bytes(os.urandom(_FILE_SIZE))
    ansible = Ansible(controller, transport.emulator)
    inventory = controller / "hosts.json"
    environment = {**transport.environment, "BENCHMARK_FILE": str(data)}
    command = ["ansible-playbook", "-i", str(inventory), str(_HERE / _PLAYBOOKS[playbook])]
    with transport.one_run() as variables:
        host = {"ansible_python_interpreter": "/usr/bin/python3", **variables}
        inventory.write_text(json.dumps({"all": {"hosts": {"machine": host}}}), encoding="utf-8")
        began = time.monotonic()
        run = ansible.run(*command, timeout=600, **environment)
        seconds = time.monotonic() - began
    if run.code != 0:
        raise BenchmarkFailed(f"{' '.join(command)}: {run}")
    return seconds


def table(times: Times, names: list[str]) -> collections.abc.Iterator[str]:
    """Yield the lines of a table of medians, and how many times longer each took than the first."""
    yield f"{'':<30}" + "".join(f"{name:>26}" for name in names)
    for playbook, delay_ms in dict.fromkeys((key[0], key[1]) for key in times):
        medians = [statistics.median(times[playbook, delay_ms, name]) for name in names]
        cells = [f"{median:.1f} s" + (f" ({median / medians[0]:.2f} x)" if index else "") for index, median in enumerate(medians)]
        yield f"{playbook + f', RTT {delay_ms:g} ms':<30}" + "".join(f"{cell:>26}" for cell in cells)


if __name__ == "__main__":
    sys.exit(main())
