# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""List what a command did on its nodes in few calls, and ask for what the list has only the beginning of. I/O."""

from __future__ import annotations

import enum
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure
from ansible_collections.fleet.ssm.plugins.module_utils._commands import outputs
from ansible_collections.fleet.ssm.plugins.module_utils._commands.invocation import SUCCESS, UNDER_WAY, Invocation, Row, Step
from ansible_collections.fleet.ssm.plugins.module_utils._commands.outputs import Output
from ansible_collections.fleet.ssm.plugins.module_utils._commands.whole_output import WholeOutput
from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api


class Ask(enum.Enum):
    """Which nodes to ask one by one for output that the list has only the beginning of."""

    ALL = "all"
    FAILED = "failed"
    NONE = "none"


def rows(api: Api, command_id: str, node: str = "") -> list[Row]:
    """Give what AWS lists of a command, 50 nodes a call, or of one node of it."""
    only_this = {"InstanceId": node} if node else {}
    return list(api.items("ListCommandInvocations", "CommandInvocations", CommandId=command_id, Details=True, **only_this))


class Completion:
    """Makes invocations of what AWS lists; troubles has a sentence for each thing that could not be had."""

    def __init__(self, api: Api, ask: Ask, whole: WholeOutput | None = None) -> None:
        self._api = api
        self._ask = ask
        self._whole = whole
        self._troubles: dict[str, None] = {}

    @property
    def troubles(self) -> list[str]:
        """Say what could not be had, each once."""
        return list(self._troubles)

    def invocations(self, listed: t.Iterable[Row]) -> list[Invocation]:
        """Give them by the ids of their nodes."""
        found = [Invocation(row, tuple(self._steps(row))) for row in listed]
        return sorted(found, key=lambda one: one.node)

    def _steps(self, row: Row) -> t.Iterator[Step]:
        plugins = row.get("CommandPlugins", [])
        for plugin in plugins:
            output = outputs.listed(str(plugin.get("Output") or ""))
            if (output.cut or not output.certain) and self._is_asked(row):
                output = self._completed(row, plugin, output, is_only=len(plugins) == 1)
            yield Step(plugin, output)

    def _is_asked(self, row: Row) -> bool:
        # AWS keeps back what a step prints until the command is over on its node.
        if row.get("Status") in UNDER_WAY:
            return False
        return self._ask is Ask.ALL or (self._ask is Ask.FAILED and row.get("Status") != SUCCESS)

    def _completed(self, row: Row, plugin: Row, beginning: Output, *, is_only: bool) -> Output:
        name = {} if is_only else {"PluginName": plugin["Name"]}
        try:
            answer = self._api.call("GetCommandInvocation", CommandId=row["CommandId"], InstanceId=row["InstanceId"], **name)
        except AwsFailure as failure:
            # The command itself is over, and the beginning is there.
            self._troubles.setdefault(str(failure))
            return beginning
        output = outputs.kept(answer)
        if not output.cut or self._whole is None:
            return output
        try:
            return self._whole.read(row, {**plugin, **answer}, output)
        except AwsFailure as failure:
            self._troubles.setdefault(str(failure))
            return output
