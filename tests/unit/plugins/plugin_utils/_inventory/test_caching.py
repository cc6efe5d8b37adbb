# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is kept in the cache, and for whom."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory import caching

NODES = [{"instance_id": "i-1"}]


def test_the_same_question_gets_the_nodes_kept() -> None:
    assert caching.unpack(caching.pack(NODES, "same"), "same") == NODES


@pytest.mark.parametrize("kept", [None, [], {}, caching.pack(NODES, "other")])
def test_another_question_gets_nothing(kept: object) -> None:
    assert caching.unpack(kept, "same") is None


def test_a_fingerprint_does_not_depend_on_the_order_and_shows_nothing() -> None:
    first, second = caching.fingerprint({"a": "hidden", "b": 2}), caching.fingerprint({"b": 2, "a": "hidden"})
    assert first == second
    assert "hidden" not in first
    assert first != caching.fingerprint({"a": "hidden", "b": 3})
