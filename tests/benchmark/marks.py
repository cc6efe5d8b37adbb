# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Note when something happened, in the controller and in its workers: lines of JSON in the file that a variable names."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import time

VARIABLE = "FLEET_SSM_TEST_MARKS"


@dataclasses.dataclass(frozen=True)
class Mark:
    """What happened to a task, and when by the clock that all processes of a machine share."""

    task: str
    name: str
    at: float


def mark(task: str, name: str) -> None:
    """Note that it happens now; short lines of several processes do not mix."""
    line = json.dumps([task, name, time.monotonic()])
    with pathlib.Path(os.environ[VARIABLE]).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def read(path: pathlib.Path) -> list[Mark]:
    """Return the marks in the order they were made."""
    marks = (Mark(*json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines())
    return sorted(marks, key=lambda made: made.at)
