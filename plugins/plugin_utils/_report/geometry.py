# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say where squares and bars are drawn. Pure."""

from __future__ import annotations

import math
import typing as t

#: from one square of the map to the next; the square itself is two less
CELL = 14
_MOST_COLUMNS = 72
_FEWEST_COLUMNS = 12
# A group is about so many times as wide as it is high.
_ASPECT = 4

Cell = tuple[int, int]
T = t.TypeVar("T")


def columns(count: int) -> int:
    """Say how many squares are side by side in a group."""
    return min(_MOST_COLUMNS, count, max(math.ceil(math.sqrt(count * _ASPECT)), _FEWEST_COLUMNS))


def cells(count: int) -> list[Cell]:
    """Give the left upper corner of each square of a group, row by row."""
    wide = columns(count)
    return [(number % wide * CELL, number // wide * CELL) for number in range(count)]


def size(count: int) -> Cell:
    """Give the width and height of a group."""
    wide = columns(count)
    return wide * CELL, math.ceil(count / wide) * CELL


def pieces(parts: t.Iterable[tuple[T, int]], whole: int) -> list[tuple[T, int, float, float]]:
    """Lay the parts of a bar side by side, of which ``whole`` would take 100: each with its count, where it begins, its width."""
    laid, before = [], 0
    for key, count in parts:
        if count:
            begin, end = (round(100 * number / whole, 2) for number in (before, before + count))
            laid.append((key, count, begin, round(end - begin, 2)))
            before += count
    return laid
