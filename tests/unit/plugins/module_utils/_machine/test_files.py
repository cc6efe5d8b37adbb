# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts put into place whole."""

from __future__ import annotations

import pathlib

from ansible_collections.fleet.ssm.plugins.module_utils._machine import files


def test_a_new_file_gets_its_rights_and_its_folder(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a/b/text"
    files.write(str(path), "x", 0o600)
    assert (path.read_text(encoding="utf-8"), path.stat().st_mode & 0o777) == ("x", 0o600)
    assert [one.name for one in path.parent.iterdir()] == ["text"]


def test_a_file_that_is_there_keeps_its_rights(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "text"
    path.touch()
    path.chmod(0o640)
    files.write(str(path), "x", 0o600)
    assert path.stat().st_mode & 0o777 == 0o640


def test_what_is_not_there_reads_as_nothing(tmp_path: pathlib.Path) -> None:
    assert files.read(str(tmp_path / "none")) == ""
