# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time the same work over this collection and its peers: ``make bench``.

Each run is one of Ansible's programs on one machine, from nothing to exit. ssh reaches an OpenSSH server on this machine by a
delayed port; ours and amazon.aws.aws_ssm a node of the emulator, which delays all its traffic. The rounds go through all transports
in turn, so that a busy minute of the machine hits each.
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

from tests.benchmark.transports import TRANSPORTS, Transport
from tests.benchmark.workloads import BARS, WORKLOADS, Bar, Workload
from tests.integration.running_emulator import Ansible, RunningEmulator

_HERE = pathlib.Path(__file__).resolve().parent
_RESULTS = _HERE.parents[1] / ".cache" / "benchmark.json"
_FILE_SIZE = 5 * 1000 * 1000

Times = dict[tuple[str, float, str], list[float]]
"""Seconds by workload, round trip time in milliseconds and transport."""


class BenchmarkFailed(Exception):
    """A run did not end well, so its time means nothing."""


def main() -> int:
    """Measure, print the tables, keep the figures in .cache/benchmark.json."""
    options = _arguments()
    missing = {name: transport.missing() for name, transport in TRANSPORTS.items() if name in options.transports}
    names = [name for name in missing if not missing[name]]
    workloads = [WORKLOADS[name] for name in options.only]
    times: Times = {}
    for delay_ms in dict.fromkeys(delay for workload in workloads for delay in workload.round_trips_ms):
        _measure(
            times, names, [workload for workload in workloads if delay_ms in workload.round_trips_ms], delay_ms, options.rounds
        )
    for lines in (table(times), bars(times)):
        print("\n".join(lines), end="\n\n")
    for name, reason in missing.items():
        if reason:
            print(f"{name} was not run: {reason}")
    _RESULTS.parent.mkdir(exist_ok=True)
    rows = [{"workload": key[0], "rtt_ms": key[1], "transport": key[2], "seconds": value} for key, value in times.items()]
    _RESULTS.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each, of which the tables have the median")
    parser.add_argument("--only", nargs="+", choices=list(WORKLOADS), default=list(WORKLOADS), help="workloads")
    parser.add_argument("--transports", nargs="+", choices=list(TRANSPORTS), default=list(TRANSPORTS))
    return parser.parse_args()


def _measure(times: Times, names: list[str], workloads: list[Workload], delay_ms: float, rounds: int) -> None:
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
                for round_number, workload, name in _runs(rounds, workloads, names):
                    seconds = _run(transports[name], workload, folder)
                    times.setdefault((workload.name, delay_ms, name), []).append(seconds)
                    print(f"RTT {delay_ms:g} ms, round {round_number}, {workload.name}, {name}: {seconds:.1f} s", flush=True)
        finally:
            emulator.command("down")


def _runs(rounds: int, workloads: list[Workload], names: list[str]) -> collections.abc.Iterator[tuple[int, Workload, str]]:
    for round_number in range(1, rounds + 1):
        for workload in workloads:
            yield from ((round_number, workload, name) for name in workload.transports if name in names)


def _run(transport: Transport, workload: Workload, folder: pathlib.Path) -> float:
    """Run something from nothing; return its seconds."""
    controller = folder / "controller"
    shutil.rmtree(controller, ignore_errors=True)
    controller.mkdir()
    data = controller / "data.bin"
    data.write_bytes(os.urandom(_FILE_SIZE))
    ansible = Ansible(controller, transport.emulator)
    inventory = controller / "hosts.json"
    if workload.writes:
        with transport.one_run() as variables:
            _write_inventory(inventory, variables)
            target = variables["benchmark_folder"]
            command = (
                "ansible",
                "-i",
                str(inventory),
                "all",
                "-m",
                "ansible.builtin.raw",
                "-a",
                f"rm -rf {target}; mkdir -p {target}; cd {target}; {workload.before}",
            )
            _succeed(ansible, command, transport.preparation)
    program, *arguments = workload.command
    with transport.one_run() as variables:
        _write_inventory(inventory, variables)
        seconds = 0.0
        for _time in range(2 if workload.again else 1):
            began = time.monotonic()
            _succeed(ansible, (program, "-i", str(inventory), *arguments), {**transport.environment, "BENCHMARK_FILE": str(data)})
            seconds = time.monotonic() - began
        return seconds


def _write_inventory(path: pathlib.Path, variables: dict[str, str]) -> None:
    host = {"ansible_python_interpreter": "/usr/bin/python3", **variables}
    path.write_text(json.dumps({"all": {"hosts": {"machine": host}}}), encoding="utf-8")


def _succeed(ansible: Ansible, command: tuple[str, ...], environment: collections.abc.Mapping[str, str]) -> None:
    run = ansible.run(*command, timeout=600, **environment)
    if run.code != 0:
        raise BenchmarkFailed(f"{' '.join(command)}: {run}")


def table(times: Times) -> collections.abc.Iterator[str]:
    """Yield the lines of a table of medians, and how many times longer each took than the first."""
    names = list(dict.fromkeys(name for _workload, _delay, name in times))
    yield f"{'':<24}" + "".join(f"{name:>20}" for name in names)
    for workload, delay_ms in dict.fromkeys((key[0], key[1]) for key in times):
        medians = {
            name: statistics.median(times[workload, delay_ms, name]) for name in names if (workload, delay_ms, name) in times
        }
        first = min(medians, key=names.index)
        cells = [_cell(medians.get(name), None if name == first else medians[first]) for name in names]
        yield f"{f'{workload}, RTT {delay_ms:g} ms':<24}" + "".join(f"{cell:>20}" for cell in cells)


def _cell(median: float | None, first: float | None) -> str:
    if median is None:
        return "-"
    return f"{median:.1f} s" + ("" if first is None else f" ({median / first:.2f} x)")


def bars(times: Times) -> collections.abc.Iterator[str]:
    """Yield a line for each ratio that is to be reached and could be measured."""
    for wanted in BARS:
        ours, theirs = (times.get((wanted.workload, wanted.round_trip_ms, name)) for name in (wanted.transport, wanted.peer))
        if ours and theirs:
            yield _verdict(wanted, statistics.median(ours) / statistics.median(theirs))


def _verdict(wanted: Bar, ratio: float) -> str:
    verdict = "reached" if ratio <= wanted.ratio else "missed"
    what = f"{wanted.workload}, RTT {wanted.round_trip_ms:g} ms: {wanted.transport} / {wanted.peer}"
    return f"{what:<72}{ratio:.3f}, to be at most {wanted.ratio:.3f}: {verdict}"


if __name__ == "__main__":
    sys.exit(main())
