# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page is made of."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._report.page import page, place_name

from tests.unit.plugins.plugin_utils._report.fleet import Row, lacking, listed, patch, patched


def _page(listed_: list[Row], patched_: list[Row], group_by: str = "platform") -> dict[str, t.Any]:
    return page([{"managed_nodes": listed_}], [{"nodes": patched_}], [{}], group_by, [])


def test_the_time_is_that_of_the_newest_ping_or_scan() -> None:
    rows = [patched(1, operation_end_time="2030-02-01T00:00:00+00:00")]
    assert _page([listed(1)], rows)["as_of"] == "2030-02-01 00:00 UTC"
    assert _page([], [])["as_of"] == ""


@pytest.mark.parametrize(
    ("last", "ago"),
    [
        ("2030-01-28T17:00:00+00:00", "3 days"),
        ("2030-01-31T17:00:00+00:00", "1 hour"),
        ("2030-01-31T17:59:30+00:00", "less than a minute"),
    ],
)
def test_a_node_that_is_not_heard_of_is_told_since_when(last: str, ago: str) -> None:
    lost = listed(2, ping_status="ConnectionLost", last_ping_date_time=last)
    (row,) = _page([listed(1), lost], [patched(1), patched(2)])["silent"]
    assert (row["since"], row["ago"]) == (f"{last[:10]} {last[11:16]} UTC", ago)


def test_a_node_that_was_never_heard_of_is_told_so() -> None:
    row = {name: value for name, value in listed(1, ping_status="Inactive").items() if name != "last_ping_date_time"}
    assert _page([row], [])["silent"][0]["since"] == "never heard of"


def test_squares_are_grouped_and_lead_to_the_rows_of_nodes_that_need_something() -> None:
    lost = listed(3, ping_status="ConnectionLost", platform_name="Ubuntu")
    told = _page([listed(1), listed(2), lost], [patched(1), lacking(2, patch("a")), patched(3)])
    debian, ubuntu = told["map"]
    assert (debian["name"], debian["nodes"], debian["compliant"]) == ("Debian GNU/Linux 12", 2, 1)
    assert debian["squares"][0] == ("compliant", 0, 0, "web-1: Online, compliant", "")
    assert debian["squares"][1] == ("missing", 14, 0, "web-2: Online, 1 missing", f"n-{listed(2)['instance_id']}")
    assert ubuntu["squares"][0][0] == "compliant-silent"
    assert ubuntu["squares"][0][4] == f"s-{told['silent'][0]['instance_id']}"


def test_nodes_that_need_most_are_told_first_with_some_of_their_patches() -> None:
    many = lacking(1, *(patch(f"p{number}") for number in range(6)))
    told = _page([listed(1), listed(2)], [many, lacking(2, patch("x", "Low", "Failed"))])
    assert [(row["name"], row["patches"]) for row in told["needing"]] == [("web-2", "x"), ("web-1", "p0, p1, p2, p3 and 2 more")]
    assert told["well"] == []


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ({"name": "Oslo", "region": "eu-north-1"}, "Oslo"),
        ({"region": "eu-north-1", "profile": "oslo"}, "oslo eu-north-1"),
        ({"region": ""}, "default region"),
    ],
)
def test_a_place_is_called_as_it_is_asked(place: dict[str, str], name: str) -> None:
    assert place_name(place) == name
