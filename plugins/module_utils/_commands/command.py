# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Send a document by Run Command and follow it on all its nodes, for modules that say which document and what came of it. I/O."""

from __future__ import annotations

import dataclasses
import re
import time
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure, FailureKind
from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import option_name
from ansible_collections.fleet.ssm.plugins.module_utils._commands import listing
from ansible_collections.fleet.ssm.plugins.module_utils._commands.invocation import UNDER_WAY, Invocation, Row
from ansible_collections.fleet.ssm.plugins.module_utils._commands.parts import Limits, parts
from ansible_collections.fleet.ssm.plugins.module_utils._commands.verdict import FailOn, Verdict, counts, is_over, overall
from ansible_collections.fleet.ssm.plugins.module_utils._commands.whole_output import WholeOutput
from ansible_collections.fleet.ssm.plugins.module_utils._engine import shapes
from ansible_collections.fleet.ssm.plugins.module_utils._engine.action import Action
from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api
from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import RefusedError
from ansible_collections.fleet.ssm.plugins.module_utils._executions import advice

_SEND = "SendCommand"
# What a new command is to operations that do not know of it yet.
_UNKNOWN = "InvalidCommandId"
_NOT_ONLINE = "InvalidInstanceId"
_UNCERTAIN = frozenset({FailureKind.UNREACHABLE, FailureKind.UNAVAILABLE})
# How often the list of nodes is asked for when it lags behind the command, and how often a new command is to be cancelled.
_TRIES = 5


class Command(Action):
    """A command, or several of 50 nodes each. A module gives the request, and has the options that are read here."""

    rules: t.ClassVar[dict[str, t.Any]] = {
        "required_one_of": [("instance_ids", "targets")],
        "mutually_exclusive": [("instance_ids", "targets")],
    }
    renamed: t.ClassVar[dict[str, str]] = {}
    """The members of the request whose option is not called after them, by member, as with Resource."""

    def __init__(self, api: Api, options: t.Mapping[str, t.Any]) -> None:
        super().__init__(api, options)
        self._shape = api.request_shape(_SEND)
        self._parts = parts(options["instance_ids"] or [], self._shape.members["InstanceIds"].metadata["max"])
        self._nodes = sum(map(len, self._parts))
        self._limits = Limits(options["max_concurrency"], options["max_errors"])
        self._rows: dict[str, Row] = {}
        self._listed: dict[str, list[Row]] = {}
        self._invocations: list[Invocation] = []
        self._lagged = 0

    # What a module says for itself.

    def request(self) -> dict[str, t.Any]:
        """Give the request that sends it, by the options that are called after its members."""
        options = {**self.options, **{option_name(member): self.options[name] for member, name in self.renamed.items()}}
        return shapes.to_request(self._shape, options, option_name)

    def whole_output(self) -> WholeOutput | None:
        """Say where to read output that AWS keeps only a part of; None: nowhere."""
        return None

    # What is done with it.

    def check(self) -> None:
        """Refuse what AWS would, and what cannot be waited for."""
        if self.options["instance_ids"] == [] or self.options["targets"] == []:
            raise RefusedError("There is no node to send it to: instance_ids or targets is an empty list.")
        for name, member in (("max_concurrency", "MaxConcurrency"), ("max_errors", "MaxErrors")):
            said = self.options[name]
            if said is not None and not re.search(self._shape.members[member].metadata["pattern"], said):
                raise RefusedError(f"{name} must be a number or a percentage, such as 10 or 10%, not {said!r}.")
        if len(self._parts) > 1 and not self.options["wait"]:
            raise RefusedError(
                f"{self._nodes} instance_ids are more than one command takes, and the next part is sent only when the one before is"
                " over. Leave wait=true, or choose the nodes by targets."
            )
        wrong = shapes.problems(self._shape, {**self.request(), **self._part(0)}, self._name)
        if wrong:
            raise RefusedError("; ".join(wrong) + ".")

    def predict(self) -> dict[str, t.Any]:
        """Show what would be sent."""
        return {"command": self._shown()}

    def start(self) -> None:
        """Send it to all nodes, or to the next part of them."""
        request = {**self.request(), **self._part(len(self._rows))}
        try:
            row = self.api.call_once(_SEND, **request)["Command"]
        except AwsFailure as failure:
            raise _as_told(failure) from failure
        self._rows[row["CommandId"]] = row
        self._lagged = 0

    def started(self) -> dict[str, t.Any]:
        """Give the ids, and what was sent."""
        ids = list(self._rows)
        return {"command_id": ids[0], "command_ids": ids, "command": self._shown()}

    def poll(self) -> bool:
        """Ask for the counts, and for the nodes once all of them are done."""
        command_id = self._last
        try:
            found = self.api.call("ListCommands", CommandId=command_id)["Commands"]
        except AwsFailure as failure:
            if failure.code != _UNKNOWN:
                raise
            found = []
        if not found:
            return False
        self._rows[command_id] = found[0]
        if not is_over(found[0]):
            return False
        rows = self._listed[command_id] = listing.rows(self.api, command_id)
        self._lagged += 1
        is_whole = len(rows) >= counts(found[0]).targets and not any(row.get("Status") in UNDER_WAY for row in rows)
        return is_whole or self._lagged >= _TRIES

    def has_next(self) -> bool:
        """Say whether nodes are left, and no more failed than may."""
        return len(self._rows) < len(self._parts) and self._errors() <= self._limits.errors(self._nodes)

    def progress(self) -> str:
        """Tell the counts of all that was sent."""
        of_all = self._verdict().counts
        return f"{of_all.completed} of {of_all.targets} nodes are done, {of_all.errors} of them with an error."

    def collect(self) -> dict[str, t.Any]:
        """Give what became of it on each node."""
        if self._last not in self._listed or not is_over(self._rows[self._last]):
            self._listed[self._last] = listing.rows(self.api, self._last)
        completion = listing.Completion(self.api, listing.Ask(self.options["output"]), self.whole_output())
        self._invocations = completion.invocations(row for rows in self._listed.values() for row in rows)
        verdict, row = self._verdict(), overall(list(self._rows.values()))
        troubles = completion.troubles
        return {
            "changed": bool(verdict.counts.targets),
            "status": row.get("Status", ""),
            "status_details": row.get("StatusDetails", ""),
            "counts": dataclasses.asdict(verdict.counts),
            "not_sent": list(verdict.not_sent),
            "invocations": [one.to_result() for one in self._invocations],
            **({"warnings": troubles} if troubles else {}),
        }

    def failure(self) -> str:
        """Name the first nodes that failed, and say why."""
        return self._verdict().failure(FailOn(self.options["fail_on"]))

    def cancel(self) -> None:
        """Have AWS cancel what is not over."""
        for command_id in self._under_way():
            for attempt in range(1, _TRIES + 1):
                try:
                    self.api.call("CancelCommand", CommandId=command_id)
                except AwsFailure as failure:
                    # It may have been sent a moment ago.
                    if failure.code != _UNKNOWN or attempt == _TRIES:
                        raise
                    time.sleep(attempt)
                else:
                    break

    def goes_on(self) -> str:
        """Name the command that nobody waits for any more."""
        ids = ", ".join(self._under_way())
        if not ids:
            return ""
        return f"The command {ids} goes on; fleet.ssm.command_info tells what becomes of it, and aws ssm cancel-command ends it."

    @property
    def _last(self) -> str:
        return list(self._rows)[-1]

    def _under_way(self) -> list[str]:
        return [command_id for command_id, row in self._rows.items() if not is_over(row)]

    def _errors(self) -> int:
        return sum(counts(row).errors for row in self._rows.values())

    def _verdict(self) -> Verdict:
        rows = tuple(self._rows.values())
        unsent = tuple(node for part in self._parts[len(self._rows) :] for node in part)
        nodes = self._nodes or sum(counts(row).targets for row in rows)
        return Verdict(rows, tuple(self._invocations), unsent, self._limits.errors(nodes))

    def _part(self, number: int) -> dict[str, t.Any]:
        """Give what is other in one of several commands: its nodes, and how many of them may run it and fail."""
        if not self._parts:
            return {}
        only_these = {"InstanceIds": self._parts[number]}
        if len(self._parts) == 1:
            return only_these
        at_once = self._limits.at_once(self._nodes)
        left = max(0, self._limits.errors(self._nodes) - self._errors())
        return {**only_these, "MaxErrors": str(left), **({"MaxConcurrency": at_once} if at_once else {})}

    def _shown(self) -> dict[str, t.Any]:
        names = {option_name(member): name for member, name in self.renamed.items()}
        return shapes.renamed(shapes.to_result(self._shape, self.request(), option_name), names)

    def _name(self, member: str) -> str:
        return self.renamed.get(member) or option_name(member)


def _as_told(failure: AwsFailure) -> AwsFailure:
    """Say more of a failure to send; where it may have been sent, as one that does not pass, lest it be sent again."""
    if failure.kind in _UNCERTAIN:
        said = f"{failure} Whether AWS got the command is not known; fleet.ssm.command_info lists what was sent."
        return AwsFailure(said, FailureKind.OTHER, failure.code)
    if failure.code == _NOT_ONLINE:
        return AwsFailure(f"{failure} {advice.remedy('', None, failure.code)}", failure.kind, failure.code)
    return failure
