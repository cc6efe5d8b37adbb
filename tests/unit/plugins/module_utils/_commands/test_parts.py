# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many nodes are cut into parts, and what holds for all of them holds for each part."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._commands.parts import Limits, parts


def test_parts_are_full_but_the_last_and_have_each_node_once() -> None:
    assert parts(["a", "b", "c", "a", "d", "e"], 2) == [["a", "b"], ["c", "d"], ["e"]]
    assert parts([], 2) == []


@pytest.mark.parametrize(
    ("said", "nodes", "at_once"), [(None, 1000, None), ("7", 1000, "7"), ("10%", 1000, "100"), ("1%", 60, "1"), ("1%", 10, "1")]
)
def test_a_percentage_at_once_is_one_of_all_nodes(said: str | None, nodes: int, at_once: str | None) -> None:
    assert Limits(said, None).at_once(nodes) == at_once


@pytest.mark.parametrize(("said", "nodes", "errors"), [(None, 1000, 0), ("7", 1000, 7), ("10%", 125, 12), ("1%", 60, 0)])
def test_a_percentage_of_errors_is_one_of_all_nodes(said: str | None, nodes: int, errors: int) -> None:
    assert Limits(None, said).errors(nodes) == errors
