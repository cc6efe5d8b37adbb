# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell where the time of a warm task goes: ``make stages``.

Runs small tasks on one node and takes the medians of what lies between marks in the controller and its workers. ``raw`` runs no
module, so what a ``command`` takes longer on the node is the module. Each is run as with an inventory of one's own, and as
with ``managed_nodes``, which loads the connection plugin before workers are forked.
"""

from __future__ import annotations

import argparse
import itertools
import os
import pathlib
import statistics
import sys
import tempfile

from tests.benchmark import direct_nodes, marks
from tests.benchmark.marks import Mark
from tests.integration.running_emulator import Ansible, RunningEmulator

_HERE = pathlib.Path(__file__).resolve().parent
_TASKS = 20
_ACTIONS = ("ansible.builtin.command", "ansible.builtin.raw")

STAGES = (
    ("start", "connection", "controller forks a worker, which loads the connection plugin"),
    ("connection", "request", "worker takes options, builds the module"),
    ("request", "answer", "broker, line, agent, program and module"),
    ("answer", "result", "worker ends, controller takes the result"),
    ("result", "start", "controller goes on to the next task"),
)
"""What lies between two marks."""

Stages = dict[str, dict[str, list[float]]]
"""Seconds by action and by what was going on."""


def stages(made: list[Mark]) -> Stages:
    """Return what each task spent its time with; the first of each action is left out, as it warms things up."""
    found: Stages = {action: {what: [] for _from, _to, what in STAGES} for action in _ACTIONS}
    begun: dict[str, int] = dict.fromkeys(_ACTIONS, 0)
    action = ""
    for before, after in itertools.pairwise(made):
        name, _space, started = before.name.partition(" ")
        if started:
            action = started
            begun[action] += 1
        following = after.name.partition(" ")[0]
        what = next((what for first, second, what in STAGES if (name, following) == (first, second)), None)
        if what is not None and begun[action] > 1:
            found[action][what].append(after.at - before.at)
    return found


def table(found: Stages) -> list[str]:
    """Return the lines of a table of medians, in milliseconds."""
    lines = [f"{'':<62}" + "".join(f"{action.rpartition('.')[2]:>10}" for action in _ACTIONS)]
    sums = dict.fromkeys(_ACTIONS, 0.0)
    for _from, _to, what in STAGES:
        medians = {action: 1000 * statistics.median(found[action][what]) for action in _ACTIONS}
        lines.append(f"{what:<62}" + "".join(f"{medians[action]:>7.1f} ms" for action in _ACTIONS))
        sums = {action: sums[action] + medians[action] for action in _ACTIONS}
    lines.append(f"{'sum':<62}" + "".join(f"{sums[action]:>7.1f} ms" for action in _ACTIONS))
    return lines


def _run(emulator: RunningEmulator, node: str, **environment: str) -> Stages:
    with tempfile.TemporaryDirectory(prefix="fleet.ssm-bench-") as name:
        ansible = Ansible(pathlib.Path(name), emulator)
        tasks = "\n".join(f"- {action}: echo {number}" for action in _ACTIONS for number in range(1 + _TASKS))
        written = ansible.folder / "marks"
        ansible.environment |= {
            "ANSIBLE_CALLBACK_PLUGINS": str(_HERE / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "stages",
            "ANSIBLE_CONNECTION_PLUGINS": str(_HERE / "connection_plugins"),
            "PYTHONPATH": str(_HERE.parents[1]),
            marks.VARIABLE: str(written),
            **environment,
        }
        run = ansible.playbook(
            tasks,
            ansible.inventory(node, ansible_connection="staged"),
        )
        if run.code != 0:
            sys.exit(str(run))
        return stages(marks.read(written))


def main() -> int:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.stages", description=(__doc__ or "").splitlines()[0])
    parser.parse_args()
    with direct_nodes.running_fleet(1, real=bool(os.environ.get("SSM_AGENT_BIN"))) as emulator:
        node = next(iter(emulator.nodes().values()))
        for inventory, environment in (("of one's own", {}), ("by managed_nodes", {"FLEET_SSM_TEST_PRELOAD": "1"})):
            print(f"inventory {inventory}", *table(_run(emulator, node, **environment)), sep="\n", end="\n\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
