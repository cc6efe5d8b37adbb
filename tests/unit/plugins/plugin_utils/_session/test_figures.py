# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is counted of a node."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.figures import Figures, TaskTimes, Throttling


def test_figures_are_added_and_taken_away_member_by_member() -> None:
    names = [field.name for field in dataclasses.fields(Figures)]
    numbers = {name: position for position, name in enumerate(names)}
    summed = Figures(**numbers) + Figures(**numbers)
    assert dataclasses.asdict(summed) == {name: 2 * number for name, number in numbers.items()}
    assert summed - Figures(**numbers) == Figures(**numbers)


def test_throttling_knows_the_time_that_something_took_whatever_came_of_it() -> None:
    throttling, moments = Throttling(), iter((1.0, 3.5, 10.0, 11.0))
    with throttling.waiting(lambda: next(moments)):
        pass
    with pytest.raises(ZeroDivisionError), throttling.waiting(lambda: next(moments)):
        raise ZeroDivisionError
    assert throttling.seconds == 3.5


def test_a_node_without_tasks_has_no_slowest() -> None:
    assert TaskTimes().slowest() == ("", 0.0)


def test_the_requests_of_one_task_count_together() -> None:
    times = TaskTimes()
    for task, seconds in (("loop", 1.0), ("single", 1.5), ("loop", 1.0)):
        times.add(task, seconds)
    assert times.slowest() == ("loop", 2.0)
    assert times.total == 3.5


def test_the_slowest_of_many_tasks_is_found_in_little_memory() -> None:
    times = TaskTimes()
    for number in range(1000):
        times.add(f"task {number}", float(number % 500))
        times.add(f"task {number}", 0.5 if number == 999 else 0.0)
    assert times.slowest() == ("task 999", 499.5)
    assert len(times._seconds) < 64
