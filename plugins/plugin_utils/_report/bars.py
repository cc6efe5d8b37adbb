# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Count what the report shows: tables of bars, one row for each group, severity, version and platform. Pure."""

from __future__ import annotations

import collections
import re
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._report import geometry
from ansible_collections.fleet.ssm.plugins.plugin_utils._report.nodes import STATES, UNSCANNED, Node

Bar = dict[str, t.Any]
Nodes = t.Sequence[Node]

# The severities of all package managers, the worst first; whatever else there is comes after them.
_SEVERITIES = ("Critical", "Important", "High", "Moderate", "Medium", "Low", "Informational", "None", "Unspecified")
_LACKING = ("missing", "failed")
_MOST_PATCHES = 15
_NO_GROUP = "in no patch group"


def by_patch_group(nodes: Nodes) -> list[Bar]:
    """Give each patch group, with how its nodes are; those that were never scanned have told none."""
    grouped = collections.defaultdict(list)
    for node in nodes:
        grouped[UNSCANNED.title if node.state is UNSCANNED else node.patch_group or _NO_GROUP].append(node)
    return [_of_states(label, some) for label, some in sorted(grouped.items(), key=lambda pair: (_is_rest(pair[0]), pair[0]))]


def _is_rest(label: str) -> bool:
    return label in (_NO_GROUP, UNSCANNED.title)


def _of_states(label: str, nodes: Nodes) -> Bar:
    counted = collections.Counter(node.state.key for node in nodes)
    compliant = counted["compliant"]
    parts = [((state.key, state.title), counted[state.key]) for state in reversed(STATES)]
    return {
        "label": label,
        "nodes": len(nodes),
        "compliant": compliant,
        # Never 100 while one is not.
        "percent": 100 * compliant // len(nodes),
        "pieces": pieces(parts, len(nodes)),
    }


def by_severity(nodes: Nodes) -> list[Bar]:
    """Give each severity, with how many patches are missing and failed; by AWS's levels when patches were not read."""
    counted: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    affected: dict[str, set[str]] = collections.defaultdict(set)
    for node in nodes:
        for severity, state, count in _lacks(node):
            counted[severity][state] += count
            affected[severity].add(f"{node.place} {node.instance_id}")
    most = max((counts.total() for counts in counted.values()), default=1)
    return [
        {
            "label": severity,
            "nodes": len(affected[severity]),
            "patches": counted[severity].total(),
            "pieces": pieces([((state, state), counted[severity][state]) for state in _LACKING], most),
        }
        for severity in sorted(counted, key=_rank)
    ]


def _lacks(node: Node) -> t.Iterator[tuple[str, str, int]]:
    if node.patches:
        yield from ((patch.severity, patch.state, 1) for patch in node.patches if patch.state in _LACKING)
    else:
        yield from ((f"{level} (AWS's level)", "missing", count) for level, count in node.levels.items() if count)


def _rank(severity: str) -> tuple[int, str]:
    return (_SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES), severity)


def most_missing(nodes: Nodes) -> list[Bar]:
    """Give the patches that most nodes lack."""
    lacking = collections.Counter(
        (patch.title, patch.severity) for node in nodes for patch in node.patches if patch.state in _LACKING
    )
    found = sorted(lacking.items(), key=lambda pair: (-pair[1], pair[0]))[:_MOST_PATCHES]
    most = max((count for _patch, count in found), default=1)
    return [
        {"label": title, "severity": severity, "nodes": count, "pieces": pieces([(("missing", "missing"), count)], most)}
        for (title, severity), count in found
    ]


def by_agent(nodes: Nodes) -> list[Bar]:
    """Give each version of the agent, the newest first, and whether AWS says that it is the latest."""
    latest = {node.agent_version for node in nodes if node.is_latest}
    rows = _counted(node.agent_version for node in nodes)
    for row in rows:
        row["latest"] = row["label"] in latest
        row["pieces"] = [{**piece, "kind": "compliant" if row["latest"] else "missing"} for piece in row["pieces"]]
    return sorted(rows, key=lambda row: [int(number) for number in re.findall(r"\d+", row["label"])], reverse=True)


def by_platform(nodes: Nodes) -> list[Bar]:
    """Give each platform, the most frequent first."""
    return sorted(_counted(node.platform for node in nodes), key=lambda row: (-row["nodes"], row["label"]))


def _counted(labels: t.Iterable[str]) -> list[Bar]:
    counted = collections.Counter(labels)
    most = max(counted.values(), default=1)
    return [
        {"label": label, "nodes": count, "pieces": pieces([(("plain", "nodes"), count)], most)} for label, count in counted.items()
    ]


def pieces(parts: t.Iterable[tuple[tuple[str, str], int]], whole: int) -> list[Bar]:
    """Draw the parts of a bar, each a kind, its name and a count; ``whole`` takes all of it."""
    laid = geometry.pieces(parts, whole)
    return [{"kind": kind, "title": f"{title}: {count}", "x": x, "width": width} for (kind, title), count, x, width in laid]
