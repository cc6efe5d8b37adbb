# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Standard output and error are told apart as the agent joined them, and what was cut is known."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._commands.outputs import Output, kept, listed

from tests.unit.plugins.modules.command_fleet import Plugin


@pytest.mark.parametrize(
    ("stdout", "stderr"), [("", ""), ("out\n", ""), ("", "err"), ("out\n", "err\n"), ("o" * 2499, ""), ("é", "ü")]
)
def test_what_the_list_has_whole_is_known_for_certain(stdout: str, stderr: str) -> None:
    assert listed(Plugin(stdout, stderr).listed) == Output(stdout, stderr)


@pytest.mark.parametrize(("length", "error_length"), [(2500, 0), (3000, 10), (10, 3000), (3000, 3000)])
def test_what_the_agent_cut_is_known_by_its_marks(length: int, error_length: int) -> None:
    found = listed(Plugin("o" * length, "e" * error_length).listed)
    assert (found.stdout_cut, found.stderr_cut) == (length > 2000, error_length > 2000)
    assert (set(found.stdout), set(found.stderr)) == ({"o"}, {"e"} if error_length else set())


def test_what_aws_cut_without_a_mark_is_known_by_its_length() -> None:
    assert listed("o" * 2500) == Output("o" * 2500, "", stdout_cut=True, stderr_cut=True)
    assert listed("é" * 1250).cut


def test_a_script_that_prints_the_divider_itself_makes_it_uncertain() -> None:
    assert not listed(Plugin("a\n----------ERROR-------\nb", "c").listed).certain


def test_what_is_kept_of_a_step_is_cut_at_its_limits() -> None:
    assert kept({"StandardOutputContent": "o" * 23_999, "StandardErrorContent": "e" * 7_999}) == Output("o" * 23_999, "e" * 7_999)
    cut = kept({"StandardOutputContent": "o" * 24_000, "StandardErrorContent": "e--output truncated--"})
    assert (cut.stdout_cut, cut.stderr_cut) == (True, True)
