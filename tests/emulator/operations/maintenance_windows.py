# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance windows with their targets and tasks: make, change, delete, list."""

from __future__ import annotations

import itertools
import secrets
import typing as t
import uuid

from tests.emulator import moments, schedules
from tests.emulator.answers import ApiError
from tests.emulator.constraints import INVALID
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.paging import page
from tests.emulator.state import MaintenanceWindow, now

_TAGGED_AS = "MaintenanceWindow"
# In a request, and no part of the thing.
_ONLY_ASKED = frozenset({"Tags", "ClientToken", "Replace", "Safe"})
_LISTED = ("WindowId", "Name", "Description", "Enabled", "Duration", "Cutoff", "Schedule", "ScheduleTimezone")
_LISTED_TOO = ("ScheduleOffset", "EndDate", "StartDate")
_NEEDED = ("Name", "Schedule", "Duration", "Cutoff", "AllowUnassociatedTargets")
_TARGET_NEEDS = ("Targets",)
_TASK_NEEDS = ("TaskArn",)
_PLACEHOLDER = "1"  # of MaxConcurrency and MaxErrors of a task without targets
_MOST_SCHEDULED = 10


@operation("CreateMaintenanceWindow")
def create_maintenance_window(caller: Caller, params: Params) -> Answer:
    """Make a window; others may have its name."""
    described = {**_said(params), "WindowId": f"mw-{secrets.token_hex(9)[:17]}", "Enabled": True, "CreatedDate": now()}
    _check(described)
    with caller.state.lock:
        caller.state.windows[described["WindowId"]] = MaintenanceWindow({**described, "ModifiedDate": described["CreatedDate"]})
        caller.state.tags[_TAGGED_AS, described["WindowId"]] = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
    return {"WindowId": described["WindowId"]}


@operation("UpdateMaintenanceWindow")
def update_maintenance_window(caller: Caller, params: Params) -> Answer:
    """Change a window."""
    with caller.state.lock:
        window = find(caller, params["WindowId"])
        changed = _changed(window.described, params, ("WindowId", "CreatedDate"), _NEEDED)
        _check(changed)
        window.described = {**changed, "ModifiedDate": now()}
    return {name: value for name, value in changed.items() if name not in ("CreatedDate", "ModifiedDate")}


@operation("GetMaintenanceWindow")
def get_maintenance_window(caller: Caller, params: Params) -> Answer:
    """Tell all of a window."""
    window = find(caller, params["WindowId"])
    return {**window.described, "NextExecutionTime": _next_text(window)}


@operation("DeleteMaintenanceWindow")
def delete_maintenance_window(caller: Caller, params: Params) -> Answer:
    """Delete a window with its targets and tasks; one that is not there is no error."""
    with caller.state.lock:
        caller.state.windows.pop(params["WindowId"], None)
        caller.state.tags.pop((_TAGGED_AS, params["WindowId"]), None)
    return {"WindowId": params["WindowId"]}


@operation("DescribeMaintenanceWindows")
def describe_maintenance_windows(caller: Caller, params: Params) -> Answer:
    """List windows, without a few of their members."""
    found = [{name: window.described.get(name) for name in (*_LISTED, *_LISTED_TOO)} for window in caller.state.windows.values()]
    for given in params.get("Filters", []):
        if given["Key"] not in ("Name", "Enabled"):
            raise ApiError(INVALID, f"{given['Key']} is not a valid filter key.")
        found = [row for row in found if str(row[given["Key"]]).lower() in [value.lower() for value in given["Values"]]]
    rows, token = page(found, "DescribeMaintenanceWindows", params.get("MaxResults", 50), params.get("NextToken"))
    named = [{**row, "NextExecutionTime": _next_text(find(caller, str(row["WindowId"])))} for row in rows]
    return {"WindowIdentities": named, "NextToken": token}


@operation("DescribeMaintenanceWindowSchedule")
def describe_maintenance_window_schedule(caller: Caller, params: Params) -> Answer:
    """Tell when a window, or each, opens next."""
    asked = [find(caller, params["WindowId"])] if "WindowId" in params else list(caller.state.windows.values())
    found = [
        {"WindowId": one.described["WindowId"], "Name": one.described["Name"], "ExecutionTime": moments.text(moment)}
        for one in asked
        for moment in coming(one, _MOST_SCHEDULED)
    ]
    found.sort(key=lambda row: str(row["ExecutionTime"]))
    size = params.get("MaxResults", _MOST_SCHEDULED)
    rows, token = page(found, "DescribeMaintenanceWindowSchedule", size, params.get("NextToken"))
    return {"ScheduledWindowExecutions": rows, "NextToken": token}


@operation("RegisterTargetWithMaintenanceWindow")
def register_target(caller: Caller, params: Params) -> Answer:
    """Add targets to a window."""
    made = {**_said(params), "WindowTargetId": str(uuid.uuid4())}
    with caller.state.lock:
        find(caller, params["WindowId"]).targets[made["WindowTargetId"]] = made
    return {"WindowTargetId": made["WindowTargetId"]}


@operation("UpdateMaintenanceWindowTarget")
def update_target(caller: Caller, params: Params) -> Answer:
    """Change targets of a window."""
    with caller.state.lock:
        targets = find(caller, params["WindowId"]).targets
        there = _child(targets, params["WindowTargetId"])
        changed = _changed(there, params, ("WindowId", "WindowTargetId", "ResourceType"), _TARGET_NEEDS)
        targets[params["WindowTargetId"]] = changed
    return {name: value for name, value in changed.items() if name != "ResourceType"}


@operation("DeregisterTargetFromMaintenanceWindow")
def deregister_target(caller: Caller, params: Params) -> Answer:
    """Take targets from a window; with Safe, not those that a task names."""
    target_id = params["WindowTargetId"]
    with caller.state.lock:
        window = find(caller, params["WindowId"])
        named = {value for task in window.tasks.values() for target in task.get("Targets", []) for value in target["Values"]}
        if params.get("Safe") and target_id in named:
            raise ApiError("TargetInUseException", "You specified the Safe option for a target that a task still references.")
        _child(window.targets, target_id)
        del window.targets[target_id]
    return {"WindowId": params["WindowId"], "WindowTargetId": target_id}


@operation("DescribeMaintenanceWindowTargets")
def describe_targets(caller: Caller, params: Params) -> Answer:
    """List the targets of a window."""
    rows = list(find(caller, params["WindowId"]).targets.values())
    rows, token = page(rows, "DescribeMaintenanceWindowTargets", params.get("MaxResults", 50), params.get("NextToken"))
    return {"Targets": rows, "NextToken": token}


@operation("RegisterTaskWithMaintenanceWindow")
def register_task(caller: Caller, params: Params) -> Answer:
    """Add a task to a window."""
    if params["TaskType"] == "RUN_COMMAND" and not params.get("Targets"):
        raise ApiError(INVALID, "One or more targets must be specified for a RUN_COMMAND task.")
    if params.get("Targets") and not {"MaxConcurrency", "MaxErrors"} <= set(params):
        raise ApiError(INVALID, "MaxConcurrency and MaxErrors are required for a task with targets.")
    defaults = {"Priority": 0, "MaxConcurrency": _PLACEHOLDER, "MaxErrors": _PLACEHOLDER}
    made = {**defaults, **_said(params), "WindowTaskId": str(uuid.uuid4())}
    with caller.state.lock:
        window = find(caller, params["WindowId"])
        _check_targets(window, params)
        window.tasks[made["WindowTaskId"]] = made
    return {"WindowTaskId": made["WindowTaskId"]}


@operation("UpdateMaintenanceWindowTask")
def update_task(caller: Caller, params: Params) -> Answer:
    """Change a task of a window; of its invocation parameters nothing stays that is not said."""
    with caller.state.lock:
        window = find(caller, params["WindowId"])
        there = _child(window.tasks, params["WindowTaskId"])
        _check_targets(window, params)
        changed = _changed(there, params, ("WindowId", "WindowTaskId", "TaskType"), _TASK_NEEDS)
        window.tasks[params["WindowTaskId"]] = changed
    return {name: value for name, value in changed.items() if name != "TaskType"}


@operation("GetMaintenanceWindowTask")
def get_task(caller: Caller, params: Params) -> Answer:
    """Tell all of a task."""
    return _child(find(caller, params["WindowId"]).tasks, params["WindowTaskId"])


@operation("DeregisterTaskFromMaintenanceWindow")
def deregister_task(caller: Caller, params: Params) -> Answer:
    """Take a task from a window."""
    with caller.state.lock:
        tasks = find(caller, params["WindowId"]).tasks
        _child(tasks, params["WindowTaskId"])
        del tasks[params["WindowTaskId"]]
    return {name: params[name] for name in ("WindowId", "WindowTaskId")}


@operation("DescribeMaintenanceWindowTasks")
def describe_tasks(caller: Caller, params: Params) -> Answer:
    """List the tasks of a window, without their invocation parameters."""
    tasks = find(caller, params["WindowId"]).tasks.values()
    found = [{**task, "Type": task["TaskType"], "TaskType": None, "TaskInvocationParameters": None} for task in tasks]
    rows, token = page(found, "DescribeMaintenanceWindowTasks", params.get("MaxResults", 50), params.get("NextToken"))
    hidden = ("TaskType", "TaskInvocationParameters")
    return {"Tasks": [{name: row[name] for name in row if name not in hidden} for row in rows], "NextToken": token}


def find(caller: Caller, window_id: str) -> MaintenanceWindow:
    """Give a window, or AWS's refusal."""
    window = caller.state.windows.get(window_id)
    if window is None:
        raise ApiError("DoesNotExistException", f"Maintenance window {window_id} does not exist")
    return window


def coming(window: MaintenanceWindow, count: int) -> list[t.Any]:
    """Give when a window opens next."""
    described = window.described
    if not described["Enabled"]:
        return []
    start, end = (moments.read(described[name]) if described.get(name) else None for name in ("StartDate", "EndDate"))
    since = max(moment for moment in (now(), start) if moment)
    found = schedules.due(described["Schedule"], since, described.get("ScheduleTimezone", ""), described.get("ScheduleOffset", 0))
    return [moment for moment in itertools.islice(found, count) if end is None or moment < end]


def _next_text(window: MaintenanceWindow) -> str | None:
    return next((moments.text(moment) for moment in coming(window, 1)), None)


def _check(window: Answer) -> None:
    if window["Cutoff"] >= window["Duration"]:
        raise ApiError(INVALID, "Cutoff must be less than duration.")
    if window.get("ScheduleOffset") and not window["Schedule"].startswith("cron("):
        raise ApiError(INVALID, "Schedule offset is only supported for cron expressions.")
    try:
        schedules.due(window["Schedule"], now(), window.get("ScheduleTimezone", ""))
    except schedules.BadScheduleError as error:
        raise ApiError(INVALID, f"Invalid schedule: {error}") from error
    for name in ("StartDate", "EndDate"):
        if window.get(name):
            moments.read(window[name])


def _check_targets(window: MaintenanceWindow, params: Params) -> None:
    for target in params.get("Targets", []):
        for value in target["Values"] if target["Key"] == "WindowTargetIds" else []:
            _child(window.targets, value)


def _child(children: dict[str, Answer], child_id: str) -> Answer:
    if child_id not in children:
        raise ApiError("DoesNotExistException", f"{child_id} does not exist in the maintenance window")
    return children[child_id]


def _changed(there: Answer, params: Params, kept: t.Sequence[str], needed: t.Sequence[str]) -> Answer:
    """Change what is said; with Replace, nothing else stays either."""
    if not params.get("Replace"):
        return {**there, **_said(params)}
    missing = [name for name in needed if name not in params]
    if missing:
        raise ApiError(INVALID, f"With Replace, {', '.join(missing)} must be specified.")
    left = {name: there[name] for name in (*kept, "Enabled") if name in there}
    return {**left, **_said(params)}


def _said(params: Params) -> Answer:
    return {name: value for name, value in params.items() if name not in _ONLY_ASKED}
