# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scripts of roles for Windows are read by a parser of PowerShell; there is no Windows here to run them."""

from __future__ import annotations

import pathlib

import pytest
import tree_sitter
import tree_sitter_powershell

from tests import role_documentation

_SCRIPTS = sorted(role_documentation.ROLES.rglob("*.ps1"))


def _mistakes(text: str) -> list[str]:
    """Return what the parser could not make sense of."""
    tree = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language())).parse(text.encode())
    found, waiting = [], [tree.root_node]
    while waiting:
        node = waiting.pop()
        if node.is_error or node.is_missing:
            found.append(f"{node.start_point}: {text.encode()[node.start_byte : node.end_byte][:80]!r}")
        waiting += node.children
    return found


def test_the_parser_finds_mistakes() -> None:
    assert _mistakes("if ($a { throw 'b' }")


@pytest.mark.parametrize("script", _SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_powershell(script: pathlib.Path) -> None:
    assert _mistakes(script.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("script", _SCRIPTS, ids=lambda path: path.name)
def test_a_script_knows_checks_and_is_no_template(script: pathlib.Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert "[CmdletBinding(SupportsShouldProcess)]" in text
    assert "$Ansible.Changed = $false" in text
    assert "{{" not in text
    assert "{%" not in text
