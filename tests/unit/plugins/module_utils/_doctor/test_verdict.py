# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of causes, and the verdict over checks."""

from __future__ import annotations

import itertools
import typing as t

import hypothesis
import hypothesis.strategies as st
import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._doctor import checks
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.causes import CHECKS, DECISIVE
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.verdict import roots, verdict

IDS = [entry.id for entry in CHECKS]


def bad(check_id: str) -> checks.Check:
    return checks.fail(check_id, f"seen by {check_id}", f"cause of {check_id}", f"remedy of {check_id}")


def test_the_table_has_each_check_once() -> None:
    expected = [f"C{number}" for number in range(1, 22)] + [f"N{number}" for number in range(1, 22)]
    assert sorted(IDS) == sorted(expected)


def test_causes_stand_before_their_consequences() -> None:
    for entry in CHECKS:
        assert all(IDS.index(cause) < IDS.index(entry.id) for cause in entry.consequence_of), entry


def test_all_well_is_healthy_and_has_no_cause() -> None:
    judged = verdict(checks.ok(check_id, "fine") for check_id in IDS)
    assert (judged.cause, judged.healthy) == (None, True)
    assert [result["id"] for result in judged.checks] == IDS


@pytest.mark.parametrize("check_id", IDS)
def test_a_fault_alone_is_the_first_cause(check_id: str) -> None:
    judged = verdict(bad(one) if one == check_id else checks.ok(one, "fine") for one in IDS)
    assert judged.cause is not None
    assert (judged.cause["id"], judged.cause["cause"], judged.cause["remedy"]) == (
        check_id,
        f"cause of {check_id}",
        f"remedy of {check_id}",
    )
    assert (judged.cause["consequence_of"], judged.healthy) == ("", False)


def test_a_later_failure_names_the_first_of_its_causes() -> None:
    judged = verdict([bad("C3"), bad("N4"), bad("N3"), bad("N18")])
    assert [(result["id"], result["consequence_of"]) for result in judged.checks] == [
        ("N3", ""),
        ("N4", "N3"),
        ("C3", "N3"),
        ("N18", ""),
    ]


def test_a_consequence_is_one_at_any_remove() -> None:
    assert "C16" in roots("C4")
    assert roots("C1") == set()


def test_failures_come_first_then_what_is_unknown_then_warnings() -> None:
    found = [checks.ok("C1", ""), checks.skip("N1", ""), checks.warn("N2", "", "", ""), checks.denied("C9", ["iam:X"]), bad("N20")]
    assert [result["id"] for result in verdict(found).checks] == ["N20", "C9", "N2", "C1", "N1"]


@pytest.mark.parametrize("check_id", DECISIVE)
def test_what_is_not_known_to_be_managed_is_not_healthy(check_id: str) -> None:
    assert not verdict([checks.denied(check_id, ["ssm:DescribeInstanceInformation"])]).healthy


def test_a_missing_right_that_decides_nothing_leaves_the_node_healthy() -> None:
    judged = verdict([checks.ok("C3", "Online"), checks.denied("C9", ["iam:SimulatePrincipalPolicy"])])
    assert judged.healthy
    assert [result["status"] for result in judged.checks] == ["unknown", "ok"]


def test_a_denied_check_names_the_action() -> None:
    check = checks.denied("C9", ["iam:SimulatePrincipalPolicy", "iam:GetRole"])
    assert check.status == "unknown"
    assert "iam:SimulatePrincipalPolicy, iam:GetRole" in check.cause
    assert "iam:SimulatePrincipalPolicy, iam:GetRole" in check.remedy


def test_of_two_checks_with_one_id_the_worse_counts() -> None:
    for pair in itertools.permutations([checks.ok("N7", ""), bad("N7")]):
        assert [result["status"] for result in verdict(pair).checks] == ["fail"]


def test_a_check_of_another_name_is_refused() -> None:
    with pytest.raises(checks.NotACheckError, match="N99"):
        verdict([checks.ok("N99", "")])


def test_a_check_comes_back_from_a_result() -> None:
    (result,) = verdict([bad("N5")]).checks
    assert checks.from_result(result) == bad("N5")


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("N1", "dictionary"),
        ({}, "texts"),
        ({"id": 3, "status": "ok"}, "texts"),
        ({"id": "N1", "status": "fine"}, "none of"),
    ],
)
def test_what_is_no_check_is_refused(result: t.Any, words: str) -> None:
    with pytest.raises(checks.NotACheckError, match=words):
        checks.from_result(result)


@hypothesis.given(st.dictionaries(st.sampled_from(IDS), st.sampled_from(checks.STATUSES)))
def test_no_failure_is_lost_and_none_invented(statuses: dict[str, str]) -> None:
    judged = verdict(checks.Check(check_id, status, "") for check_id, status in statuses.items())
    failing = {check_id for check_id, status in statuses.items() if status == "fail"}
    assert {result["id"]: result["status"] for result in judged.checks} == statuses
    assert (judged.cause is None) == (not failing)
    assert not (judged.healthy and failing)
    if judged.cause is not None:
        assert judged.cause["id"] == min(failing, key=IDS.index)
        assert judged.cause["consequence_of"] == ""
