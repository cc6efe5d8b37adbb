# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which messages are sent again, and when."""

from __future__ import annotations

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import unacknowledged
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.unacknowledged import REORDERED, Unacknowledged
from hypothesis import given
from hypothesis import strategies as st


def _sent(count: int) -> Unacknowledged:
    messages = Unacknowledged()
    for number in range(count):
        messages.add(number, b"%d" % number, 10, 0.0)
    return messages


def test_only_messages_sent_once_are_measured() -> None:
    messages = _sent(2)
    messages.overdue(1.0)
    messages.acknowledge(0, 1.5)
    assert messages.round_trip.smoothed is None
    messages.acknowledge(1, 0.5)
    assert messages.round_trip.smoothed is None or messages.round_trip.smoothed == 0.5


def test_a_message_is_lost_when_enough_that_were_sent_later_have_arrived() -> None:
    messages = _sent(100)
    assert messages.acknowledge(REORDERED - 1, 0.1) == []
    assert messages.acknowledge(REORDERED, 0.1) == [b"0"]
    assert messages.acknowledge(REORDERED + 2, 0.1) == [b"1", b"2"]
    # They are the last ones now, and only later ones count against them.
    assert messages.acknowledge(99, 0.1) == [b"%d" % number for number in range(3, 100 - REORDERED) if number not in (31, 32, 34)]


def test_what_nothing_came_after_is_sent_again_faster_and_faster() -> None:
    messages = _sent(1000)
    assert messages.overdue(1.0) == [b"0"]
    waiting, rounds = [0], 0
    while messages:
        rounds += 1
        assert rounds < 12
        waiting = [int(data) for number in waiting for data in messages.acknowledge(number, 1.0 + rounds) or []]


def test_an_agent_that_was_only_busy_is_sent_little_again() -> None:
    messages = _sent(1000)
    again = messages.overdue(1.0)
    for number in range(1000):
        again += messages.acknowledge(number, 1.2) or []
    assert len(again) == 5


def test_a_new_socket_gets_everything_and_ends_the_guessing() -> None:
    messages = _sent(3)
    messages.overdue(1.0)
    assert messages.all(2.0) == [b"0", b"1", b"2"]
    assert messages.acknowledge(0, 2.5) == []


@given(st.lists(st.tuples(st.sampled_from(["acknowledge", "overdue", "all", "add"]), st.integers(0, 60)), max_size=200))
def test_whatever_happens_each_message_is_held_until_it_is_acknowledged(steps: list[tuple[str, int]]) -> None:
    messages, held, added = Unacknowledged(), set[int](), 0
    for now, (step, number) in enumerate(steps):
        again: list[bytes] | None = []
        if step == "add":
            messages.add(added, b"%d" % added, 10, now)
            held.add(added)
            added += 1
        elif step == "acknowledge":
            again = messages.acknowledge(number, now)
            assert (again is None) == (number not in held)
            held.discard(number)
        elif step == "all":
            assert sorted(map(int, messages.all(now))) == sorted(held)
        elif held:
            assert messages.overdue(now) == [b"%d" % min(held)]
        assert {int(data) for data in again or []} <= held
        assert (bool(messages), messages.size) == (bool(held), 10 * len(held))
        assert (messages.due() is None) == (not held)


def test_a_repetition_that_is_lost_is_found_out_too() -> None:
    messages = _sent(50)
    assert messages.acknowledge(40, 0.1) == [b"%d" % number for number in range(9)]
    for number in range(50, 50 + unacknowledged.REORDERED + 10):
        messages.add(number, b"%d" % number, 10, 0.2)
    again = messages.acknowledge(50 + unacknowledged.REORDERED + 9, 0.3)
    assert again is not None
    assert {b"0", b"8"} <= set(again)
