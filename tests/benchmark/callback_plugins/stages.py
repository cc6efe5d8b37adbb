# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mark when the controller begins a task and when it has its result."""

from __future__ import annotations

import os
import typing as t

from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import connection_loader

from tests.benchmark.marks import mark

DOCUMENTATION = """
name: stages
type: aggregate
short_description: marks the beginning and the end of each task
description: For C(tests/benchmark/stages.py).
"""


class CallbackModule(CallbackBase):
    """Marks; and loads the connection plugin here, as the inventory plugin does, when it is to."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "stages"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        """Load it."""
        if os.environ.get("FLEET_SSM_TEST_PRELOAD"):
            connection_loader.get("staged", class_only=True)

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        """Mark the beginning."""
        mark(task._uuid, f"start {task.action}")

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """Mark the end."""
        mark(result._task._uuid, "result")
