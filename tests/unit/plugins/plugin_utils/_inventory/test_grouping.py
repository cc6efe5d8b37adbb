# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Groups without being asked, and the choice of host names."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.grouping import group_name, group_names, host_names
from hypothesis import given
from hypothesis import strategies as st

ALL = ("kind", "ping", "platform", "region", "account", "tag", "patch_group")
BARE: dict[str, t.Any] = {"instance_id": "i-1", "kind": "ec2", "region": "eu-west-1", "managed": True, "tags": {}}


def test_a_node_of_which_nothing_is_known_has_the_groups_of_its_id() -> None:
    assert group_names(BARE, ALL) == ["ec2", "region_eu_west_1"]


@pytest.mark.parametrize(
    ("facts", "group"),
    [
        ({"ping_status": "ConnectionLost"}, "ping_connectionlost"),
        ({"platform_type": "MacOS"}, "platform_macos"),
        ({"platform_name": "Debian GNU/Linux"}, "platform_debian"),
        ({"platform_name": "Amazon Linux"}, "platform_amazon_linux"),
        ({"account_id": "123456789012"}, "account_123456789012"),
        ({"tags": {"env": "prod"}}, "tag_env_prod"),
        ({"tags": {"aws:autoscaling:groupName": "a-b"}}, "tag_aws_autoscaling_groupName_a_b"),
        ({"tags": {"spot": ""}}, "tag_spot"),
        ({"tags": {"PatchGroup": "web servers"}}, "patch_group_web_servers"),
    ],
)
def test_groups(facts: dict[str, t.Any], group: str) -> None:
    assert group in group_names({**BARE, **facts}, ALL)


def test_a_platform_named_like_its_type_is_one_group() -> None:
    assert group_names({**BARE, "platform_type": "Linux", "platform_name": "Linux"}, ("platform",)) == ["platform_linux"]


def test_the_name_tag_makes_no_group() -> None:
    assert group_names({**BARE, "tags": {"Name": "web"}}, ("tag",)) == []


def test_an_instance_that_is_no_node_has_a_group_of_its_own() -> None:
    assert group_names({**BARE, "managed": False, "tags": {"env": "prod"}}, ALL) == [
        "unmanaged",
        "region_eu_west_1",
        "tag_env_prod",
    ]
    assert group_names({**BARE, "managed": False}, ()) == ["unmanaged"]


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_a_group_name_needs_no_correction(parts: list[str]) -> None:
    assert set(group_name(*parts)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


def test_the_first_candidate_is_the_name() -> None:
    assert host_names({"i-1": ["web", "other"], "i-2": []}) == {"i-1": "web", "i-2": "i-2"}


def test_those_who_would_share_a_name_take_their_next() -> None:
    candidates = {"i-1": ["web", "alpha"], "i-2": ["web"], "i-3": ["alpha"]}
    assert host_names(candidates) == {"i-1": "i-1", "i-2": "i-2", "i-3": "i-3"}


def test_a_node_keeps_its_id_against_another_named_like_it() -> None:
    assert host_names({"i-1": ["i-2"], "i-2": []}) == {"i-1": "i-1", "i-2": "i-2"}


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefghxyz"), max_size=3)))
def test_no_two_nodes_have_one_name(candidates: dict[str, list[str]]) -> None:
    names = host_names(candidates)
    assert names.keys() == candidates.keys()
    assert len(set(names.values())) == len(names)
