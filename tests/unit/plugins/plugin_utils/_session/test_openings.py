# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With which documents a session is started, in which order, and what becomes of our command."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import failures
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.openings import openings
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.settings import read_parameters

_Ways = list[tuple[str, dict[str, list[str]], bool]]


def _ways(document: str, parameters: t.Any) -> _Ways:
    return [way[:3] for way in openings(document, read_parameters(parameters), "stty raw")]


@pytest.mark.parametrize(
    ("document", "parameters", "ways"),
    [
        (
            "",
            None,
            [("AWS-StartInteractiveCommand", {"command": ["stty raw"]}, False), ("SSM-SessionManagerRunShell", {}, True)],
        ),
        ("Mine", None, [("Mine", {"command": ["stty raw"]}, False), ("Mine", {}, True)]),
        ("Mine", {}, [("Mine", {}, True)]),
        ("Mine", {"program": "{command}"}, [("Mine", {"program": ["stty raw"]}, False)]),
        (
            "Mine",
            {"program": "exec {command}", "site": ["a", 1]},
            [("Mine", {"program": ["exec stty raw"], "site": ["a", "1"]}, False)],
        ),
        ("Mine", {"site": "oslo"}, [("Mine", {"site": ["oslo"]}, True)]),
    ],
)
def test_a_session_is_started_in_these_ways(document: str, parameters: t.Any, ways: _Ways) -> None:
    assert _ways(document, parameters) == ways


def test_awss_documents_give_way_when_denied_and_the_users_own_when_it_takes_other_parameters() -> None:
    assert {way.gives_way for way in openings("", None, "x")} == {failures.ActionDenied}
    assert {way.gives_way for way in openings("Mine", None, "x")} == {failures.ParametersRefused}


@pytest.mark.parametrize("given", ["text", ["list"], {"nested": {"a": "b"}}, {"empty": None}, {"list": [None]}])
def test_what_is_no_mapping_of_texts_is_refused(given: t.Any) -> None:
    with pytest.raises(ValueError, match=r"it is no mapping|is no text"):
        read_parameters(given)
