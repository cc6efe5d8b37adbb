# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What maintenance windows do: a window whose time has come runs its commands as soon as somebody asks what it has done."""

from __future__ import annotations

import typing as t
import uuid

from tests.emulator import moments, schedules
from tests.emulator.answers import ApiError
from tests.emulator.operations import command_lists, commands
from tests.emulator.operations.maintenance_windows import find
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.paging import page
from tests.emulator.state import MaintenanceWindow, WindowExecution, now

_OF_COMMANDS = {
    **dict.fromkeys(("Pending", "InProgress", "Delayed", "Cancelling"), "IN_PROGRESS"),
    "Success": "SUCCESS",
    "TimedOut": "TIMED_OUT",
    "Cancelled": "CANCELLED",
}
_FAILED = "FAILED"
_ONLY_COMMANDS = "The emulator carries out RUN_COMMAND tasks only."


@operation("DescribeMaintenanceWindowExecutions")
def describe_executions(caller: Caller, params: Params) -> Answer:
    """List the executions of a window, the newest first."""
    window = find(caller, params["WindowId"])
    with caller.state.lock:
        _catch_up(caller, window)
    rows = [_execution_row(caller, one) for one in reversed(window.executions)]
    for given in params.get("Filters", []):
        after = given["Key"] == "ExecutedAfter"
        rows = [row for row in rows if (row["StartTime"] > moments.read(given["Values"][0])) == after]
    rows, token = page(rows, "DescribeMaintenanceWindowExecutions", params.get("MaxResults", 50), params.get("NextToken"))
    return {"WindowExecutions": rows, "NextToken": token}


@operation("DescribeMaintenanceWindowExecutionTasks")
def describe_execution_tasks(caller: Caller, params: Params) -> Answer:
    """List what an execution did, task by task."""
    execution = _find(caller, params["WindowExecutionId"])
    rows = [{**task, **_ended(_invocations(caller, execution, task["TaskExecutionId"]))} for task in execution.tasks]
    rows, token = page(rows, "DescribeMaintenanceWindowExecutionTasks", params.get("MaxResults", 50), params.get("NextToken"))
    return {"WindowExecutionTaskIdentities": rows, "NextToken": token}


@operation("DescribeMaintenanceWindowExecutionTaskInvocations")
def describe_invocations(caller: Caller, params: Params) -> Answer:
    """List what a task of an execution did, target by target."""
    execution = _find(caller, params["WindowExecutionId"])
    rows = _invocations(caller, execution, params["TaskId"])
    if not rows:
        raise ApiError("DoesNotExistException", f"Task {params['TaskId']} does not exist in the execution")
    name = "DescribeMaintenanceWindowExecutionTaskInvocations"
    rows, token = page(rows, name, params.get("MaxResults", 50), params.get("NextToken"))
    return {"WindowExecutionTaskInvocationIdentities": rows, "NextToken": token}


def _catch_up(caller: Caller, window: MaintenanceWindow) -> None:
    described = window.described
    since = window.executions[-1].started if window.executions else described["ModifiedDate"]
    zone, offset = described.get("ScheduleTimezone", ""), described.get("ScheduleOffset", 0)
    moment = next(schedules.due(described["Schedule"], since, zone, offset), None)
    # Of several that were missed, AWS would have run each; here nobody was there to see.
    if described["Enabled"] and moment is not None and moment <= now():
        window.executions.append(_run(caller, window))


def _run(caller: Caller, window: MaintenanceWindow) -> WindowExecution:
    execution = WindowExecution(str(uuid.uuid4()), window.described["WindowId"], now())
    for task in sorted(window.tasks.values(), key=lambda one: int(one["Priority"])):
        row = {
            "WindowExecutionId": execution.execution_id,
            "TaskExecutionId": str(uuid.uuid4()),
            "TaskArn": task["TaskArn"],
            "TaskType": task["TaskType"],
            "StartTime": now(),
        }
        execution.tasks.append(row)
        for target_id, targets in _targets(window, task):
            known = {name: row[name] for name in ("WindowExecutionId", "TaskExecutionId", "TaskType", "StartTime")}
            begun = _begin(caller, task, targets)
            invocation = {**known, "InvocationId": str(uuid.uuid4()), "WindowTargetId": target_id, **begun}
            execution.invocations.append(invocation)
    return execution


def _targets(window: MaintenanceWindow, task: Answer) -> list[tuple[str | None, list[Answer]]]:
    given = task.get("Targets") or [{"Key": "", "Values": []}]
    if given[0]["Key"] != "WindowTargetIds":
        return [(None, given)]
    ids = [value for target in given for value in target["Values"]]
    return [(target_id, window.targets.get(target_id, {}).get("Targets", [])) for target_id in ids]


def _begin(caller: Caller, task: Answer, targets: list[Answer]) -> Answer:
    if task["TaskType"] != "RUN_COMMAND":
        return {"Status": _FAILED, "StatusDetails": _ONLY_COMMANDS}
    said = task.get("TaskInvocationParameters", {}).get("RunCommand", {})
    known = {name: said[name] for name in ("Parameters", "Comment", "TimeoutSeconds") if name in said}
    known |= {name: task[name] for name in ("MaxConcurrency", "MaxErrors")}
    try:
        sent = commands.send_command(caller, {"DocumentName": task["TaskArn"], "Targets": targets, **known})
    except ApiError as error:
        return {"Status": _FAILED, "StatusDetails": error.message}
    return {"ExecutionId": sent["Command"]["CommandId"]}


def _invocations(caller: Caller, execution: WindowExecution, task_id: str) -> list[Answer]:
    rows = [row for row in execution.invocations if row["TaskExecutionId"] == task_id]
    return [{**row, **_became(caller, row)} for row in rows]


def _became(caller: Caller, row: Answer) -> Answer:
    """Tell what became of an invocation, by its command."""
    if "ExecutionId" not in row:
        return {"EndTime": row["StartTime"]}
    command = command_lists.row(caller.state.commands[row["ExecutionId"]])
    status = _OF_COMMANDS.get(command["Status"], _FAILED)
    told = f"{command['Status']}: {command['ErrorCount']} of {command['TargetCount']} targets" if status == _FAILED else ""
    ends = [one.ended for one in caller.state.commands[row["ExecutionId"]].invocations.values() if one.ended]
    return {
        "Status": status,
        "StatusDetails": told or None,
        "EndTime": max(ends, default=None) if status != "IN_PROGRESS" else None,
    }


def _ended(rows: t.Sequence[Answer]) -> Answer:
    """Sum up: what still runs counts first, then the first that did not succeed."""
    statuses = [row["Status"] for row in rows]
    status = "IN_PROGRESS" if "IN_PROGRESS" in statuses else next((one for one in statuses if one != "SUCCESS"), "SUCCESS")
    details = next((row.get("StatusDetails") for row in rows if row["Status"] == status), None)
    ends = [row["EndTime"] for row in rows if row.get("EndTime")]
    return {"Status": status, "StatusDetails": details, "EndTime": max(ends, default=None) if status != "IN_PROGRESS" else None}


def _execution_row(caller: Caller, execution: WindowExecution) -> Answer:
    rows = [row for task in execution.tasks for row in _invocations(caller, execution, task["TaskExecutionId"])]
    return {
        "WindowId": execution.window_id,
        "WindowExecutionId": execution.execution_id,
        "StartTime": execution.started,
        **(_ended(rows) if rows else {"Status": "SUCCESS", "StatusDetails": "No tasks to execute.", "EndTime": execution.started}),
    }


def _find(caller: Caller, execution_id: str) -> WindowExecution:
    for window in caller.state.windows.values():
        for execution in window.executions:
            if execution.execution_id == execution_id:
                return execution
    raise ApiError("DoesNotExistException", f"Window execution {execution_id} does not exist")
