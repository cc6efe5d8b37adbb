# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans from what there is to what is wanted."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import (
    Kind,
    OnDifference,
    Plan,
    RefusedError,
    covers,
    differing,
    merged,
    plain_same,
    plan_absent,
    plan_present,
)

HAVE = {"Id": 1, "Name": "a", "Limit": 5}


def _kinds(plan: Plan) -> list[Kind]:
    return [step.kind for step in plan.steps]


def test_creates_when_there_is_none() -> None:
    plan = plan_present([], {"Name": "a"})
    assert (_kinds(plan), plan.before, plan.after, plan.changed) == ([Kind.CREATE], None, {"Name": "a"}, True)


def test_keeps_what_is_as_wanted() -> None:
    plan = plan_present([HAVE], {"Name": "a"})
    assert (plan.steps, plan.before, plan.after, plan.changed) == ((), HAVE, HAVE, False)


def test_prefers_the_one_of_several_that_is_as_wanted() -> None:
    other = {**HAVE, "Id": 2, "Limit": 9}
    assert plan_present([HAVE, other], {"Limit": 9}).after == other


def test_updates_what_aws_can_change() -> None:
    plan = plan_present([HAVE], {"Limit": 9}, updatable={"Limit"})
    assert (_kinds(plan), plan.before, plan.after) == ([Kind.UPDATE], HAVE, {**HAVE, "Limit": 9})


def test_refuses_what_aws_cannot_change() -> None:
    with pytest.raises(RefusedError, match="Name is 'a' and not 'b'"):
        plan_present([HAVE], {"Name": "b", "Limit": 9}, updatable={"Limit"})


def test_refuses_in_the_caller_s_words() -> None:
    with pytest.raises(RefusedError, match=r"\['Name'\]"):
        plan_present([HAVE], {"Name": "b"}, refusal=lambda have, want, members: str(members))


def test_replaces_what_aws_cannot_change_when_told_and_deletes_last() -> None:
    plan = plan_present([HAVE], {"Name": "b"}, on_difference=OnDifference.REPLACE)
    assert _kinds(plan) == [Kind.CREATE, Kind.DELETE]
    assert (plan.steps[1].subject, plan.before, plan.after) == (HAVE, HAVE, {"Name": "b"})


def test_deletes_all() -> None:
    plan = plan_absent([HAVE, {"Id": 2}])
    assert (_kinds(plan), plan.before, plan.after) == ([Kind.DELETE] * 2, HAVE, None)


def test_has_nothing_to_delete() -> None:
    plan = plan_absent([])
    assert (plan.steps, plan.before, plan.after) == ((), None, None)


@pytest.mark.parametrize(
    ("have", "want", "same"),
    [
        ([{"Key": "a", "Value": "1"}, {"Value": "2", "Key": "b"}], [{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}], True),
        ([{"Key": "a", "Values": ["1"]}], [{"Key": "a", "Values": ["2"]}], False),
        ("1", 1, False),
        (None, [], False),
    ],
)
def test_the_order_of_lists_is_no_difference(have: t.Any, want: t.Any, same: bool) -> None:
    assert plain_same("Tags", have, want) is same


def test_what_is_not_wanted_is_left_as_it_is() -> None:
    assert differing(HAVE, {"Limit": 5, "New": 1}) == ["New"]


def test_where_there_cannot_be_two_the_old_one_goes_first() -> None:
    have = {"Name": "a", "Type": "x"}
    plan = plan_present([have], {"Name": "a", "Type": "y"}, on_difference=OnDifference.REPLACE, deleted_first=True)
    assert [step.kind for step in plan.steps] == [Kind.DELETE, Kind.CREATE]


def test_a_refusal_names_only_what_cannot_be_changed() -> None:
    with pytest.raises(RefusedError, match=r"^Type is 'x' and not 'y'$"):
        plan_present([{"Size": 1, "Type": "x"}], {"Size": 2, "Type": "y"}, updatable={"Size"})


def test_a_structure_covers_what_is_wanted_of_it() -> None:
    have = {"a": {"b": 1, "c": 2}, "whole": {"b": 1, "c": 2}}
    assert covers(have, {"a": {"b": 1}})
    assert not covers(have, {"a": {"b": 2}})
    assert not covers(None, {"a": {}})
    assert covers(have, {"whole": {"b": 1}})
    assert not covers(have, {"whole": {"b": 1}}, {"whole"})


def test_a_structure_is_merged_with_what_is_wanted_of_it() -> None:
    have = {"a": {"b": 1, "c": 2}, "whole": {"b": 1, "c": 2}}
    assert merged(have, {"a": {"b": 3}, "whole": {"b": 3}, "new": {"d": 4}}, {"whole"}) == {
        "a": {"b": 3, "c": 2},
        "whole": {"b": 3},
        "new": {"d": 4},
    }
