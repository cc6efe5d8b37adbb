# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Hold a command on one node with its steps, for results and for traces of what failed. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._commands.outputs import Output
from ansible_collections.fleet.ssm.plugins.module_utils._executions import joining
from ansible_collections.fleet.ssm.plugins.module_utils._executions.trace import Trace, moment

Row = t.Mapping[str, t.Any]

# The other states of an invocation, and of a command, are final.
UNDER_WAY = frozenset({"Pending", "InProgress", "Delayed", "Cancelling"})
SUCCESS = "Success"


@dataclasses.dataclass(frozen=True)
class Step:
    """A step on one node: its row of ListCommandInvocations, and what it printed."""

    row: Row
    output: Output

    @property
    def name(self) -> str:
        """Give what the document calls it."""
        return str(self.row.get("Name", ""))

    @property
    def succeeded(self) -> bool:
        """Say whether it did."""
        return self.row.get("Status") == SUCCESS

    def to_result(self) -> dict[str, t.Any]:
        """Give it as a dictionary."""
        return {
            "name": self.name,
            "status": str(self.row.get("Status", "")),
            "status_details": str(self.row.get("StatusDetails") or ""),
            "response_code": self.row.get("ResponseCode"),
            "started": moment(self.row.get("ResponseStartDateTime")),
            "ended": moment(self.row.get("ResponseFinishDateTime")),
            "stdout": self.output.stdout,
            "stderr": self.output.stderr,
            "output_cut": self.output.cut,
            "stdout_url": str(self.row.get("StandardOutputUrl") or ""),
            "stderr_url": str(self.row.get("StandardErrorUrl") or ""),
        }

    def to_trace(self, node: str) -> Trace:
        """Give it as a trace."""
        printed = {"StandardOutputContent": self.output.stdout, "StandardErrorContent": self.output.stderr}
        return joining.step(dict(self.row), node, printed)


@dataclasses.dataclass(frozen=True)
class Invocation:
    """A command on one node."""

    row: Row
    steps: tuple[Step, ...]

    @property
    def node(self) -> str:
        """Give the id of the node."""
        return str(self.row["InstanceId"])

    @property
    def status(self) -> str:
        """Give AWS's word for how it is."""
        return str(self.row.get("Status", ""))

    @property
    def succeeded(self) -> bool:
        """Say whether it did."""
        return self.status == SUCCESS

    def to_result(self) -> dict[str, t.Any]:
        """Give it as a dictionary; the exit code is that of the first step that failed, or else of the last."""
        steps = [step.to_result() for step in self.steps]
        telling = next((step for step in self.steps if not step.succeeded), self.steps[-1] if self.steps else None)
        return {
            "command_id": str(self.row["CommandId"]),
            "instance_id": self.node,
            "computer_name": str(self.row.get("InstanceName") or ""),
            "status": self.status,
            "status_details": str(self.row.get("StatusDetails") or ""),
            "response_code": telling.row.get("ResponseCode") if telling else None,
            "stdout": "".join(step["stdout"] for step in steps),
            "stderr": "".join(step["stderr"] for step in steps),
            "output_cut": any(step["output_cut"] for step in steps),
            "steps": steps,
        }

    def to_trace(self) -> Trace:
        """Give it as a trace."""
        return joining.invocation(dict(self.row)).with_parts(step.to_trace(self.node) for step in self.steps)
