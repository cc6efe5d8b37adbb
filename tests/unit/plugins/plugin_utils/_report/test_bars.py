# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is counted by patch group, severity, version and platform."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._report import bars
from ansible_collections.fleet.ssm.plugins.plugin_utils._report.nodes import Node, joined

from tests.unit.plugins.plugin_utils._report.fleet import Row, lacking, listed, patch, patched


def _nodes(*states: Row | None, **members: t.Any) -> list[Node]:
    rows = [listed(number, **members) for number in range(len(states))]
    return joined(
        "here", rows, [{**state, "instance_id": row["instance_id"]} for row, state in zip(rows, states, strict=True) if state]
    )


def _figures(rows: list[Row], *names: str) -> list[tuple[t.Any, ...]]:
    return [tuple(row[name] for name in ("label", *names)) for row in rows]


def test_patch_groups_come_first_and_the_unscanned_last() -> None:
    nodes = _nodes(None, patched(0, patch_group=""), patched(0), lacking(0, patch("a")), patched(0, patch_group="db"))
    expected = [("db", 1, 1, 100), ("web", 1, 2, 50), ("in no patch group", 1, 1, 100), ("never scanned", 0, 1, 0)]
    assert _figures(bars.by_patch_group(nodes), "compliant", "nodes", "percent") == expected


def test_a_group_is_not_100_percent_compliant_while_one_node_is_not() -> None:
    (row,) = bars.by_patch_group(_nodes(*[patched(0)] * 999, lacking(0, patch("a"))))
    assert row["percent"] == 99
    assert [(piece["kind"], piece["width"]) for piece in row["pieces"]] == [("compliant", 99.9), ("missing", 0.1)]


def test_severities_are_counted_by_patches_and_nodes_the_worst_first() -> None:
    some = lacking(0, patch("a", "Low"), patch("b"), patch("c", "Critical", "Failed"), patch("d", "Critical", "InstalledRejected"))
    rows = bars.by_severity(_nodes(some, lacking(0, patch("a", "Odd")), lacking(0, patch("b"))))
    assert _figures(rows, "patches", "nodes") == [("Critical", 3, 2), ("Low", 1, 1), ("Odd", 1, 1)]
    assert [piece["title"] for piece in rows[0]["pieces"]] == ["missing: 2", "failed: 1"]


def test_the_same_id_in_two_places_is_two_nodes() -> None:
    two = joined("a", [listed(1)], [lacking(1, patch("x"))]) + joined("b", [listed(1)], [lacking(1, patch("x"))])
    assert bars.by_severity(two)[0]["nodes"] == 2


def test_without_patches_AWS_s_levels_are_counted() -> None:  # noqa: N802
    nodes = _nodes(patched(0, missing_count=3, critical_non_compliant_count=1, other_non_compliant_count=2))
    assert _figures(bars.by_severity(nodes), "patches") == [("critical (AWS's level)", 1), ("other (AWS's level)", 2)]


def test_the_most_frequent_patches_are_told_and_no_more_than_fifteen() -> None:
    all_lack = [lacking(0, *(patch(f"p{number:02}") for number in range(20)), patch("often")), lacking(0, patch("often"))]
    rows = bars.most_missing(_nodes(*all_lack))
    assert _figures(rows, "nodes")[:2] == [("often", 2), ("p00", 1)]
    assert len(rows) == 15


def test_the_latest_agent_is_marked_and_versions_are_sorted_by_their_numbers() -> None:
    versions = [("3.3.40.0", False), ("3.3.1345.0", True), ("3.3.40.0", False)]
    rows = [listed(number, agent_version=text, is_latest_version=latest) for number, (text, latest) in enumerate(versions)]
    told = bars.by_agent(joined("here", rows, []))
    assert _figures(told, "nodes", "latest") == [("3.3.1345.0", 1, True), ("3.3.40.0", 2, False)]


def test_platforms_are_sorted_by_the_number_of_nodes() -> None:
    nodes = [*_nodes(None), *_nodes(None, None, platform_name="Ubuntu", platform_version="")]
    assert _figures(bars.by_platform(nodes), "nodes") == [("Ubuntu", 2), ("Debian GNU/Linux 12", 1)]
