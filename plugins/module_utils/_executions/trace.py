# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Hold one execution and what it consists of: an association, its executions, their commands, and so on down. Pure."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

QUICK_SETUP = "quick_setup"
CONFIGURATION = "quick_setup_configuration"
ASSOCIATION = "association"
ASSOCIATION_EXECUTION = "association_execution"
TARGET = "association_execution_target"
COMMAND = "command"
INVOCATION = "command_invocation"
STEP = "command_step"
AUTOMATION = "automation_execution"
AUTOMATION_STEP = "automation_step"
UNKNOWN = "unknown"

# The terminal states other than success: CommandInvocation, AutomationExecution and StatusSummary in botocore's models, and
# https://docs.aws.amazon.com/systems-manager/latest/userguide/monitor-commands.html for the details.
_FAILED = frozenset(
    (
        "failed",
        "timedout",
        "cancelled",
        "rejected",
        "changecalendaroverriderejected",
        "completedwithfailure",
        "delete_failed",
        "stop_failed",
        "deliverytimedout",
        "executiontimedout",
        "undeliverable",
        "terminated",
        "invalidplatform",
        "accessdenied",
        "incomplete",
        "noinstancesintag",
        "limitexceeded",
        "rateexceeded",
    )
)


@dataclasses.dataclass(frozen=True)
class Trace:
    """One execution, or a part of one that could not be asked for; empty texts are what AWS does not tell."""

    kind: str
    id: str = ""
    name: str = ""
    """Of the document, association, configuration or step."""
    status: str = ""
    """AWS's own word; of an unknown part unknown."""
    target: str = ""
    """The node, or for Quick Setup the account and region."""
    response_code: int | None = None
    started: str = ""
    ended: str = ""
    said: str = ""
    """What AWS says of it: a summary, a failure message."""
    stdout: str = ""
    stderr: str = ""
    stdout_url: str = ""
    stderr_url: str = ""
    iam_action: str = ""
    """What is missing to ask for it; of unknown parts only, and of those only when a right is missing."""
    parts: tuple[Trace, ...] = ()

    @property
    def failed(self) -> bool:
        """Say whether AWS says that it failed."""
        return is_failure(self.status)

    def with_parts(self, parts: t.Iterable[Trace]) -> Trace:
        """Give it with these parts besides those it has."""
        return dataclasses.replace(self, parts=(*self.parts, *parts))

    def to_result(self) -> dict[str, t.Any]:
        """Give it as a dictionary, without what AWS does not tell."""
        found = {
            field.name: value
            for field in dataclasses.fields(self)
            if field.name != "parts" and (value := getattr(self, field.name)) not in ("", None)
        }
        return {**found, "failed": self.failed, "parts": [part.to_result() for part in self.parts]}


def is_failure(*statuses: str | None) -> bool:
    """Say whether one of AWS's words for a state is one for a failure."""
    return any((status or "").lower() in _FAILED for status in statuses)


def unknown(name: str, said: str, iam_action: str = "") -> Trace:
    """Give what stands for parts that could not be asked for, or were not."""
    return Trace(UNKNOWN, name=name, status="unknown", said=said, iam_action=iam_action)


def moment(value: t.Any) -> str:
    """Give a time as botocore or AWS tells it as a text in UTC; empty when there is none."""
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat(timespec="seconds")
    return str(value or "")
