# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The agent's configuration file and its proxy."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._agent import configuration


def test_what_is_wanted_is_laid_over_what_is_there() -> None:
    there: dict[str, t.Any] = {"Profile": {"ShareCreds": True}, "Mds": {"CommandWorkersLimit": 5, "Endpoint": ""}}
    merged = configuration.merge(there, {"Mds": {"CommandWorkersLimit": 8}, "Agent": {"Region": "eu-west-1"}})
    expected = {
        "Profile": {"ShareCreds": True},
        "Mds": {"CommandWorkersLimit": 8, "Endpoint": ""},
        "Agent": {"Region": "eu-west-1"},
    }
    assert merged == expected
    assert there["Mds"]["CommandWorkersLimit"] == 5


def test_lists_are_replaced_and_none_takes_an_option_out() -> None:
    there = {"Mgs": {"DeniedPortForwardingRemoteIPs": ["a"], "Endpoint": "x"}, "Agent": "odd"}
    merged = configuration.merge(
        there, {"Mgs": {"DeniedPortForwardingRemoteIPs": ["b"], "Endpoint": None}, "Agent": {"Region": "r"}}
    )
    assert merged == {"Mgs": {"DeniedPortForwardingRemoteIPs": ["b"]}, "Agent": {"Region": "r"}}


def test_what_was_merged_once_does_not_change_when_merged_again() -> None:
    wanted = {"Mds": {"CommandWorkersLimit": 8, "Endpoint": None}}
    once = configuration.merge({"Mds": {"Endpoint": "x"}}, wanted)
    assert configuration.merge(json.loads(configuration.render(once)), wanted) == once


@pytest.mark.parametrize("text", ["{", "[1]", "null"])
def test_what_is_not_an_object_is_told(text: str) -> None:
    with pytest.raises(configuration.UnreadableError):
        configuration.parse(text)


def test_an_empty_file_has_no_options() -> None:
    assert configuration.parse(" \n") == {}


def test_the_metadata_service_is_never_asked_through_the_proxy() -> None:
    text = configuration.drop_in({"http": None, "https": "http://proxy:3128", "no": "a.example, b.example"})
    assert text.splitlines()[1:] == [
        "[Service]",
        'Environment="https_proxy=http://proxy:3128"',
        'Environment="no_proxy=a.example,b.example,169.254.169.254"',
    ]


def test_signs_that_systemd_would_take_for_its_own_are_escaped() -> None:
    assert r'Environment="http_proxy=http://u:a%%40\"b\\@p"' in configuration.drop_in({"http": 'http://u:a%40"b\\@p'})


@pytest.mark.parametrize("proxy", [{}, {"http": "", "https": None, "no": "a"}])
def test_no_proxy_is_no_text(proxy: dict[str, str | None]) -> None:
    assert configuration.drop_in(proxy) == ""
