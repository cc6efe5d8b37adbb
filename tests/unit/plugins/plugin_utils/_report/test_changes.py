# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of what a run changed."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._report import changes
from ansible_collections.fleet.ssm.plugins.plugin_utils._report.nodes import joined

from tests.unit.plugins.plugin_utils._report.fleet import listed, patched

_BEFORE, _AFTER = patched(1, missing_count=3), patched(1, installed_pending_reboot_count=2, missing_count=1)


def _change(**members: t.Any) -> dict[str, t.Any]:
    node = {"instance_id": listed(1)["instance_id"], "changed": True, "status": "Success", "failed_patches": []}
    return {**node, "before": _BEFORE, "after": _AFTER, **members}


def test_patches_are_summed_up_before_and_after() -> None:
    told = changes.told([_change(), _change()], joined("here", [listed(1)], []))
    assert [(row["label"], row["before"], row["after"]) for row in told["counts"]] == [
        ("missing", 6, 2),
        ("wait for a reboot", 0, 4),
    ]
    drawn = {when: [(piece["kind"], piece["width"]) for piece in some] for when, some in told["counts"][0]["pieces"].items()}
    assert drawn == {"before": [("missing", 100.0)], "after": [("missing", 33.33)]}
    assert told["changed"][0]["name"] == "web-1"
    assert told["changed"][0]["after"] == "1 missing, 2 wait for a reboot"


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"failure": "The disk is full.", "failed_patches": ["a"]}, "The disk is full."),
        ({"failed_patches": ["a", "b"], "status": "Failed"}, "Could not be installed: a, b."),
        ({"status": "TimedOut"}, "The command ended there with the status TimedOut."),
    ],
)
def test_a_node_that_failed_is_told_with_the_reason(members: dict[str, t.Any], reason: str) -> None:
    told = changes.told([_change(**members)], [])
    assert [row["reason"] for row in told["failed"]] == [reason]
    assert (told["changed"], told["untouched"]) == ([], 0)


def test_a_node_that_has_changed_nothing_is_counted() -> None:
    told = changes.told([_change(changed=False, before=_AFTER)], [])
    assert (told["nodes"], told["untouched"], told["failed"]) == (1, 1, [])


def test_a_node_of_which_nothing_is_known_from_before_is_not_summed_up() -> None:
    told = changes.told([_change(before={})], [])
    assert told["counts"] == []
    assert told["changed"][0]["before"] == "not known"


def test_long_reasons_are_cut() -> None:
    assert len(changes.told([_change(failure="x" * 5000)], [])["failed"][0]["reason"]) == 400
