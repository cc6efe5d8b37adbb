# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is special about the modules patch_baseline and patch_baseline_info."""

from __future__ import annotations

import functools
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.modules import patch_baseline, patch_baseline_info

from tests.unit.plugins.modules.emulated_account import EmulatedAccount

DEBIAN: dict[str, t.Any] = {
    "name": "debian",
    "operating_system": "DEBIAN",
    "approval_rules": [
        {"patch_filter_group": [{"key": "PRIORITY", "values": ["Required", "Important"]}, {"key": "SECTION", "values": ["*"]}]},
        {"patch_filter_group": [{"key": "PRODUCT", "values": ["*"]}], "compliance_level": "LOW"},
    ],
}


@pytest.fixture
def ensure(run: t.Callable[..., t.Any], emulated: EmulatedAccount) -> t.Callable[..., t.Any]:
    return functools.partial(run, patch_baseline.main)


@pytest.fixture
def listed(run: t.Callable[..., t.Any], emulated: EmulatedAccount) -> t.Callable[..., t.Any]:
    return lambda **options: run(patch_baseline_info.main, **options)["patch_baselines"]


def _only(emulated: EmulatedAccount) -> dict[str, t.Any]:
    (baseline,) = emulated.state.patch_baselines.values()
    return baseline


def test_lists_are_the_same_in_any_order_and_with_what_aws_adds(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(**DEBIAN, approved_patches=["a", "b"])
    emulated.changes()
    first, second = DEBIAN["approval_rules"]
    product, priority = first["patch_filter_group"][::-1]
    again = {"patch_filter_group": [product, {**priority, "values": ["Important", "Required"]}], "enable_non_security": False}
    # AWS may tell of days that nobody gave.
    _only(emulated)["ApprovalRules"]["PatchRules"][0]["ApproveAfterDays"] = 7
    result = ensure(**{**DEBIAN, "approval_rules": [second, again]}, approved_patches=["b", "a"])
    assert (result["changed"], emulated.changes()) == (False, [])


def test_what_is_not_said_stays(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(**DEBIAN, description="ours", rejected_patches=["nano"], patch_groups=["a"], default=True)
    result = ensure(name="debian", operating_system="DEBIAN", rejected_patches_action="BLOCK")["patch_baseline"]
    assert (result["description"], result["rejected_patches"], result["rejected_patches_action"]) == ("ours", ["nano"], "BLOCK")
    assert (result["patch_groups"], result["default"], len(result["approval_rules"])) == (["a"], True, 2)


def test_what_is_not_said_goes_when_it_is_to_be_replaced(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(**DEBIAN, description="ours", rejected_patches=["nano"], patch_groups=["a"])
    emulated.changes()
    result = ensure(**DEBIAN, replace=True, diff=True)
    assert (result["changed"], emulated.changes()) == (True, ["UpdatePatchBaseline"])
    assert "description" not in result["patch_baseline"]
    assert (result["patch_baseline"]["rejected_patches"], result["patch_baseline"]["patch_groups"]) == ([], ["a"])
    assert result["diff"]["after"]["rejected_patches"] == []
    assert ensure(**DEBIAN, replace=True)["changed"] is False


def test_the_same_name_for_another_operating_system_is_another_baseline(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(**DEBIAN)
    assert ensure(name="debian", operating_system="UBUNTU")["changed"]
    assert ensure(name="debian", operating_system="UBUNTU", state="absent")["changed"]
    assert _only(emulated)["OperatingSystem"] == "DEBIAN"


def test_a_longer_name_is_another_one(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(**{**DEBIAN, "name": "debian-2"})
    assert ensure(name="debian", state="absent")["changed"] is False


def test_it_becomes_the_default_and_ceases_to_be(ensure: t.Any, emulated: EmulatedAccount) -> None:
    made = ensure(**DEBIAN, default=True)
    assert (made["patch_baseline"]["default"], emulated.changes()) == (
        True,
        ["CreatePatchBaseline", "RegisterDefaultPatchBaseline"],
    )
    assert ensure(**DEBIAN, default=True)["changed"] is False
    checked = ensure(**DEBIAN, default=False, check_mode=True)
    assert (checked["changed"], checked["patch_baseline"]["default"], emulated.changes()) == (True, False, [])
    assert ensure(**DEBIAN, default=False)["changed"]
    assert emulated.changes() == ["RegisterDefaultPatchBaseline"]
    assert ensure(**DEBIAN, default=False)["changed"] is False
    default = emulated.call("GetDefaultPatchBaseline", {"OperatingSystem": "DEBIAN"})["BaselineId"]
    assert emulated.call("GetPatchBaseline", {"BaselineId": default})["Name"] == "AWS-DebianDefaultPatchBaseline"


@pytest.mark.parametrize("check_mode", [True, False])
def test_the_default_is_not_deleted(ensure: t.Any, emulated: EmulatedAccount, check_mode: bool) -> None:
    ensure(**DEBIAN, default=True)
    emulated.changes()
    result = ensure(name="debian", state="absent", check_mode=check_mode)
    assert result["failed"]
    assert "is the default for DEBIAN, and AWS deletes no default. Make another one the default first" in result["msg"]
    assert emulated.changes() == []


def test_the_default_is_deleted_when_that_of_aws_may_take_its_place(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(**DEBIAN, default=True)
    emulated.changes()
    assert ensure(name="debian", state="absent", default=False)["changed"]
    assert emulated.changes() == ["RegisterDefaultPatchBaseline", "DeletePatchBaseline"]


def test_a_patch_group_is_not_taken_from_another_baseline(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(**{**DEBIAN, "name": "other"}, patch_groups=["web"])
    owner = _only(emulated)["BaselineId"]
    result = ensure(**DEBIAN, patch_groups=["web"])
    assert f"The patch group 'web' uses the baseline {owner} for DEBIAN. Take it out of the patch_groups" in result["msg"]


def test_patch_groups_are_exactly_those_given(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(**DEBIAN, patch_groups=["a", "b"])
    emulated.changes()
    assert ensure(**DEBIAN, patch_groups=["b", "a", "a"])["changed"] is False
    assert ensure(**DEBIAN, patch_groups=[])["patch_baseline"]["patch_groups"] == []
    assert emulated.changes() == ["DeregisterPatchBaselineForPatchGroup"] * 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"operating_system": None}, "operating_system"),
        ({"approved_patches": ["x"] * 51}, "approved_patches must be at most 50 entries, not 51"),
        (
            {"approval_rules": [{"patch_filter_group": [], "approve_after_days": 1, "approve_until_date": "2030-01-01"}]},
            "either approve_after_days or approve_until_date",
        ),
    ],
    ids=["no system", "too many", "two times"],
)
def test_refuses_what_cannot_be_right(ensure: t.Any, emulated: EmulatedAccount, options: dict[str, t.Any], sentence: str) -> None:
    result = ensure(**{**DEBIAN, **options})
    assert result["failed"]
    assert sentence in result["msg"]
    assert emulated.changes() == []


def test_lists_by_prefix_owner_and_system(ensure: t.Any, listed: t.Any) -> None:
    ensure(**DEBIAN, description="ours", default=True)
    ensure(name="windows", operating_system="WINDOWS")
    assert [row["name"] for row in listed(owner="Self")] == ["debian", "windows"]
    rows = listed(operating_system="DEBIAN")
    assert [(row["name"], row["default"]) for row in rows] == [("debian", True), ("AWS-DebianDefaultPatchBaseline", False)]
    (row,) = listed(name_prefix="deb")
    assert (row["description"], "approval_rules" in row) == ("ours", False)


def test_lists_with_details(ensure: t.Any, listed: t.Any) -> None:
    ensure(**DEBIAN, patch_groups=["web"])
    (row,) = listed(owner="Self", details=True)
    assert row["patch_groups"] == ["web"]
    assert row["approval_rules"][1]["patch_filter_group"] == [{"key": "PRODUCT", "values": ["*"]}]
