# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of the marks of a run."""

from __future__ import annotations

import pathlib

import pytest

from tests.benchmark import marks, stages
from tests.benchmark.marks import Mark

_COMMAND, _RAW = stages._ACTIONS


def _task(action: str, begins: float, *takes: float) -> list[Mark]:
    names = (f"start {action}", "connection", "request", "answer", "result")
    return [Mark(action, name, begins + sum(takes[:place])) for place, name in enumerate(names)]


def test_each_stage_is_what_lies_between_its_marks_and_the_first_task_of_a_kind_does_not_count() -> None:
    made = [
        *_task(_COMMAND, 0.0, 9, 9, 9, 9),
        *_task(_COMMAND, 100.0, 1, 2, 3, 4),
        *_task(_RAW, 200.0, 9, 9, 9, 9),
        *_task(_RAW, 300.0, 5, 6, 7, 8),
    ]
    found = stages.stages(made)
    assert [found[_COMMAND][what] for _from, _to, what in stages.STAGES] == [[1], [2], [3], [4], [90]]
    assert [found[_RAW][what] for _from, _to, what in stages.STAGES] == [[5], [6], [7], [8], []]


def test_further_requests_of_a_task_are_not_taken_for_something_else() -> None:
    twice = [Mark(_RAW, name, at) for name, at in ((f"start {_RAW}", 0), ("connection", 1), ("request", 2), ("answer", 3))]
    again = [Mark(_RAW, name, at) for name, at in (("request", 10), ("answer", 11), ("result", 12))]
    found = stages.stages([*_task(_RAW, -100.0, 1, 1, 1, 1), *twice, *again])
    assert found[_RAW]["broker, line, agent, program and module"] == [1, 1]


def test_marks_are_read_back_in_the_order_of_the_clock(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = tmp_path / "marks"
    monkeypatch.setenv(marks.VARIABLE, str(written))
    marks.mark("a", "start x")
    marks.mark("a", "result")
    lines = written.read_text(encoding="utf-8").splitlines()
    written.write_text("\n".join(reversed(lines)), encoding="utf-8")
    assert [made.name for made in marks.read(written)] == ["start x", "result"]


def test_the_table_has_medians_in_milliseconds_and_their_sum() -> None:
    found = {action: {what: [0.001, 0.002, 0.5] for _from, _to, what in stages.STAGES} for action in stages._ACTIONS}
    lines = stages.table(found)
    assert lines[1].endswith("2.0 ms    2.0 ms")
    assert lines[-1].split() == ["sum", "10.0", "ms", "10.0", "ms"]
