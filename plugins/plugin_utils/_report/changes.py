# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tell what a run changed, from the nodes that fleet.ssm.patch returns. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._report.bars import pieces
from ansible_collections.fleet.ssm.plugins.plugin_utils._report.nodes import Node, Row, counts_of, shortened

Told = dict[str, t.Any]

_SUCCESS = "Success"
# A program's last words can be long.
_LONGEST_REASON = 400
_TITLES = {
    "missing": "missing",
    "failed": "could not be installed",
    "installed_pending_reboot": "wait for a reboot",
    "installed_rejected": "rejected and installed",
}


def told(changes: t.Sequence[Row], nodes: t.Iterable[Node]) -> Told:
    """Give counts before and after, the nodes that failed with the reason, and those that were changed."""
    names = {node.instance_id: node.name for node in nodes}
    rows = [_row(change, names) for change in changes]
    return {
        "nodes": len(rows),
        "changed": [row for row in rows if row["changed"] and not row["reason"]],
        "failed": [row for row in rows if row["reason"]],
        "untouched": sum(not row["changed"] and not row["reason"] for row in rows),
        "counts": _counts(changes),
    }


def _row(change: Row, names: t.Mapping[str, str]) -> Told:
    before, after = (counts_of(change.get(when) or {}) for when in ("before", "after"))
    return {
        "instance_id": change["instance_id"],
        "name": names.get(change["instance_id"], change["instance_id"]),
        "changed": bool(change.get("changed")),
        "before": _sentence(before) if change.get("before") else "not known",
        "after": _sentence(after) if change.get("after") else "not known",
        "reason": shortened(_reason(change), _LONGEST_REASON),
    }


def _reason(change: Row) -> str:
    """Say why a node failed: what whoever ran it says, the patches, or AWS's word; empty when it did not."""
    if change.get("failure"):
        return str(change["failure"])
    if change.get("failed_patches"):
        return f"Could not be installed: {', '.join(change['failed_patches'])}."
    status = str(change.get("status") or _SUCCESS)
    return "" if status == _SUCCESS else f"The command ended there with the status {status}."


def _sentence(counts: t.Mapping[str, int]) -> str:
    return ", ".join(f"{count} {_TITLES[name]}" for name, count in counts.items() if count) or "nothing missing"


def _counts(changes: t.Sequence[Row]) -> list[Told]:
    """Sum up the patches of nodes of which both is known."""
    known = [change for change in changes if change.get("before") and change.get("after")]
    sums = {when: [counts_of(change[when]) for change in known] for when in ("before", "after")}
    totals = {name: {when: sum(one[name] for one in rows) for when, rows in sums.items()} for name in _TITLES}
    most = max((count for both in totals.values() for count in both.values()), default=0) or 1
    return [
        {
            "label": _TITLES[name],
            **both,
            "pieces": {when: pieces([((name, f"{when}, {_TITLES[name]}"), count)], most) for when, count in both.items()},
        }
        for name, both in totals.items()
        if any(both.values())
    ]
