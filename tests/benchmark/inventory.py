# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold the inventory against its bars, on an emulator with 10,000 nodes: ``make bench-inventory``.

Calls are counted by the emulator. Times are those of whole ``ansible-inventory --list`` processes, ours and amazon.aws.aws_ec2's by
turns, and of grouping hosts in one process, by the plugin and by stock Constructable, with the results compared.
"""

from __future__ import annotations

import argparse
import collections.abc
import contextlib
import dataclasses
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t

import yaml

from tests.benchmark import grouping
from tests.integration.running_emulator import Ansible, Run, RunningEmulator

HYBRID, EC2 = 4000, 6000
HOME, ELSEWHERE = "us-east-1", "us-west-2"
DENIED = "eu-west-3"
TAGS = {"env": ["prod", "test", "dev"], "role": ["web", "db", "cache", "queue"], "Patch Group": ["early", "late"], "owner": "team"}
ACCOUNTS = ("111111111111", "222222222222", "333333333333")
REGIONS = [
    *("af-south-1", "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1"),
    *("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", DENIED, "me-south-1", "sa-east-1", "us-east-2", "us-west-1"),
    "eu-south-1",
]
_EVERYTHING = {"region": HOME, "ec2_facts": True}
_COMPANY = {
    "regions": REGIONS,
    "roles": [{"arn": f"arn:aws:iam::{account}:role/fleet", "external_id": "fleet"} for account in ACCOUNTS],
}


@dataclasses.dataclass(frozen=True)
class Bar:
    """What was measured, and whether that is enough."""

    what: str
    measured: str
    ok: bool

    def __str__(self) -> str:
        return f"{'OK' if self.ok else 'MISSED':<8}{self.what:<92}{self.measured}"


class Bench:
    """Runs ansible-inventory in a folder, against an emulator."""

    def __init__(self, folder: pathlib.Path, emulator: RunningEmulator, rounds: int) -> None:
        self._folder, self._emulator, self._rounds = folder, emulator, rounds
        self._ansible = Ansible(folder, emulator)

    def bars(self) -> collections.abc.Iterator[Bar]:
        """Measure, one bar after the other."""
        yield self._calls("with tags and EC2 facts", 60, _EVERYTHING)
        yield self._calls("without tags and facts", 10, {"region": HOME, "tags": False})
        yield grouping.compared(Bar)
        yield from self._against_aws_ec2()
        yield from self._with_a_denied_region()
        yield self._throttled()

    def _list(self, options: dict[str, t.Any], name: str = "fleet.ssm.yml") -> tuple[Run, set[str]]:
        path = self._folder / name
        path.write_text(yaml.safe_dump({"plugin": "fleet.ssm.managed_nodes", **options}), encoding="utf-8")
        output = self._folder / "list.json"
        output.unlink(missing_ok=True)
        run = self._ansible.run("ansible-inventory", "-i", str(path), "--list", "--output", str(output), timeout=900)
        listed = json.loads(output.read_text()) if output.exists() else {}
        return run, set(listed.get("_meta", {}).get("hostvars", {}))

    def _calls(self, what: str, most: int, options: dict[str, t.Any]) -> Bar:
        self._emulator.reset()
        _run, hosts = self._list(options)
        calls = self._emulator.statistics()["calls"]
        count = sum(calls.values())
        said = ", ".join(f"{number} {name}" for name, number in calls.items())
        ok = count <= most and len(hosts) == HYBRID + EC2
        return Bar(f"{HYBRID + EC2:,} nodes {what}: at most {most} calls", f"{count} ({said}), {len(hosts):,} hosts", ok)

    def _against_aws_ec2(self) -> collections.abc.Iterator[Bar]:
        what = f"ansible-inventory --list of {HYBRID + EC2:,} nodes with tags: at most half of amazon.aws.aws_ec2's time"
        there = [sys.executable, "-c", "import ansible_collections.amazon.aws"]
        if subprocess.run(there, check=False, capture_output=True).returncode != 0:
            yield Bar(what, "not measured: the ansible package, which has amazon.aws, is not installed", ok=False)
            return
        theirs = {"plugin": "amazon.aws.aws_ec2", "regions": [ELSEWHERE]}
        times: dict[str, list[float]] = {"ours": [], "theirs": []}
        for _round in range(self._rounds):
            for who, options, name in (("ours", {"region": HOME}, "fleet.ssm.yml"), ("theirs", theirs, "fleet.aws_ec2.yml")):
                began = time.monotonic()
                run, hosts = self._list(options, name)
                times[who].append(time.monotonic() - began)
                if len(hosts) != HYBRID + EC2:
                    yield Bar(what, f"{who}: {len(hosts)} hosts: {run}", ok=False)
                    return
        ours, others = (statistics.median(seconds) for seconds in times.values())
        yield Bar(what, f"{ours:.1f} s / {others:.1f} s = {ours / others:.2f} (medians of {self._rounds})", ours <= others / 2)

    def _with_a_denied_region(self) -> collections.abc.Iterator[Bar]:
        self._emulator.reset()
        text = "User: me is not authorized to perform: ssm:DescribeInstanceProperties on resource: *"
        denied = {"code": "AccessDeniedException", "message": text, "region": DENIED, "account": ACCOUNTS[1], "times": None}
        self._emulator.order({"fail": {"operation": "*", **denied}})
        named = f"{DENIED} of account {ACCOUNTS[1]}"
        parts = f"{len(REGIONS)} regions x {len(ACCOUNTS)} accounts, one denied"
        run, hosts = self._list(_COMPANY)
        clear = run.code != 0 or not hosts
        told = named in _joined(run.output) and "ssm:DescribeInstanceProperties" in run.output
        yield Bar(f"{parts}: fails and names it", f"{len(hosts)} hosts, {'named' if told else 'not named'}", clear and told)
        run, hosts = self._list({**_COMPANY, "on_error": "warn"})
        wanted = 2 * (len(REGIONS) * len(ACCOUNTS) - 1)
        told = named in _joined(run.output)
        measured = f"{len(hosts)} of {wanted} hosts, {'named' if told else 'not named'}"
        yield Bar(f"{parts}, on_error: warn: lists the rest and names it", measured, told and len(hosts) == wanted)

    def _throttled(self) -> Bar:
        self._emulator.reset()
        self._emulator.order({"throttle": {"operation": "*", "rate": 0.3, "seed": 1, "times": None}})
        began = time.monotonic()
        run, hosts = self._list(_EVERYTHING)
        seconds = time.monotonic() - began
        calls = sum(self._emulator.statistics()["calls"].values())
        self._emulator.reset()
        measured = f"{len(hosts):,} hosts, {calls} calls, {seconds:.1f} s" + ("" if hosts else f": {run}")
        return Bar("30 % of calls throttled: complete list", measured, len(hosts) == HYBRID + EC2)


def main() -> int:
    """Print a line for each bar; fail when one was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.inventory")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each plugin, of which the median counts")
    options = parser.parse_args()
    bars = []
    with _emulator() as (folder, emulator):
        for measured in Bench(folder, emulator, options.rounds).bars():
            print(measured, flush=True)
            bars.append(measured)
    return 0 if all(measured.ok for measured in bars) else 1


@contextlib.contextmanager
def _emulator() -> collections.abc.Iterator[tuple[pathlib.Path, RunningEmulator]]:
    """Start one that has nothing but records."""
    with tempfile.TemporaryDirectory(prefix="fleet.ssm-bench-") as made:
        folder = pathlib.Path(made)
        fleet = folder / "fleet.yml"
        fleet.write_text(f"region: {HOME}\nnodes: []\n", encoding="utf-8")
        emulator = RunningEmulator(folder, fleet)
        try:
            emulator.add_records(_records())
            yield folder, emulator
        finally:
            emulator.command("down")


def _records() -> dict[str, t.Any]:
    """Order the fleet, as many instances elsewhere for aws_ec2, and two nodes in each region of each account."""
    company = [
        {"count": 1, "kind": kind, "account": account, "region": region, "tags": TAGS}
        for account in ACCOUNTS
        for region in REGIONS
        for kind in ("ec2", "hybrid")
    ]
    return {
        "roles": [
            {"arn": role["arn"], "external_id": role["external_id"]} for role in t.cast("list[dict[str, str]]", _COMPANY["roles"])
        ],
        "nodes": [
            {"count": EC2, "kind": "ec2", "name": "web", "tags": TAGS},
            {"count": HYBRID, "kind": "hybrid", "name": "till", "tags": TAGS},
            {"count": HYBRID + EC2, "kind": "unmanaged", "name": "web", "region": ELSEWHERE, "tags": TAGS},
            *company,
        ],
    }


def _joined(text: str) -> str:
    """Undo Ansible's wrapping of lines."""
    return " ".join(text.split())


if __name__ == "__main__":
    sys.exit(main())
