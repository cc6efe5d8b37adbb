# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move a gigabyte each way and print how long that takes, and how much memory of whom: ``make bench-large``.

The node has a real agent where SSM_AGENT_BIN names one, and a simulated one elsewhere.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib
import sys
import tempfile
import time

from tests.integration.peak_memory import PeakMemory
from tests.integration.running_emulator import Ansible, RunningEmulator

_HERE = pathlib.Path(__file__).resolve().parent
_MOST_MEGABYTES = 100
_BLOCK = 1_000_000


@dataclasses.dataclass
class Job:
    """One thing to do, and how many megabytes that moves."""

    name: str
    megabytes: int
    task: str


def main() -> int:
    """Do the jobs in turn; fail when one does, or takes more memory than promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.large")
    parser.add_argument("--megabytes", type=int, default=1000, help="size of the file")
    parser.add_argument("--rtt", type=float, default=50.0, help="round trip time in milliseconds")
    options = parser.parse_args()
    fleet = _HERE / ("real_fleet.yml" if os.environ.get("SSM_AGENT_BIN") and os.geteuid() == 0 else "fleet.yml")
    with tempfile.TemporaryDirectory(prefix="fleet.ssm-large-", ignore_cleanup_errors=True) as made:
        folder = pathlib.Path(made)
        folder.chmod(0o755)
        emulator = RunningEmulator(folder, fleet, options.rtt)
        try:
            return _measure(emulator, folder, options.megabytes)
        finally:
            emulator.command("down")


def _measure(emulator: RunningEmulator, folder: pathlib.Path, megabytes: int) -> int:
    ansible = Ansible(folder, emulator)
    inventory = ansible.inventory(next(iter(emulator.nodes())))
    source, fetched = folder / "source", folder / "fetched"
    with source.open("wb") as file:
        for _block in range(megabytes * 1_000_000 // _BLOCK):
            file.write(os.urandom(_BLOCK))
    output = min(100, megabytes)
    jobs = (
        Job("copy", megabytes, f"- ansible.builtin.copy: {{src: {source}, dest: /var/tmp/large}}"),
        Job("fetch", megabytes, f"- ansible.builtin.fetch: {{src: /var/tmp/large, dest: {fetched}, flat: true}}"),
        Job("output", output, f"- ansible.builtin.raw: head -c {output * 750_000} /var/tmp/large | base64 -w 0\n  no_log: true"),
    )
    print(f"{'':<10}{'MB':>8}{'seconds':>9}{'MB/s':>7}   peak memory, MB")
    code = 0
    for job in jobs:
        with PeakMemory(folder) as peak:
            began = time.monotonic()
            run = ansible.playbook(job.task, inventory, timeout=3600)
            seconds = time.monotonic() - began
        memory = ", ".join(f"{role} {size:.0f}" for role, size in sorted(peak.megabytes.items()))
        print(f"{job.name:<10}{job.megabytes:>8}{seconds:>9.1f}{job.megabytes / seconds:>7.1f}   {memory}", flush=True)
        # Ansible itself keeps a command's output.
        bounded = {role: size for role, size in peak.megabytes.items() if job.name != "output" or role != "worker"}
        if run.code != 0 or not bounded or max(bounded.values()) > _MOST_MEGABYTES:
            print(f"{job.name} failed or took more than {_MOST_MEGABYTES} MB\n{run.output[-3000:]}")
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
