# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Sum up what AWS tells of one or more commands, and say in lines what failed. Pure."""

from __future__ import annotations

import dataclasses
import enum
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._commands.invocation import SUCCESS, UNDER_WAY, Invocation, Row
from ansible_collections.fleet.ssm.plugins.module_utils._executions import findings, joining
from ansible_collections.fleet.ssm.plugins.module_utils._executions.trace import Trace

_CANCELLED = ("Cancelled", "Cancelling")
# Lines of what failed; the invocations have the rest.
_MOST_LINES = 16


class FailOn(enum.Enum):
    """What makes the module fail."""

    ANY = "any"
    MAX_ERRORS = "max_errors"
    NONE = "none"


@dataclasses.dataclass(frozen=True)
class Counts:
    """On how many nodes a command is what."""

    targets: int = 0
    completed: int = 0
    errors: int = 0
    delivery_timed_out: int = 0

    def __add__(self, other: Counts) -> Counts:
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return Counts(*(one + another for one, another in pairs))


def counts(row: Row) -> Counts:
    """Read those of a row of ListCommands."""
    members = ("TargetCount", "CompletedCount", "ErrorCount", "DeliveryTimedOutCount")
    return Counts(*(int(row.get(member) or 0) for member in members))


def is_over(row: Row) -> bool:
    """Say whether a command has ended, by its row of ListCommands."""
    return row.get("Status") not in UNDER_WAY


def overall(rows: t.Sequence[Row]) -> Row:
    """Give the row that tells most of several: one that is under way, or else one that did not succeed."""
    under_way = (row for row in rows if not is_over(row))
    failed = (row for row in rows if row.get("Status") != SUCCESS)
    return next(under_way, next(failed, rows[-1] if rows else {}))


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How a command ended: its rows of ListCommands, what it did on its nodes, and the ids it was never sent to."""

    rows: tuple[Row, ...]
    invocations: tuple[Invocation, ...]
    not_sent: tuple[str, ...]
    allowed_errors: int

    @property
    def counts(self) -> Counts:
        """Give on how many nodes it is what."""
        return sum((counts(row) for row in self.rows), Counts())

    def failure(self, fail_on: FailOn) -> str:
        """Say what failed; empty when nothing did that counts."""
        if fail_on is FailOn.NONE:
            return ""
        if not self.counts.targets:
            return (
                "No managed node matches the targets, so that nothing ran. Correct the tag or resource group, or register the"
                " nodes; fleet.ssm.managed_node_info lists those there are."
            )
        good = sum(one.succeeded for one in self.invocations)
        is_cancelled = any(row.get("Status") in _CANCELLED for row in self.rows)
        too_many = self.counts.errors > self.allowed_errors or bool(self.not_sent) or is_cancelled or not good
        everything = good == self.counts.targets and not self.not_sent and not is_cancelled
        if everything or (fail_on is FailOn.MAX_ERRORS and not too_many):
            return ""
        return "\n".join([self._headline(good), *self._lines()])

    def _headline(self, good: int) -> str:
        last = self.rows[-1]
        nodes = self.counts.targets + len(self.not_sent)
        ids = ", ".join(str(row["CommandId"]) for row in self.rows)
        unsent = (
            f" It was not sent to {len(self.not_sent)} of them, as more failed than max_errors allows." if self.not_sent else ""
        )
        return f"{last.get('DocumentName', '')} succeeded on {good} of {nodes} nodes (command {ids}).{unsent}"

    def _lines(self) -> list[str]:
        lines = findings.told(self._trace(row) for row in self.rows)
        more = [f"and {len(lines) - _MOST_LINES} lines more; the invocations have it all."] if len(lines) > _MOST_LINES else []
        return lines[:_MOST_LINES] + more

    def _trace(self, row: Row) -> Trace:
        failed = (one for one in self.invocations if one.row["CommandId"] == row["CommandId"] and not one.succeeded)
        return joining.command(dict(row)).with_parts(one.to_trace() for one in failed)
