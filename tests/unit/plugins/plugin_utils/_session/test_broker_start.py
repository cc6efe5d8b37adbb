# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new broker finds in its folder and removes: the leftovers of brokers that were killed together with their controllers."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import broker_start


def _leftovers(folder: pathlib.Path, pid: int) -> list[pathlib.Path]:
    paths = [folder / f"{pid}{suffix}" for suffix in (".sock", ".lock", ".log")]
    for path in paths:
        path.touch()
    return paths


def test_leftovers_of_controllers_that_are_gone_are_removed(tmp_path: pathlib.Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    theirs, ours = _leftovers(tmp_path, gone.pid), _leftovers(tmp_path, os.getpid())
    broker_start._sweep(tmp_path)
    assert not any(path.exists() for path in theirs)
    assert all(path.exists() for path in ours)


def test_leftovers_whose_number_is_another_users_process_now_are_removed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    leftovers = _leftovers(tmp_path, 1)
    broker_start._sweep(tmp_path)
    assert not any(path.exists() for path in leftovers)


def test_what_is_no_brokers_is_left_alone(tmp_path: pathlib.Path) -> None:
    (tmp_path / "notes.txt").touch()
    broker_start._sweep(tmp_path)
    assert (tmp_path / "notes.txt").exists()
