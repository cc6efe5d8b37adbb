# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance_window_info
short_description: List maintenance windows, when they open next, and what failed in them
version_added: 0.1.0
description:
  - Lists the maintenance windows of an account and region, or those of a name, when each opens next, what it did last, and of that
    what did not succeed.
  - It needs the IAM action C(ssm:DescribeMaintenanceWindows); with O(next_executions) also
    C(ssm:DescribeMaintenanceWindowSchedule); with O(last_executions) also C(ssm:DescribeMaintenanceWindowExecutions),
    C(ssm:DescribeMaintenanceWindowExecutionTasks) and C(ssm:DescribeMaintenanceWindowExecutionTaskInvocations).
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.attributes
  - fleet.ssm.attributes.info
  - fleet.ssm.attributes.actiongroup
options:
  name:
    description:
      - Only windows of this name.
    type: str
  enabled:
    description:
      - Only windows that are enabled, or only those that are not.
    type: bool
  next_executions:
    description:
      - How many times of the next openings to tell of each window. It takes a call for each window, none with V(0).
    type: int
    default: 1
  last_executions:
    description:
      - How many of the last executions to tell of each window. It takes at least a call for each window, none with V(0), and two
        or more for an execution that did not succeed.
    type: int
    default: 1
seealso:
  - module: fleet.ssm.maintenance_window
  - module: fleet.ssm.execution_info
"""

EXAMPLES = r"""
- name: See when a window opens next, and what it did last
  fleet.ssm.maintenance_window_info:
    name: patch-web
  register: windows

- name: Say why its commands failed
  fleet.ssm.execution_info:
    command_id: "{{ item }}"
  loop: "{{ windows.maintenance_windows | map(attribute='last_executions') | flatten | map(attribute='failed') | flatten
    | selectattr('task_type', 'eq', 'RUN_COMMAND') | map(attribute='execution_id') | select }}"
"""

RETURN = r"""
maintenance_windows:
  description: The windows, as AWS lists them.
  returned: always
  type: list
  elements: dict
  contains:
    window_id:
      description: Its id.
      returned: always
      type: str
      sample: mw-0c50858d01EXAMPLE
    name:
      description: Its name.
      returned: always
      type: str
      sample: patch-web
    enabled:
      description: Whether it opens.
      returned: always
      type: bool
      sample: true
    schedule:
      description: When it opens.
      returned: always
      type: str
      sample: cron(0 2 ? * SUN#2 *)
    next_executions:
      description: When it opens next.
      returned: always
      type: list
      elements: str
      sample: ["2030-01-13T01:00:00.000Z"]
    last_executions:
      description: What it did last, the latest first.
      returned: always
      type: list
      elements: dict
      contains:
        window_execution_id:
          description: The id of the execution.
          returned: always
          type: str
          sample: 7b3f9c2e-1d5a-4e8b-9a6c-0123456789ab
        status:
          description: What became of it.
          returned: always
          type: str
          sample: FAILED
        status_details:
          description: More about that.
          returned: when AWS has more to say
          type: str
          sample: One or more tasks in the orchestration failed.
        start_time:
          description: When it began, in UTC.
          returned: always
          type: str
          sample: "2030-01-06T01:00:00+00:00"
        end_time:
          description: When it ended, in UTC.
          returned: when it has ended
          type: str
          sample: "2030-01-06T01:12:00+00:00"
        failed:
          description:
            - What did not succeed, task by task and target by target, with C(execution_id), the id of the command or the automation
              execution, which M(fleet.ssm.execution_info) tells more of. Empty for what succeeded, or still runs.
          returned: always
          type: list
          elements: dict
          sample:
            - task_arn: AWS-RunPatchBaseline
              task_type: RUN_COMMAND
              status: FAILED
              execution_id: 5f8d3c1a-2b4e-4d6f-8a90-0123456789ab
"""

import datetime
import itertools
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import option_name
from ansible_collections.fleet.ssm.plugins.module_utils._engine import shapes
from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import RefusedError
from ansible_collections.fleet.ssm.plugins.module_utils._engine.info import Info
from ansible_collections.fleet.ssm.plugins.module_utils._engine.module import run_info

Row = dict[str, t.Any]

_SCHEDULE = ("DescribeMaintenanceWindowSchedule", "ScheduledWindowExecutions")
_EXECUTIONS = ("DescribeMaintenanceWindowExecutions", "WindowExecutions")
_TASKS = ("DescribeMaintenanceWindowExecutionTasks", "WindowExecutionTaskIdentities")
_INVOCATIONS = ("DescribeMaintenanceWindowExecutionTaskInvocations", "WindowExecutionTaskInvocationIdentities")
# In which nothing has failed, or not yet.
_GOOD = frozenset({"SUCCESS", "PENDING", "IN_PROGRESS"})
_BEGINNING = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)


class Windows(Info):
    """The maintenance windows of an account and region."""

    noun = "maintenance_windows"
    item = ("DescribeMaintenanceWindows", "WindowIdentities")
    filters: t.ClassVar[dict[str, str]] = {"name": "Name"}

    def keep(self, item: Row) -> bool:
        """Leave those of the name, for AWS may take a filter for its beginning, and those that are open or closed."""
        name, enabled = self.options["name"], self.options["enabled"]
        return name in (None, item["Name"]) and enabled in (None, item["Enabled"])

    def entries(self) -> list[Row]:
        """Add to each what it is to do and what it has done."""
        for option in ("next_executions", "last_executions"):
            if self.options[option] < 0:
                raise RefusedError(f"{option} must be at least 0, not {self.options[option]}.")
        return [
            {**entry, "next_executions": self._next(entry), "last_executions": self._last(entry)} for entry in super().entries()
        ]

    def _next(self, window: Row) -> list[str]:
        count = self.options["next_executions"]
        coming = self.api.items(*_SCHEDULE, WindowId=window["window_id"]) if count else ()
        return [row["ExecutionTime"] for row in itertools.islice(coming, count)]

    def _last(self, window: Row) -> list[Row]:
        count = self.options["last_executions"]
        rows = list(self.api.items(*_EXECUTIONS, WindowId=window["window_id"])) if count else []
        latest = sorted(rows, key=lambda row: row.get("StartTime", _BEGINNING), reverse=True)[:count]
        return [{**self._told(_EXECUTIONS, row), "failed": self._failed(row)} for row in latest]

    def _failed(self, execution: Row) -> list[Row]:
        if execution["Status"] in _GOOD:
            return []
        of_execution = {"WindowExecutionId": execution["WindowExecutionId"]}
        tasks = [row for row in self.api.items(*_TASKS, **of_execution) if row["Status"] not in _GOOD]
        return [told for task in tasks for told in self._failed_invocations(task, of_execution)]

    def _failed_invocations(self, task: Row, of_execution: Row) -> list[Row]:
        rows = list(self.api.items(*_INVOCATIONS, **of_execution, TaskId=task["TaskExecutionId"]))
        failed = [self._told(_INVOCATIONS, row) for row in rows if row["Status"] not in _GOOD]
        # A task may fail before it comes to any target.
        of_task = self._told(_TASKS, task)
        return [{"task_arn": task["TaskArn"], **one} for one in failed] or [of_task]

    def _told(self, of: tuple[str, str], row: Row) -> Row:
        operation, member = of
        told: Row = shapes.to_result(self.api.answer_shape(operation).members[member].member, row, option_name)
        return told


def main() -> None:
    """Run the module."""
    run_info(Windows, DOCUMENTATION)


if __name__ == "__main__":
    main()
