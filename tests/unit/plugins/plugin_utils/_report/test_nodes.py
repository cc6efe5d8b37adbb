# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How nodes are judged for the report."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._report.nodes import Node, by_name, joined

from tests.unit.plugins.plugin_utils._report.fleet import listed, patched


def _node(row: dict[str, t.Any], *states: dict[str, t.Any]) -> Node:
    (node,) = joined("here", [row], states)
    return node


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        ({}, "compliant"),
        ({"missing_count": 1}, "missing"),
        ({"missing_count": 1, "failed_count": 1, "installed_pending_reboot_count": 1}, "failed"),
        ({"installed_rejected_count": 1, "installed_pending_reboot_count": 1}, "rejected"),
        ({"installed_pending_reboot_count": 1}, "reboot"),
    ],
)
def test_a_node_is_in_the_worst_state_that_it_has_patches_of(counts: dict[str, int], state: str) -> None:
    assert _node(listed(1), patched(1, **counts)).state.key == state


def test_a_node_that_was_never_scanned_needs_something_too() -> None:
    node = _node(listed(1), patched(2))
    assert (node.state.key, node.needs_patching) == ("unscanned", True)


def test_letters_tell_all_states_apart() -> None:
    from ansible_collections.fleet.ssm.plugins.plugin_utils._report.nodes import STATES

    assert len({state.letter for state in STATES}) == len(STATES)


def test_a_node_is_called_as_AWS_or_it_calls_it_or_by_its_id() -> None:  # noqa: N802
    plain = {"instance_id": "i-1"}
    assert _node({**plain, "name": "a", "computer_name": "b"}).name == "a"
    assert _node({**plain, "computer_name": "b"}).name == "b"
    assert _node(plain).name == "i-1"
    assert len(_node({**plain, "name": "n" * 256}).name) == 64


def test_nodes_are_sorted_as_people_count() -> None:
    nodes = joined("here", [listed(10), listed(9), listed(1, name="2nd"), listed(2, name="Web-9")], [])
    assert [node.name for node in sorted(nodes, key=by_name)] == ["2nd", "Web-9", "web-9", "web-10"]
