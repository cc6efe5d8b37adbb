# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which tags come with an activation, and which remain."""

from __future__ import annotations

from ansible_collections.fleet.ssm.plugins.module_utils._registration import tagging


def test_values_become_the_texts_that_aws_keeps() -> None:
    assert tagging.as_texts({"one": {"number": 7, "yes": True}, "two": {}}) == {"one": {"number": "7", "yes": "True"}, "two": {}}


def test_tags_that_all_have_are_common() -> None:
    assert tagging.common([{"site": "7", "Name": "a"}, {"site": "7", "Name": "b"}]) == {"site": "7"}


def test_nothing_is_common_to_nobody() -> None:
    assert tagging.common([]) == {}


def test_what_differs_or_is_not_there_is_missing() -> None:
    assert tagging.missing({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "9"}) == {"b": "2", "c": "3"}
