# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guard acts when its module is killed, and only then."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

_MODULE = """
import pathlib, sys, time
from tests.unit import conftest
from ansible_collections.fleet.ssm.plugins.module_utils._engine.guard import Guard

guard = Guard(pathlib.Path(sys.argv[1]).touch)
print("ready", flush=True)
if sys.argv[2] == "dismiss":
    guard.dismiss()
else:
    time.sleep(60)
"""


def _module(*arguments: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", _MODULE, *arguments], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_acts_when_the_group_of_the_module_is_killed(tmp_path: pathlib.Path, number: signal.Signals) -> None:
    done = tmp_path / "done"
    process = _module(str(done), "wait")
    os.killpg(process.pid, number)
    # The output ends with the module; the guard does not hold it open.
    process.communicate(timeout=10)
    deadline = time.monotonic() + 10
    while not done.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_does_nothing_when_it_is_dismissed(tmp_path: pathlib.Path) -> None:
    done = tmp_path / "done"
    process = _module(str(done), "dismiss")
    process.communicate(timeout=10)
    # It was waited for, so that what it did is to be seen by now.
    assert (process.returncode, done.exists()) == (0, False)
