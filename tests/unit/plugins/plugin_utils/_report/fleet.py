# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of managed_node_info and patch_info for the tests of the report."""

from __future__ import annotations

import typing as t

Row = dict[str, t.Any]

PING = "2030-01-31T18:00:00+00:00"


def listed(number: int, **members: t.Any) -> Row:
    """Give a node as managed_node_info does."""
    told = {
        "instance_id": f"mi-{number:017x}",
        "name": f"web-{number}",
        "ping_status": "Online",
        "last_ping_date_time": PING,
        "agent_version": "3.3.987.0",
        "is_latest_version": True,
        "platform_name": "Debian GNU/Linux",
        "platform_version": "12",
    }
    return {**told, **members}


def patched(number: int, **members: t.Any) -> Row:
    """Give its patch state as patch_info does."""
    counts = {f"{name}_count": 0 for name in ("missing", "failed", "installed_pending_reboot", "installed_rejected")}
    node = {"instance_id": f"mi-{number:017x}", "patch_group": "web", "operation_end_time": PING}
    return {**node, **counts, "patches": [], **members}


def patch(title: str, severity: str = "Critical", state: str = "Missing") -> Row:
    """Give a patch as patch_info does."""
    return {"title": title, "kb_id": title, "severity": severity, "state": state}


def lacking(number: int, *patches: Row, **members: t.Any) -> Row:
    """Give the state of a node that lacks patches."""
    failed = sum(one["state"] == "Failed" for one in patches)
    counts = {"missing_count": len(patches) - failed, "failed_count": failed}
    return patched(number, patches=list(patches), **{**counts, **members})
