# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a run's sessions."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.callback.session_summary import Figures, table, throttling, total

_WIDTH = 80


def _node(seconds: float = 1.0, task: str = "Install packages", **more: float) -> Figures:
    figures = {
        "sessions": 1, "requests": 20, "round_trips": 21, "reconnects": 0, "throttles": 0, "throttle_seconds": 0.0,
        "bytes_up": 235_123, "bytes_down": 77_000, "bytes_saved": 3_289_000, "seconds": seconds,
    }  # fmt: skip
    return {**figures, **more, "slowest_task": {"name": task, "seconds": seconds / 2}}


def _fleet(count: int) -> dict[str, Figures]:
    return {f"i-{number:017d}": _node(float(number)) for number in range(count)}


def test_a_node_is_a_line_and_their_sum_another() -> None:
    assert table({"i-1": _node(4.2), "i-2": _node(2.0, "Copy")}, 20, _WIDTH) == [
        "node  sess  reqs  trips    sent    recv    saved  slowest task",
        "i-1      1    20     21  235 KB   77 KB  3289 KB     2.1 s Install packages",
        "i-2      1    20     21  235 KB   77 KB  3289 KB     1.0 s Copy",
        "all      2    40     42  470 KB  154 KB  6578 KB     2.1 s Install packages",
    ]


def test_of_many_nodes_the_slowest_are_shown_and_the_sum_is_of_all() -> None:
    lines = table(_fleet(200), 3, _WIDTH)
    assert [line.split()[0] for line in lines[1:-1]] == [f"i-{number:017d}" for number in (197, 198, 199)]
    assert lines[-1].split()[:5] == ["all", "200", "200", "4000", "4200"]


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    nodes = {"i-0123456789abcdef0": _node(1234.5, "A name " * 20, reconnects=3, throttles=12, throttle_seconds=99.9)}
    assert all(len(line) < width for line in table(nodes, 20, width))


def test_cuts_and_throttling_have_columns_only_where_there_were_some() -> None:
    quiet, throttled = table({"i-1": _node()}, 20, _WIDTH), table({"i-1": _node(throttles=2, throttle_seconds=1.25)}, 20, _WIDTH)
    assert "throttled" not in quiet[0]
    assert "throttled" in throttled[0]
    assert "cuts" not in throttled[0]
    assert "2    1.2 s" in throttled[1]


def test_what_throttling_cost_is_a_sentence() -> None:
    assert throttling({"i-1": _node()}) == []
    nodes = {"i-1": _node(throttles=2, throttle_seconds=3.0), "i-2": _node(throttles=1, throttle_seconds=1.0)}
    assert throttling(nodes) == ["AWS throttled 3 calls; a node waited 2.0 s for that on average, 3.0 s at most"]


def test_the_sum_has_the_slowest_task_of_all() -> None:
    assert total(_fleet(3))["slowest_task"] == {"name": "Install packages", "seconds": 1.0}
