# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a reader is told first is what failed first, in what ran last."""

from __future__ import annotations

import dataclasses

from ansible_collections.fleet.ssm.plugins.module_utils._executions import trace
from ansible_collections.fleet.ssm.plugins.module_utils._executions.findings import failures, summary
from ansible_collections.fleet.ssm.plugins.module_utils._executions.trace import Trace

STEP = Trace(trace.STEP, id="run", name="run", status="Failed", target="i-1", response_code=3)


def command(number: int, *steps: Trace) -> Trace:
    return Trace(trace.COMMAND, id=f"c{number}", name="Mine", status="Failed", started=f"2030-01-0{number}").with_parts(steps)


def test_a_failure_is_told_by_what_is_deepest() -> None:
    (failure,) = failures([command(1, STEP)])
    assert (failure.what.kind, [one.id for one in failure.within]) == (trace.STEP, ["c1"])


def test_a_failure_with_nothing_below_it_stands_for_itself() -> None:
    well = dataclasses.replace(STEP, status="Success", response_code=0)
    (failure,) = failures([command(1, well)])
    assert failure.sentence == "command Mine: Failed at 2030-01-01."


def test_the_newest_run_comes_first_and_its_steps_in_order_of_time() -> None:
    later, earlier = (dataclasses.replace(STEP, started=f"2030-01-0{number}") for number in (5, 4))
    found = failures([command(1, STEP), command(3, later, earlier), command(2)])
    assert [failure.what.started for failure in found] == ["2030-01-04", "2030-01-05", "2030-01-02", ""]


def test_standard_error_counts_more_than_output_and_only_its_end_is_told() -> None:
    lines = "".join(f"line {number}\n" for number in range(9))
    printed = dataclasses.replace(STEP, stderr=f"{lines}\nfailed to run commands: exit status 3", stdout="x", said="y")
    (failure,) = failures([printed])
    assert failure.evidence == [f"line {number}" for number in range(4, 9)]


def test_a_step_that_printed_nothing_is_told_by_what_aws_says_above_it() -> None:
    association = Trace(trace.ASSOCIATION, id="a", status="Failed", said="One plugin failed.").with_parts([STEP])
    assert failures([association])[0].evidence == ["One plugin failed."]


def test_many_failures_that_are_alike_take_two_lines() -> None:
    steps = [dataclasses.replace(STEP, target=f"i-{number}", stderr="no") for number in range(9)]
    lines = summary([command(1, *steps)], 24)
    assert [line for line in lines if line.startswith(("First", "Also"))] == lines[:1]
    assert [line for line in lines if "the same" in line and "and 5 more" in line]
