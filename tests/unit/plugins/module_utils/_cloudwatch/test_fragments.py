# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fragments of the agent's configuration, and how they differ from what is there."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._cloudwatch import fragments


def test_a_fragment_is_a_dictionary_or_a_text_that_is_json() -> None:
    texts = fragments.read([{"name": "one", "content": {"logs": {}}}, {"name": "two.json", "content": '{"metrics":{}}'}])
    assert list(texts) == ["one.json", "two.json"]
    assert json.loads(texts["one.json"]) == {"logs": {}}
    assert texts["two.json"] == '{"metrics":{}}'


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a:b", ".hidden", "a\n"])
def test_a_name_that_the_agent_would_change_is_refused(name: str) -> None:
    with pytest.raises(fragments.FragmentError, match="is no name for a fragment"):
        fragments.read([{"name": name, "content": {}}])


def test_two_of_a_name_are_refused() -> None:
    with pytest.raises(fragments.FragmentError, match=r"two fragments of the name a\.json"):
        fragments.read([{"name": "a", "content": {}}, {"name": "a.json", "content": {}}])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{broken", "a is not JSON"),
        ("[]", "a is not a JSON object"),
        ([1], "a is not a JSON object"),
        ({"agent": 1}, "section agent"),
    ],
)
def test_what_is_no_fragment_is_told_by_its_name(content: t.Any, words: str) -> None:
    with pytest.raises(fragments.FragmentError, match=words):
        fragments.read([{"name": "a", "content": content}])


def test_a_region_is_a_fragment_of_its_own_unless_one_has_it() -> None:
    without = fragments.with_region({"a.json": "{}"}, "eu-west-1")
    assert json.loads(without["fleet-ssm-region.json"]) == {"agent": {"region": "eu-west-1"}}
    given = {"a.json": '{"agent": {"region": "us-east-1"}}'}
    assert fragments.with_region(given, "eu-west-1") == given


def test_what_is_missing_or_different_or_nobodys_is_told_and_the_form_does_not_count() -> None:
    there = {"file_a.json": '{"x":1}', "file_b.json": "{}", "file_e.json": "broken", "default": "{}"}
    wanted = {"a.json": '{ "x": 1 }', "b.json": '{"y": true}', "c.json": "{}", "e.json": "{}"}
    assert fragments.compare(there, wanted) == (["file_b.json", "file_c.json", "file_e.json"], ["default"])


def test_one_is_not_true() -> None:
    assert fragments.compare({"file_a.json": '{"debug": 1}'}, {"a.json": '{"debug": true}'}).changed == ["file_a.json"]
