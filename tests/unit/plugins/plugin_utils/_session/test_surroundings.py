# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes two controller runs alike enough for one broker."""

from __future__ import annotations

import os
import pathlib
import sys

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import surroundings


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pathlib.Path:
    """A home folder with AWS's files."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE", raising=False)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("[default]", encoding="utf-8")
    return tmp_path


def test_the_same_surroundings_have_the_same_identity() -> None:
    assert surroundings.identity() == surroundings.identity()


def test_what_a_terminal_sets_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    before = surroundings.identity()
    monkeypatch.setenv("TERM", "vt52")
    monkeypatch.setenv("SHLVL", "7")
    assert surroundings.identity() == before


@pytest.mark.parametrize("name", ["AWS_PROFILE", "AWS_SESSION_TOKEN", "https_proxy", "NO_PROXY", "PATH", "REQUESTS_CA_BUNDLE"])
def test_a_variable_that_aws_calls_depend_on_makes_another_identity(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = surroundings.identity()
    monkeypatch.setenv(name, "other")
    assert surroundings.identity() != before


def test_new_credentials_in_the_file_make_another_identity(home: pathlib.Path) -> None:
    before = surroundings.identity()
    (home / ".aws" / "credentials").write_text("[default]\naws_access_key_id = x", encoding="utf-8")
    assert surroundings.identity() != before


def test_another_credentials_file_makes_another_identity(home: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = surroundings.identity()
    other = home / "other"
    other.write_text("[default]", encoding="utf-8")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(other))
    named = surroundings.identity()
    os.utime(other, (1, 1))
    assert len({before, named, surroundings.identity()}) == 3


def test_another_interpreter_makes_another_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    before = surroundings.identity()
    monkeypatch.setattr(sys, "executable", "/usr/bin/other")
    assert surroundings.identity() != before


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder of a collection with a file in it."""
    for name in surroundings._CODE:
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(surroundings, "_PLUGINS", tmp_path)
    folder = tmp_path / surroundings._CODE[0]
    (folder / "session.py").write_text("old", encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["session.py", "other.py", "windows/program.cs"])
def test_new_code_makes_another_identity(code: pathlib.Path, name: str) -> None:
    before = surroundings.identity()
    (code / name).parent.mkdir(exist_ok=True)
    (code / name).write_text("new code", encoding="utf-8")
    assert surroundings.identity() != before


def test_what_python_has_compiled_meanwhile_makes_no_difference(code: pathlib.Path) -> None:
    before = surroundings.identity()
    (code / "__pycache__").mkdir()
    (code / "__pycache__" / "session.cpython-311.pyc").write_text("compiled", encoding="utf-8")
    assert surroundings.identity() == before
