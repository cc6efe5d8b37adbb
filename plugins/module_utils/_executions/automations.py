# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Follow automation executions to their steps, and to the commands and executions that those started. I/O."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._executions import joining
from ansible_collections.fleet.ssm.plugins.module_utils._executions.asking import Answer, Questions, UnansweredError
from ansible_collections.fleet.ssm.plugins.module_utils._executions.commands import Commands
from ansible_collections.fleet.ssm.plugins.module_utils._executions.trace import Trace
from ansible_collections.fleet.ssm.plugins.module_utils._executions.wanted import Wanted

# An automation may start automations, which may start others.
_DEEPEST = 5
_FAILED = ("Failed", "TimedOut", "Cancelled", "Rejected", "CompletedWithFailure")
_ON_SEVERAL_TARGETS = ("Targets", "TargetMaps", "TargetLocations", "TargetLocationsURL")


class Automations:
    """The automation executions of an account in a region."""

    def __init__(self, questions: Questions, wanted: Wanted, commands: Commands) -> None:
        self._questions = questions
        self._wanted = wanted
        self._commands = commands

    def named(self, execution_id: str, depth: int = 0) -> list[Trace]:
        """Give what an automation execution did; depth is how many others it was started through."""
        try:
            answer = self._questions.ask("the automation execution", "GetAutomationExecution", AutomationExecutionId=execution_id)
        except UnansweredError as missing:
            if not depth:
                missing.refuse_if("AutomationExecutionNotFoundException")
            return [missing.part]
        row = answer["AutomationExecution"]
        return [joining.automation(row).with_parts([*self._steps(row, depth), *self._children(row, depth)])]

    def on(self, node: str) -> list[Trace]:
        """Give the automation executions that name a node as their target; AWS cannot look for them."""
        filters = [{"Key": "StartTimeAfter", "Values": [self._wanted.since_text]}]
        rows, unasked = self._listed("automation executions", filters)
        return [*self._followed([row for row in rows if joining.concerns(row, node)], 0), *unasked]

    def _listed(self, about: str, filters: list[Answer]) -> tuple[list[Answer], list[Trace]]:
        if self._wanted.only_failed:
            filters = [*filters, {"Key": "ExecutionStatus", "Values": list(_FAILED)}]
        return self._questions.list(about, "DescribeAutomationExecutions", "AutomationExecutionMetadataList", Filters=filters)

    def _followed(self, rows: list[Answer], depth: int) -> list[Trace]:
        newest, rest = self._wanted.newest(rows, joining.automation, "automation executions")
        return [*(part for one, _row in newest for part in self.named(one.id, depth + 1)), *rest]

    def _children(self, row: Answer, depth: int) -> list[Trace]:
        """Give the executions into which one was split, one for each of its targets."""
        if depth >= _DEEPEST or not any(row.get(name) for name in _ON_SEVERAL_TARGETS):
            return []
        rows, unasked = self._listed(
            "executions for each target", [{"Key": "ParentExecutionId", "Values": [row["AutomationExecutionId"]]}]
        )
        return [*self._followed(rows, depth), *unasked]

    def _steps(self, row: Answer, depth: int) -> t.Iterator[Trace]:
        rows, unasked = row.get("StepExecutions", []), list[Trace]()
        if row.get("StepExecutionsTruncated"):
            rows, unasked = self._questions.list(
                "steps of the automation execution",
                "DescribeAutomationStepExecutions",
                "StepExecutions",
                AutomationExecutionId=row["AutomationExecutionId"],
            )
        for one in rows:
            step = joining.automation_step(one)
            if self._wanted.takes(step):
                yield step.with_parts(self._started_by(one, depth))
        yield from unasked

    def _started_by(self, row: Answer, depth: int) -> list[Trace]:
        commands, executions = joining.started_by(row)
        found = [part for command_id in commands for part in self._commands.named(command_id)]
        if depth < _DEEPEST:
            found += [part for execution_id in executions for part in self.named(execution_id, depth + 1)]
        return found
