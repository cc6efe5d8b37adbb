# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Judge and count the patch states of nodes, as patch_info returns them. Pure."""

from __future__ import annotations

import collections
import typing as t

Row = t.Mapping[str, t.Any]

_COUNTS = (
    *("installed", "installed_other", "installed_pending_reboot", "installed_rejected"),
    *("missing", "failed", "not_applicable", "available_security_update"),
)
# What makes a node not compliant, in AWS's own judgement.
_NOT_COMPLIANT = ("missing", "failed", "installed_pending_reboot", "installed_rejected")
_INSTALLED = ("installed", "installed_other", "installed_pending_reboot")
_LEVELS = ("critical", "security", "other")


def is_compliant(row: Row) -> bool:
    """Say whether nothing is to be done on a node."""
    return not any(row.get(f"{name}_count") for name in _NOT_COMPLIANT)


def lacks_patches(row: Row) -> bool:
    """Say whether an installation would find something to install."""
    return bool(row.get("missing_count") or row.get("failed_count"))


def summary(rows: t.Sequence[Row], unscanned: t.Sized) -> dict[str, t.Any]:
    """Count nodes, and patches by their states, by the levels of non-compliance, and where they were read by severity."""
    compliant = sum(map(is_compliant, rows))
    severities: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for row in rows:
        for patch in row.get("patches", []):
            severities[patch.get("severity") or "Unspecified"][state_name(patch["state"])] += 1
    return {
        "nodes": len(rows) + len(unscanned),
        "compliant": compliant,
        "non_compliant": len(rows) - compliant,
        "unscanned": len(unscanned),
        "patches": {name: sum(row.get(f"{name}_count") or 0 for row in rows) for name in _COUNTS},
        "non_compliant_patches": {level: sum(row.get(f"{level}_non_compliant_count") or 0 for row in rows) for level in _LEVELS},
        "severities": {severity: dict(sorted(counts.items())) for severity, counts in sorted(severities.items())},
    }


def state_name(state: str) -> str:
    """Give the state of a patch in the words of the counts: AWS documents MISSING and answers Missing."""
    if state.isupper():
        return state.lower()
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in state).lstrip("_")


def has_installed(before: Row, after: Row) -> bool:
    """Say whether there are more installed patches than there were; those that a reboot completes count, too."""
    return any((after.get(f"{name}_count") or 0) > (before.get(f"{name}_count") or 0) for name in _INSTALLED)


def would_change(row: Row, *, reboots: bool) -> bool:
    """Say whether an installation would do something on a node, by what is known of it."""
    return lacks_patches(row) or (reboots and bool(row.get("installed_pending_reboot_count")))
