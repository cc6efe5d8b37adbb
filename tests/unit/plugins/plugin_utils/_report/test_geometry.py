# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where squares and bars are."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._report import geometry


@pytest.mark.parametrize("count", [1, 2, 11, 12, 13, 100, 999, 5000])
def test_squares_are_within_their_group_and_none_is_on_another(count: int) -> None:
    cells = geometry.cells(count)
    wide, high = geometry.size(count)
    assert len(set(cells)) == count
    assert max(x for x, _y in cells) + geometry.CELL == wide
    assert max(y for _x, y in cells) + geometry.CELL == high


def test_a_group_is_as_wide_as_a_page_at_most() -> None:
    assert geometry.size(5000)[0] <= 1010
    assert geometry.size(3) == (3 * geometry.CELL, geometry.CELL)


def test_pieces_follow_each_other_and_fill_the_bar() -> None:
    laid = geometry.pieces([("a", 1), ("b", 0), ("c", 2)], 3)
    assert laid == [("a", 1, 0.0, 33.33), ("c", 2, 33.33, 66.67)]


def test_a_piece_is_never_out_of_its_bar() -> None:
    laid = geometry.pieces([(number, 1) for number in range(7)], 7)
    assert max(begin + width for _key, _count, begin, width in laid) == pytest.approx(100)
