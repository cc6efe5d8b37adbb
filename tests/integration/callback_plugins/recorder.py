# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write down what tasks return, whole: registered variables lack a part of it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: recorder
author:
  - The fleet.ssm contributors (@fleet-ssm)
type: aggregate
short_description: Write down what tasks return
description:
  - Writes a line of JSON for each task and host, a list of both names and of the result with its C(ending), to the file that the
    environment variable E(RECORDER_FILE) names.
"""

import json
import os
import pathlib
import typing as t

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Write a line when a task has ended on a host."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "recorder"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """Write down what did not fail."""
        self._write("ok", result)

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        """Write down what was not done."""
        self._write("skipped", result)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """Write down what failed."""
        self._write("failed", result)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """Write down what could not be tried."""
        self._write("unreachable", result)

    def _write(self, ending: str, result: t.Any) -> None:
        line = json.dumps([result._host.get_name(), result._task.get_name(), {"ending": ending, **result._result}], default=str)
        with pathlib.Path(os.environ["RECORDER_FILE"]).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
