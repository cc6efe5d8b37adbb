# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short runs of ``make chaos``: tasks over bad lines, and something broken at some of the frames of a task."""

from __future__ import annotations

import asyncio
import collections.abc

import pytest

from tests.benchmark import boundaries, chaos
from tests.integration.running_emulator import RunningEmulator

pytestmark = pytest.mark.long

_SIMULATED = ("web-1", "web-2", "db-1")
_REAL = ("real-1", "real-2", "real-3")


def _all_is_right_on_bad_lines(emulator: RunningEmulator, machines: tuple[str, ...], seed: int) -> None:
    run = chaos.Chaos(emulator, list(machines), seed, 4, chaos.Conditions(cut=0.002))
    outcome = asyncio.run(run.run(chaos.tasks(60, seed)))
    assert outcome.wrong == [], str(outcome)
    assert outcome.sessions == len(machines)
    assert all(outcome.faults[kind] for kind in ("cut", "drop", "duplicate", "reorder")), str(outcome)


def test_sixty_tasks_over_bad_lines_are_done_once_and_right(emulator: RunningEmulator) -> None:
    _all_is_right_on_bad_lines(emulator, _SIMULATED, seed=11)


def test_sixty_tasks_over_bad_lines_to_real_agents_are_done_once_and_right(real_agents: RunningEmulator) -> None:
    _all_is_right_on_bad_lines(real_agents, _REAL, seed=12)


def _a_task_runs_at_most_once(emulator: RunningEmulator, machines: collections.abc.Sequence[str], seed: int) -> None:
    made = asyncio.run(boundaries.sweep(emulator, machines, 4, seed))
    assert made.wrong == []
    assert made.outcomes["client: right"] == made.outcomes["agent: right"] == 4
    assert sum(made.outcomes.values()) == 16


def test_a_task_that_is_cut_or_killed_at_any_frame_runs_at_most_once(emulator: RunningEmulator) -> None:
    _a_task_runs_at_most_once(emulator, _SIMULATED, seed=3)


def test_a_task_of_real_agents_that_is_cut_or_killed_at_any_frame_runs_at_most_once(real_agents: RunningEmulator) -> None:
    _a_task_runs_at_most_once(real_agents, _REAL, seed=4)


def test_a_wrong_answer_and_a_task_that_ran_twice_are_noticed(emulator: RunningEmulator) -> None:
    made = boundaries.Sweep(emulator, _SIMULATED)
    place = boundaries.Boundary("agent", 7)
    for outcome, times in (("right", 1), ("unreachable: gone", 0), ("unreachable: gone", 1)):
        made._judge(place, outcome, times)
    assert made.wrong == []
    for outcome, times in (("right", 2), ("right", 0), ("unreachable: gone", 2), ("wrong: 1", 1), ("no answer for 45 s", 0)):
        made._judge(place, outcome, times)
    made.close()
    assert len(made.wrong) == 5
    tasks = [chaos.Command(0, 10, 5), chaos.Command(0, 10, 5)]
    clear = chaos.Conditions(0, 0, 0, 0)
    outcome_of_two = asyncio.run(chaos.Chaos(emulator, list(_SIMULATED[:1]), 1, 1, clear).run([*tasks]))
    assert outcome_of_two.wrong == ["task 0 ran 2 times on web-1"]
