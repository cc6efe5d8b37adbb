# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter says what is wrong with what it is given."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.fleet.ssm.plugins.filter.fleet_page import FilterModule

_MAKE = FilterModule().filters()["fleet_page"]
_LISTED: list[dict[str, t.Any]] = [{"managed_nodes": []}]
_PATCHED: list[dict[str, t.Any]] = [{"nodes": []}]


def test_an_empty_fleet_has_a_page_too() -> None:
    assert _MAKE(_LISTED, _PATCHED, "{{ page.totals.nodes }} of {{ title }}", title="<all>") == "0 of &lt;all&gt;"


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        ((_LISTED, [], ""), {}, "there are 1 and 0 for 1"),
        ((_LISTED, _PATCHED, ""), {"group_by": "colour"}, "groups by place, platform, patch_group, not by 'colour'"),
        (([{}], _PATCHED, ""), {}, "needs what fleet.ssm.managed_node_info returned"),
        ((_LISTED, _PATCHED, "{{ nowhere }}"), {}, "cannot render the template: 'nowhere' is undefined"),
        ((_LISTED, [{}], ""), {}, "needs what fleet.ssm.patch_info returned"),
    ],
)
def test_wrong_data_is_told(arguments: tuple[t.Any, ...], options: dict[str, t.Any], sentence: str) -> None:
    with pytest.raises(AnsibleFilterError, match=sentence):
        _MAKE(*arguments, **options)
