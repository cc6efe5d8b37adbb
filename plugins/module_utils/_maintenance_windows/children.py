# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Say what the targets and tasks of a maintenance window are. I/O."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._commands.parameters import as_texts
from ansible_collections.fleet.ssm.plugins.module_utils._commands.targets import same_targets
from ansible_collections.fleet.ssm.plugins.module_utils._engine.children import Child, Children
from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import RefusedError, Thing, covers, merged

_INVOCATION = "TaskInvocationParameters"
# Of what a task is carried out with, this is compared and replaced as it is.
_WHOLE = frozenset({"Parameters"})
_BY_ID = "WindowTargetIds"


class WindowTarget(Child):
    """A target of a window."""

    noun = "target"
    ids = ("WindowId", "WindowTargetId")
    item = ("DescribeMaintenanceWindowTargets", "Targets")
    create = "RegisterTargetWithMaintenanceWindow"
    update = "UpdateMaintenanceWindowTarget"
    delete = "DeregisterTargetFromMaintenanceWindow"
    later = frozenset({"WindowId"})

    def same(self, member: str, have: t.Any, want: t.Any) -> bool:
        """Compare targets whatever the order of their values."""
        return same_targets(have, want) if member == "Targets" else super().same(member, have, want)

    def remove(self, thing: Thing) -> None:
        """Take it away; not under a task that stays as it is, which would have no node left, and say so nowhere."""
        self.api.call(self.delete, **self._id_of(thing), Safe=self.options["tasks"] is None)


class WindowTask(Child):
    """A task of a window; an update leaves what it does not say, but of what it is carried out with."""

    noun = "task"
    ids = ("WindowId", "WindowTaskId")
    item = ("DescribeMaintenanceWindowTasks", "Tasks")
    create = "RegisterTaskWithMaintenanceWindow"
    update = "UpdateMaintenanceWindowTask"
    delete = "DeregisterTaskFromMaintenanceWindow"
    later = frozenset({"WindowId"})

    def check(self) -> None:
        """Refuse what AWS refuses only after the window has been made."""
        name, targets = self.options["name"], self.options["targets"]
        given = [kind for kind, value in (self.options["task_invocation_parameters"] or {}).items() if value is not None]
        if given and given != [self.options["task_type"].lower()]:
            raise RefusedError(
                f"The task {name!r} is one of {self.options['task_type']}: its task_invocation_parameters must be"
                f" those of {self.options['task_type'].lower()}, not of {' and '.join(given)}."
            )
        if self.options["task_type"] == "RUN_COMMAND" and not targets:
            raise RefusedError(f"The task {name!r} runs commands: name window_targets or targets for it.")
        if targets and None in (self.options["max_concurrency"], self.options["max_errors"]):
            raise RefusedError(f"The task {name!r} has targets: AWS wants max_concurrency and max_errors then.")

    def shape(self) -> t.Any:
        """Give what GetMaintenanceWindowTask tells; what is listed lacks the half of it."""
        return self.api.answer_shape("GetMaintenanceWindowTask")

    def same(self, member: str, have: t.Any, want: t.Any) -> bool:
        """Compare targets whatever the order of their values, and of structures what was said."""
        if member == "Targets":
            return same_targets(have, want)
        if isinstance(want, dict):
            return covers(have, want, _WHOLE)
        return super().same(member, have, want)

    def changes(self, have: Thing, want: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Repeat what it is carried out with: AWS empties whatever of that is not said."""
        said = super().changes(have, want)
        if _INVOCATION in said:
            said[_INVOCATION] = merged(have.get(_INVOCATION), said[_INVOCATION], _WHOLE)
        return said


class Targets(Children):
    """The targets of a window."""

    name = "targets"
    kind = WindowTarget
    parent = "WindowId"

    def entry(self, given: t.Mapping[str, t.Any], thing: Thing | None) -> t.Mapping[str, t.Any]:
        """Say whether tasks stay as they are."""
        return {**given, "tasks": self.options["tasks"]}


class Tasks(Children):
    """The tasks of a window."""

    name = "tasks"
    kind = WindowTask
    parent = "WindowId"

    def listed(self, thing: Thing) -> list[dict[str, t.Any]]:
        """Read each whole."""
        ids = [{name: row[name] for name in self.kind.ids} for row in super().listed(thing)]
        return [_as_text(self.api.call("GetMaintenanceWindowTask", **task_id)) for task_id in ids]

    def entry(self, given: t.Mapping[str, t.Any], thing: Thing | None) -> t.Mapping[str, t.Any]:
        """Name targets of the window by their ids, and write parameters as lists of texts."""
        entry = {**given, "task_invocation_parameters": _invocation(given["task_invocation_parameters"])}
        if given["window_targets"] is None:
            return entry
        ids = self._target_ids(thing)
        unknown = [name for name in given["window_targets"] if name not in ids]
        if unknown:
            raise RefusedError(f"The task {given['name']!r} names the target {unknown[0]!r}, which the window does not have.")
        return {**entry, "targets": [{"key": _BY_ID, "values": [ids[name] for name in given["window_targets"]]}]}

    def _target_ids(self, thing: Thing | None) -> dict[str, str]:
        """Give the ids of targets by name; what is yet to be made has its name for one, and so has what is to be replaced."""
        rows = self.api.items(*WindowTarget.item, WindowId=thing["WindowId"]) if thing else ()
        there = [row for row in rows if "Name" in row]
        if self.options["targets"] is None:
            return {row["Name"]: row["WindowTargetId"] for row in there}
        types = {one["name"]: one["resource_type"] for one in self.options["targets"]}
        kept = {row["Name"]: row["WindowTargetId"] for row in there if types.get(row["Name"]) == row["ResourceType"]}
        return {**{name: name for name in types}, **kept}


def _invocation(given: dict[str, t.Any] | None) -> dict[str, t.Any] | None:
    if given is None:
        return None
    return {
        kind: {**said, "parameters": as_texts(said["parameters"])} if said and said.get("parameters") else said
        for kind, said in given.items()
    }


def _as_text(task: dict[str, t.Any]) -> dict[str, t.Any]:
    """Give the payload of a function as the text it was given as."""
    called = task.get(_INVOCATION, {}).get("Lambda", {})
    if isinstance(called.get("Payload"), bytes):
        called["Payload"] = called["Payload"].decode(errors="replace")
    return task
