# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Patch states are judged and counted."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._patching import counting


@pytest.mark.parametrize(
    ("counts", "compliant", "lacking"),
    [
        ({"installed_count": 5, "installed_other_count": 1, "not_applicable_count": 9}, True, False),
        ({"missing_count": 1}, False, True),
        ({"failed_count": 1}, False, True),
        ({"installed_pending_reboot_count": 1}, False, False),
        ({"installed_rejected_count": 1}, False, False),
        ({}, True, False),
    ],
)
def test_a_node_is_judged_by_what_is_to_be_done(counts: dict[str, int], compliant: bool, lacking: bool) -> None:
    assert (counting.is_compliant(counts), counting.lacks_patches(counts)) == (compliant, lacking)


@pytest.mark.parametrize("state", ["INSTALLED_PENDING_REBOOT", "InstalledPendingReboot"])
def test_a_state_has_one_name_however_aws_writes_it(state: str) -> None:
    assert counting.state_name(state) == "installed_pending_reboot"


def test_nodes_and_patches_are_counted() -> None:
    patch = {"severity": "Critical", "state": "Missing"}
    rows: list[dict[str, t.Any]] = [
        {"installed_count": 3, "missing_count": 2, "critical_non_compliant_count": 2, "patches": [patch, patch]},
        {"installed_count": 4, "failed_count": 1, "patches": [{"severity": "", "state": "FAILED"}]},
        {"installed_count": 5},
    ]
    counted = counting.summary(rows, ["mi-0123456789abcdef0"])
    assert {name: counted[name] for name in ("nodes", "compliant", "non_compliant", "unscanned")} == {
        "nodes": 4,
        "compliant": 1,
        "non_compliant": 2,
        "unscanned": 1,
    }
    assert {name: count for name, count in counted["patches"].items() if count} == {"installed": 12, "missing": 2, "failed": 1}
    assert counted["non_compliant_patches"] == {"critical": 2, "security": 0, "other": 0}
    assert counted["severities"] == {"Critical": {"missing": 2}, "Unspecified": {"failed": 1}}
