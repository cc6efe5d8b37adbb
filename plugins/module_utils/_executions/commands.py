# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Follow commands of Run Command to their nodes, steps and outputs. I/O."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._executions import joining
from ansible_collections.fleet.ssm.plugins.module_utils._executions.asking import Answer, Questions, UnansweredError
from ansible_collections.fleet.ssm.plugins.module_utils._executions.trace import Trace
from ansible_collections.fleet.ssm.plugins.module_utils._executions.wanted import NotThereError, Wanted

_ABOUT_OUTPUT = "output of the step"


class Commands:
    """The commands of an account in a region."""

    def __init__(self, questions: Questions, wanted: Wanted) -> None:
        self._questions = questions
        self._wanted = wanted

    def named(self, command_id: str) -> list[Trace]:
        """Give what a command did on its nodes."""
        try:
            rows = self._questions.ask("the command", "ListCommands", CommandId=command_id).get("Commands", [])
        except UnansweredError as missing:
            missing.refuse_if("InvalidCommandId")
            found = joining.command({"CommandId": command_id}).with_parts([missing.part])
        else:
            if not rows:
                raise NotThereError(f"AWS knows no command {command_id} in this account and region; it keeps one for 30 days.")
            found = joining.command(rows[0])
        return [found.with_parts(self.invocations(command_id))]

    def on(self, node: str, known: t.Container[str]) -> list[Trace]:
        """Give the commands sent to a node, without those known already."""
        after = [{"key": "InvokedAfter", "value": self._wanted.since_text}]
        rows, unasked = self._questions.list(
            "commands on the node",
            "ListCommandInvocations",
            "CommandInvocations",
            InstanceId=node,
            Details=True,
            Filters=after,
        )
        fresh = [row for row in rows if row["CommandId"] not in known]
        newest, rest = self._wanted.newest(fresh, joining.command, "commands on the node")
        return [*(one.with_parts([self._invocation(row)]) for one, row in newest), *rest, *unasked]

    def invocations(self, command_id: str, node: str = "") -> list[Trace]:
        """Give what a command did on its nodes, or on one of them."""
        request: Answer = {"CommandId": command_id, "Details": True, **({"InstanceId": node} if node else {})}
        rows, unasked = self._questions.list("what the command did", "ListCommandInvocations", "CommandInvocations", **request)
        if node and not rows and not unasked:
            return self._alone(command_id, node)
        newest, rest = self._wanted.newest(rows, joining.invocation, "nodes of the command")
        return [*(self._invocation(row) for _one, row in newest), *rest, *unasked]

    def _invocation(self, row: Answer) -> Trace:
        plugins = row.get("CommandPlugins", [])
        steps: list[Trace] = []
        for plugin in plugins:
            if self._wanted.takes(joining.step(plugin, "", None)):
                steps += self._step(row, plugin, is_only=len(plugins) == 1)
        return joining.invocation(row).with_parts(steps)

    def _step(self, row: Answer, plugin: Answer, *, is_only: bool) -> list[Trace]:
        node = str(row["InstanceId"])
        name = {} if is_only else {"PluginName": plugin["Name"]}
        try:
            output = self._questions.ask(_ABOUT_OUTPUT, "GetCommandInvocation", CommandId=row["CommandId"], InstanceId=node, **name)
        except UnansweredError as missing:
            # What ListCommandInvocations tells of the output is its beginning, both streams mixed.
            return [joining.step(plugin, node, None).with_parts([missing.part])]
        return [joining.step(plugin, node, output)]

    def _alone(self, command_id: str, node: str) -> list[Trace]:
        """Ask for a command that is in no list, as those that State Manager gave to agents may be."""
        try:
            answer = self._questions.ask("what the command did", "GetCommandInvocation", CommandId=command_id, InstanceId=node)
        except UnansweredError as missing:
            return [missing.part]
        plugin = {**answer, "Name": answer.get("PluginName", ""), "ResponseStartDateTime": answer.get("ExecutionStartDateTime")}
        step = joining.step({**plugin, "ResponseFinishDateTime": answer.get("ExecutionEndDateTime")}, node, answer)
        return [joining.invocation(answer).with_parts([step] if self._wanted.takes(step) else [])]
