# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program for Windows nodes as it is sent, read by parsers of its languages and a compiler: there is no Windows here."""

from __future__ import annotations

import base64
import pathlib
import re
import shutil
import subprocess
import zlib

import pytest
import tree_sitter
import tree_sitter_c_sharp
import tree_sitter_powershell
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import windows_bundle


def _mistakes(language: object, text: str) -> list[str]:
    """Return what a parser could not make sense of."""
    tree = tree_sitter.Parser(tree_sitter.Language(language)).parse(text.encode())
    found, waiting = [], [tree.root_node]
    while waiting:
        node = waiting.pop()
        if node.is_error or node.is_missing:
            found.append(f"{node.start_point}: {text.encode()[node.start_byte : node.end_byte][:80]!r}")
        waiting += node.children
    return found


def _script() -> str:
    return windows_bundle.session_command().partition(" -Command ")[2]


def _embedded() -> str:
    packed = re.findall(r"FromBase64String\('([^']+)'\)", _script())
    assert len(packed) == 1
    return zlib.decompress(base64.b64decode(packed[0]), -zlib.MAX_WBITS).decode("ascii")


def test_the_parser_finds_mistakes() -> None:
    assert _mistakes(tree_sitter_powershell.language(), "$a = (Get-Item 'x'; exit")
    assert _mistakes(tree_sitter_c_sharp.language(), "class A { int b(; }")


def test_the_script_is_powershell() -> None:
    assert _mistakes(tree_sitter_powershell.language(), _script()) == []


def test_the_script_has_its_statements_in_one_line() -> None:
    assert _script().count(";") == 7
    assert "\n" not in _script()
    # powershell.exe puts its arguments together again with one blank between them.
    assert "  " not in windows_bundle.session_command()


def test_the_program_is_c_sharp() -> None:
    assert _mistakes(tree_sitter_c_sharp.language(), _embedded()) == []


def test_the_command_can_stand_in_a_json_document_and_in_a_command_line() -> None:
    command = windows_bundle.session_command()
    assert not set('"\\{}\n') & set(command)
    assert command.isascii()
    assert "$$" not in command  # the agent makes one of two
    assert len(command) < windows_bundle.LONGEST_COMMAND


def test_the_program_is_all_of_its_files_without_comments() -> None:
    text = _embedded()
    assert text.startswith("using System")
    assert "\n//" not in text
    assert text.count("namespace FleetSsm") == 6


@pytest.mark.skipif(
    shutil.which("mcs") is None, reason="mcs is not installed: no compiler for C# (on Debian: apt-get install mono-mcs)"
)
def test_the_compiler_of_windows_powershell_would_take_it(tmp_path: pathlib.Path) -> None:
    # Add-Type of 5.1 knows C# 5 and refers to System.dll.
    source = tmp_path / "program.cs"
    source.write_text(_embedded(), encoding="ascii")
    compiler = [
        "mcs",
        "-langversion:5",
        "-warn:4",
        "-warnaserror",
        "-noconfig",
        "-r:System.dll",
        f"-out:{tmp_path}/a.exe",
        str(source),
    ]
    done = subprocess.run(compiler, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
