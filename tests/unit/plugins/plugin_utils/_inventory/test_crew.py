# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls at once, and what becomes of them when one fails."""

from __future__ import annotations

import contextlib
import threading

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.crew import Crew


def test_results_come_from_whoever_worked() -> None:
    with Crew(3) as crew:
        futures = [crew.submit(lambda number=number: number * 2) for number in range(20)]  # type: ignore[misc]
        assert [future.result(10) for future in futures] == [number * 2 for number in range(20)]


def test_an_error_comes_to_whoever_asks_for_the_result() -> None:
    with Crew(1) as crew, pytest.raises(ZeroDivisionError):
        crew.submit(lambda: 1 / 0).result(10)


def test_after_an_error_nothing_more_is_begun() -> None:
    begun = threading.Event()
    go_on = threading.Event()
    done: list[int] = []

    def first() -> None:
        begun.set()
        go_on.wait(10)

    with contextlib.suppress(KeyboardInterrupt), Crew(1) as crew:
        running = crew.submit(first)
        waiting = [crew.submit(lambda: done.append(1)) for _time in range(5)]
        begun.wait(10)
        raise KeyboardInterrupt
    go_on.set()
    running.result(10)
    for thread in crew._threads:
        thread.join(10)
    assert all(future.cancelled() for future in waiting)
    assert not done


def test_no_thread_outlives_the_interpreter_or_the_crew() -> None:
    with Crew(4) as crew:
        for _time in range(4):
            crew.submit(lambda: None)
    for thread in crew._threads:
        thread.join(10)
    assert all(thread.daemon and not thread.is_alive() for thread in crew._threads)
