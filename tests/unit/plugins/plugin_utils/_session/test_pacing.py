# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast an operation may be called."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.pacing import BURST, FASTEST, SLOWEST, STEP, Pace
from hypothesis import given
from hypothesis import strategies as st

_EVENTS = st.lists(st.tuples(st.floats(0, 2), st.sampled_from(("take", "passed", "refused"))), max_size=200)


def _take_all(pace: Pace, now: float) -> int:
    """Take every turn there is."""
    turns = 0
    while pace.pause(now) == 0:
        pace.take(now)
        turns += 1
    return turns


def test_as_many_calls_as_the_burst_go_at_once() -> None:
    assert _take_all(Pace(5.0), 5.0) == BURST


def test_the_pause_is_what_the_next_turn_takes() -> None:
    pace = Pace(0.0)
    _take_all(pace, 0.0)
    pause = pace.pause(0.0)
    assert pause == pytest.approx(1 / FASTEST)
    assert pace.pause(pause) == pytest.approx(0)


def test_a_refusal_halves_the_rate_and_takes_what_was_saved_up() -> None:
    pace = Pace(0.0)
    pace.refused(pace.take(0.0), 0.1)
    assert pace.rate == FASTEST / 2
    assert pace.pause(0.1) == pytest.approx(2 / FASTEST)


def test_calls_under_way_at_a_refusal_do_not_halve_the_rate_again() -> None:
    pace = Pace(0.0)
    turns = [pace.take(0.0) for _number in range(BURST)]
    for turn in turns:
        pace.refused(turn, 0.1)
    assert pace.rate == FASTEST / 2
    pace.refused(pace.take(1.0), 1.0)
    assert pace.rate == FASTEST / 4


def test_the_rate_does_not_fall_below_the_slowest() -> None:
    pace = Pace(0.0)
    for second in range(100):
        pace.refused(pace.take(second), second)
    assert pace.rate == SLOWEST


def test_each_call_that_goes_through_makes_the_next_ones_faster() -> None:
    pace = Pace(0.0)
    for second in range(100):
        pace.refused(pace.take(second), second)
    pace.passed(100)
    assert pace.rate == SLOWEST + STEP


@given(_EVENTS)
def test_the_rate_always_recovers(events: list[tuple[float, str]]) -> None:
    pace, now = _played(events)
    for _call in range(int(FASTEST / STEP) + 1):
        pace.passed(now)
    assert pace.rate == FASTEST


@given(_EVENTS)
def test_never_are_there_more_turns_than_the_rate_and_the_burst_allow(events: list[tuple[float, str]]) -> None:
    pace, now, allowed, taken, turn = Pace(0.0), 0.0, float(BURST), 0, 0
    for elapsed, event in events:
        allowed += elapsed * pace.rate
        now += elapsed
        if event == "passed":
            pace.passed(now)
        elif event == "refused":
            pace.refused(turn, now)
        else:
            while pace.pause(now) == 0:
                turn = pace.take(now)
                taken += 1
        assert taken <= allowed + 1e-6


@given(_EVENTS)
def test_whoever_waits_gets_a_turn_in_the_time_of_the_slowest_rate(events: list[tuple[float, str]]) -> None:
    pace, now = _played(events)
    assert 0 <= pace.pause(now) <= 1 / SLOWEST
    assert pace.pause(now + pace.pause(now)) == pytest.approx(0, abs=1e-9)


@given(_EVENTS)
def test_it_knows_how_long_every_call_was_refused(events: list[tuple[float, str]]) -> None:
    pace, now, since = Pace(0.0), 0.0, None
    for elapsed, event in events:
        now += elapsed
        if event == "passed":
            pace.passed(now)
            since = None
        elif event == "refused":
            pace.refused(1, now)
            since = now if since is None else since
        assert pace.refused_for(now) == (0.0 if since is None else now - since)


def _played(events: list[tuple[float, str]]) -> tuple[Pace, float]:
    pace, now, turn = Pace(0.0), 0.0, 0
    for elapsed, event in events:
        now += elapsed
        if event == "passed":
            pace.passed(now)
        elif event == "refused":
            pace.refused(turn, now)
        elif pace.pause(now) == 0:
            turn = pace.take(now)
    return pace, now


@given(st.floats(0, 1))
def test_refused_callers_stay_away_longer_with_each_rate_that_is_refused_but_never_long(chance: float) -> None:
    pace, times = Pace(0.0), []
    for second in range(20):
        pace.refused(pace.take(second), second)
        times.append(pace.away(chance))
    assert times == sorted(times)
    assert times[0] == pytest.approx(0.25 * (0.5 + chance / 2))
    assert times[-1] == pytest.approx(5 * (0.5 + chance / 2))


def test_refusals_of_one_rate_are_one_and_forgotten_when_a_call_goes_through() -> None:
    pace = Pace(0.0)
    turns = [pace.take(0.0) for _number in range(BURST)]
    pace.refused(turns[0], 0.1)
    first = pace.away(1)
    for turn in turns[1:]:
        pace.refused(turn, 0.1)
    assert pace.away(1) == first
    pace.refused(pace.take(1.0), 1.0)
    assert pace.away(1) == 2 * first
    pace.passed(2.0)
    assert pace.away(1) == first
