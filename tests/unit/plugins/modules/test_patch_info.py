# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module patch_info, and how many calls it takes."""

from __future__ import annotations

import collections
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.modules import patch_info

from tests.unit.plugins.modules.emulated_account import EmulatedAccount
from tests.unit.plugins.modules.patched_fleet import add_nodes

Told = t.Callable[..., dict[str, t.Any]]
_FLEET = 1000


@pytest.fixture
def told(run: t.Callable[..., t.Any]) -> Told:
    return lambda **options: t.cast("dict[str, t.Any]", run(patch_info.main, **options))


def _calls(emulated: EmulatedAccount) -> dict[str, int]:
    made = collections.Counter(emulated.aws.operations())
    emulated.aws.calls.clear()
    return dict(made)


def test_tells_states_and_counts_and_who_was_never_scanned(told: Told, emulated: EmulatedAccount) -> None:
    (clean,) = add_nodes(emulated, 1)
    (lacking,) = add_nodes(emulated, 1, missing=["openssl", "curl"])
    (unknown,) = add_nodes(emulated, 1, scanned=False)
    result = told()
    assert result["changed"] is False
    assert [(row["instance_id"], row["compliant"], row["missing_count"]) for row in result["nodes"]] == [
        (clean, True, 0),
        (lacking, False, 2),
    ]
    assert (result["unscanned"], result["summary"]["non_compliant"], result["summary"]["patches"]["missing"]) == ([unknown], 1, 2)
    assert "patches" not in result["nodes"][0]


def test_tells_patches_only_of_nodes_with_problems(told: Told, emulated: EmulatedAccount) -> None:
    clean = add_nodes(emulated, 3)
    (lacking,) = add_nodes(emulated, 1, missing=["openssl"])
    result = told(instance_ids=[*clean, lacking], patches="problems", only_non_compliant=True)
    (row,) = result["nodes"]
    (patch,) = row["patches"]
    assert (patch["kb_id"], patch["severity"], patch["state"], patch["cve_ids"]) == (
        "openssl",
        "Critical",
        "Missing",
        "CVE-2024-5535",
    )
    assert (result["summary"]["nodes"], result["summary"]["severities"]) == (4, {"Critical": {"missing": 1}})
    assert _calls(emulated) == {"DescribeInstancePatchStates": 1, "DescribeInstancePatches": 1}


def test_tells_all_patches_of_the_nodes_asked_for(told: Told, emulated: EmulatedAccount) -> None:
    ids = add_nodes(emulated, 2, missing=["curl"])
    assert all(row["patches"] for row in told(instance_ids=ids, patches="all")["nodes"])
    assert _calls(emulated)["DescribeInstancePatches"] == 2


def test_a_thousand_nodes_take_twenty_calls_and_one_to_list_them(told: Told, emulated: EmulatedAccount) -> None:
    ids = add_nodes(emulated, _FLEET)
    assert told()["summary"]["nodes"] == _FLEET
    assert _calls(emulated) == {"DescribeInstanceProperties": 1, "DescribeInstancePatchStates": 20}
    assert len(told(instance_ids=ids)["nodes"]) == _FLEET
    assert _calls(emulated) == {"DescribeInstancePatchStates": 20}
    assert len(told(patch_group="web")["nodes"]) == _FLEET
    assert _calls(emulated) == {"DescribeInstancePatchStatesForPatchGroup": 10}


def test_lists_nodes_by_the_smaller_page_where_the_larger_is_denied(told: Told, emulated: EmulatedAccount) -> None:
    add_nodes(emulated, 60)
    emulated.aws.deny("DescribeInstanceProperties")
    assert told()["summary"]["nodes"] == 60
    assert _calls(emulated)["DescribeInstanceInformation"] == 2


def test_tells_check_mode(told: Told, emulated: EmulatedAccount) -> None:
    add_nodes(emulated, 1)
    assert told(check_mode=True) == told()


def test_names_the_missing_permission(told: Told, emulated: EmulatedAccount) -> None:
    ids = add_nodes(emulated, 1)
    emulated.aws.deny("DescribeInstancePatchStates")
    assert "Allow the IAM action ssm:DescribeInstancePatchStates" in told(instance_ids=ids)["msg"]
