# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One folder for what pytest and Ansible write during a run; removed when all went well, kept to look at when not."""

from __future__ import annotations

import atexit
import os
import pathlib
import shutil
import tempfile

import hypothesis
import pytest

_FOLDER = "PYTEST_DEBUG_TEMPROOT"
_remove = False


def _tidy_up(folder: str) -> None:
    if _remove:
        shutil.rmtree(folder, ignore_errors=True)


# Not in a hook: the other conftest files import Ansible, which makes its folder at once. xdist's workers inherit it.
if _FOLDER not in os.environ:
    os.environ[_FOLDER] = tempfile.mkdtemp(prefix="fleet.ssm-pytest-")
    os.environ["ANSIBLE_HOME"] = str(pathlib.Path(os.environ[_FOLDER], "ansible"))
    # Registered before pytest's own cleaning, so that it runs after it.
    atexit.register(_tidy_up, os.environ[_FOLDER])


# The same examples each time, so that whoever sees a test fail sees it fail again; and a slow machine fails none.
_PATIENT = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("explore", _PATIENT)
hypothesis.settings.register_profile("repeatable", _PATIENT, derandomize=True)
hypothesis.settings.load_profile("repeatable")


def pytest_sessionfinish(exitstatus: int) -> None:
    """Keep the folder when there is something to look at."""
    global _remove
    _remove = exitstatus == pytest.ExitCode.OK
