# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules maintenance_window and maintenance_window_info, against the operations of the emulator."""

from __future__ import annotations

import copy
import datetime
import functools
import typing as t
import uuid

import pytest
from ansible_collections.fleet.ssm.plugins.modules import maintenance_window, maintenance_window_info

from tests.emulator.state import WindowExecution
from tests.unit.plugins.modules.emulated_account import EmulatedAccount

WINDOW: dict[str, t.Any] = {"name": "patch-web", "schedule": "cron(0 2 ? * SUN#2 *)", "duration": 3, "cutoff": 1}
WEB: dict[str, t.Any] = {"name": "web", "targets": [{"key": "tag:role", "values": ["web", "proxy"]}]}
INSTALL: dict[str, t.Any] = {
    "name": "install",
    "task_arn": "AWS-RunPatchBaseline",
    "window_targets": ["web"],
    "max_concurrency": "25%",
    "max_errors": "10%",
    "task_invocation_parameters": {"run_command": {"parameters": {"Operation": "Install"}, "comment": "Monthly"}},
}
WHOLE = {**WINDOW, "targets": [WEB], "tasks": [INSTALL]}


@pytest.fixture
def ensure(run: t.Callable[..., t.Any], emulated: EmulatedAccount) -> t.Callable[..., t.Any]:
    return functools.partial(run, maintenance_window.main)


@pytest.fixture
def listed(run: t.Callable[..., t.Any], emulated: EmulatedAccount) -> t.Callable[..., t.Any]:
    return lambda **options: run(maintenance_window_info.main, **options)["maintenance_windows"]


def _asked(emulated: EmulatedAccount, operation: str) -> list[dict[str, t.Any]]:
    return [params for name, params in emulated.aws.calls if name == operation]


def _changed(task: dict[str, t.Any], **run_command: t.Any) -> dict[str, t.Any]:
    """Give the task with something else to be carried out with."""
    task = copy.deepcopy(task)
    task["task_invocation_parameters"]["run_command"] = run_command
    return task


def test_creates_a_window_with_targets_and_tasks(ensure: t.Any, emulated: EmulatedAccount) -> None:
    result = ensure(**WHOLE, tags={"site": 7})
    (window,) = emulated.state.windows.values()
    ((target_id, target),) = window.targets.items()
    ((task_id, task),) = window.tasks.items()
    assert result["changed"]
    assert (target["Name"], target["ResourceType"]) == ("web", "INSTANCE")
    assert task["Targets"] == [{"Key": "WindowTargetIds", "Values": [target_id]}]
    assert task["TaskInvocationParameters"]["RunCommand"]["Parameters"] == {"Operation": ["Install"]}
    told = result["maintenance_window"]
    assert told["window_id"] == window.described["WindowId"]
    assert (told["targets"][0]["window_target_id"], told["tasks"][0]["window_task_id"]) == (target_id, task_id)
    assert told["tasks"][0]["targets"] == [{"key": "WindowTargetIds", "values": [target_id]}]
    assert (told["tags"], emulated.state.tags) == ({"site": "7"}, {("MaintenanceWindow", told["window_id"]): {"site": "7"}})


def test_creates_a_window_idempotent(ensure: t.Any, emulated: EmulatedAccount) -> None:
    first = ensure(**WHOLE, tags={"site": 7})
    emulated.changes()
    second = ensure(**WHOLE, tags={"site": 7})
    assert not second["changed"]
    assert second["maintenance_window"]["targets"] == first["maintenance_window"]["targets"]
    assert {**first["maintenance_window"]["tasks"][0], "priority": 0} == second["maintenance_window"]["tasks"][0]
    assert emulated.changes() == []


def test_creates_a_window_check_mode(ensure: t.Any, emulated: EmulatedAccount) -> None:
    result = ensure(**WHOLE, check_mode=True, diff=True)
    assert result["changed"]
    assert result["diff"]["before"] == {}
    assert result["diff"]["after"]["tasks"][0]["targets"] == [{"key": "WindowTargetIds", "values": ["web"]}]
    assert emulated.changes() == []


def test_a_new_window_can_be_closed(ensure: t.Any, emulated: EmulatedAccount) -> None:
    result = ensure(**WINDOW, enabled=False)
    (window,) = emulated.state.windows.values()
    assert (window.described["Enabled"], result["maintenance_window"]["enabled"]) == (False, False)
    assert not ensure(**WINDOW, enabled=False)["changed"]
    assert not ensure(**WINDOW)["changed"]


def test_an_update_says_what_differs_and_leaves_the_rest(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(**WINDOW, description="Web servers", schedule_timezone="Europe/Berlin")
    result = ensure(**{**WINDOW, "duration": 4}, diff=True)
    (window,) = emulated.state.windows.values()
    assert (window.described["Duration"], window.described["Description"]) == (4, "Web servers")
    assert (result["diff"]["before"]["duration"], result["diff"]["after"]["duration"]) == (3, 4)
    assert "Replace" not in _asked(emulated, "UpdateMaintenanceWindow")[0]


def test_what_is_taken_away_is_replaced_with_all_else_repeated(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(**WINDOW, description="Web servers", schedule_timezone="Europe/Berlin", schedule_offset=2, enabled=False)
    result = ensure(**WINDOW, schedule_timezone="", schedule_offset=0)
    (window,) = emulated.state.windows.values()
    assert result["changed"]
    assert not {"ScheduleTimezone", "ScheduleOffset"} & set(window.described)
    assert (window.described["Description"], window.described["Enabled"]) == ("Web servers", False)
    assert not ensure(**WINDOW, schedule_timezone="", schedule_offset=0, description="Web servers")["changed"]


def test_the_same_time_in_other_words_is_no_difference(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(**WINDOW, start_date="2030-01-31T02:00:00Z")
    assert not ensure(**WINDOW, start_date="2030-01-31T03:00:00+01:00")["changed"]
    assert ensure(**WINDOW, start_date="2030-01-31T03:00:00Z")["changed"]


def test_targets_and_tasks_that_are_not_given_stay(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(**WHOLE)
    result = ensure(**{**WINDOW, "cutoff": 2})
    (window,) = emulated.state.windows.values()
    assert (len(window.targets), len(window.tasks)) == (1, 1)
    assert not {"targets", "tasks"} & set(result["maintenance_window"])
    assert emulated.changes()[-1:] == ["UpdateMaintenanceWindow"]


def test_what_is_not_in_the_lists_is_taken_away(ensure: t.Any, emulated: EmulatedAccount) -> None:
    other = {**WEB, "name": "other"}
    ensure(**WINDOW, targets=[WEB, other], tasks=[INSTALL, {**INSTALL, "name": "second"}])
    (window,) = emulated.state.windows.values()
    window.tasks[str(uuid.uuid4())] = {**next(iter(window.tasks.values())), "WindowTaskId": str(uuid.uuid4()), "Name": "by hand"}
    nameless = next(reversed(window.tasks))
    window.tasks[nameless]["WindowTaskId"] = nameless
    foreseen = ensure(**WHOLE, check_mode=True)
    assert (foreseen["changed"], len(window.tasks)) == (True, 3)
    assert ensure(**WHOLE)["changed"]
    assert [target["Name"] for target in window.targets.values()] == ["web"]
    assert [task["Name"] for task in window.tasks.values()] == ["install"]
    assert ensure(**WINDOW, targets=[], tasks=[])["maintenance_window"]["tasks"] == []
    assert (window.targets, window.tasks) == ({}, {})


def test_a_task_is_updated_with_all_it_is_carried_out_with(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(**WHOLE)
    changed = _changed(INSTALL, parameters={"Operation": "Scan"})
    result = ensure(**{**WHOLE, "tasks": [changed]}, diff=True)
    (window,) = emulated.state.windows.values()
    (task,) = window.tasks.values()
    assert task["TaskInvocationParameters"]["RunCommand"] == {"Parameters": {"Operation": ["Scan"]}, "Comment": "Monthly"}
    assert (task["MaxErrors"], len(_asked(emulated, "UpdateMaintenanceWindowTask"))) == ("10%", 1)
    before, after = (result["diff"][side]["tasks"][0]["task_invocation_parameters"] for side in ("before", "after"))
    assert (before["run_command"]["parameters"], after["run_command"]["parameters"]) == (
        {"Operation": ["Install"]},
        {"Operation": ["Scan"]},
    )
    assert not ensure(**{**WHOLE, "tasks": [changed]})["changed"]


def test_a_task_of_another_type_is_replaced(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(**WHOLE)
    task = {"name": "install", "task_type": "LAMBDA", "task_arn": "arn:aws:lambda:eu-west-1:123456789012:function:patch"}
    called = {**task, "task_invocation_parameters": {"lambda": {"payload": {"a": 1}, "qualifier": "1"}}}
    assert ensure(**{**WHOLE, "tasks": [called]})["changed"]
    (window,) = emulated.state.windows.values()
    ((task_id, made),) = window.tasks.items()
    assert (made["TaskType"], made["WindowTaskId"]) == ("LAMBDA", task_id)
    assert made["TaskInvocationParameters"]["Lambda"] == {"Payload": '{"a": 1}', "Qualifier": "1"}
    assert not ensure(**{**WHOLE, "tasks": [called]})["changed"]


def test_another_order_of_values_is_no_difference(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(**WHOLE)
    turned = {**WEB, "targets": [{"key": "tag:role", "values": ["proxy", "web"]}]}
    assert not ensure(**{**WHOLE, "targets": [turned]})["changed"]
    assert ensure(**{**WHOLE, "targets": [{**WEB, "targets": [{"key": "tag:role", "values": ["web"]}]}]})["changed"]


def test_a_target_of_another_type_is_replaced_and_tasks_follow_it(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(**WHOLE)
    group = {"name": "web", "resource_type": "RESOURCE_GROUP", "targets": [{"key": "resource-groups:Name", "values": ["web"]}]}
    assert ensure(**{**WHOLE, "targets": [group]})["changed"]
    (window,) = emulated.state.windows.values()
    ((target_id, target),) = window.targets.items()
    (task,) = window.tasks.values()
    assert (target["ResourceType"], task["Targets"][0]["Values"]) == ("RESOURCE_GROUP", [target_id])


def test_a_target_is_not_taken_from_under_a_task_that_stays(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(**WHOLE)
    result = ensure(**WINDOW, targets=[])
    assert result["failed"]
    assert result["error_code"] == "TargetInUseException"


def test_deletes_all_windows_of_the_name(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(**WHOLE)
    ensure(**{**WINDOW, "name": "patch-web-2"})
    assert ensure(name="patch-web", state="absent", check_mode=True)["changed"]
    result = ensure(name="patch-web", state="absent", diff=True)
    assert (result["changed"], result["maintenance_window"], result["diff"]["after"]) == (True, {}, {})
    assert [window.described["Name"] for window in emulated.state.windows.values()] == ["patch-web-2"]
    assert not ensure(name="patch-web", state="absent")["changed"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"cutoff": 3}, "cutoff must be less than duration"),
        ({"schedule_offset": 2, "schedule": "rate(1 day)"}, "schedule_offset needs a cron expression"),
        ({"duration": 25}, "duration must be from 1 to 24, not 25"),
        ({"tasks": [{**INSTALL, "window_targets": ["none"]}]}, "names the target 'none', which the window does not have"),
        ({"tasks": [{**INSTALL, "window_targets": None}]}, "The task 'install' runs commands: name window_targets"),
        ({"tasks": [{**INSTALL, "max_errors": None}]}, "AWS wants max_concurrency and max_errors"),
        ({"tasks": [{**INSTALL, "task_type": "AUTOMATION"}]}, "must be those of automation, not of run_command"),
        ({"targets": [WEB, WEB]}, "Two of targets are called 'web'"),
        ({"targets": [{**WEB, "targets": WEB["targets"] * 6}]}, "targets must be at most 5 entries, not 6"),
    ],
)
def test_refuses_what_cannot_be_right_before_anything_is_made(
    ensure: t.Any, emulated: EmulatedAccount, options: dict[str, t.Any], sentence: str
) -> None:
    assert sentence in ensure(**{**WHOLE, **options})["msg"]
    assert emulated.changes() == []


def test_names_the_missing_permission(ensure: t.Any, emulated: EmulatedAccount) -> None:
    emulated.aws.deny("RegisterTaskWithMaintenanceWindow")
    assert "Allow the IAM action ssm:RegisterTaskWithMaintenanceWindow" in ensure(**WHOLE)["msg"]


def test_lists_windows_and_when_they_open_next(ensure: t.Any, listed: t.Any, emulated: EmulatedAccount) -> None:
    ensure(**WINDOW)
    ensure(**{**WINDOW, "name": "patch-web-2"}, enabled=False)
    first, second = listed(next_executions=3)
    assert (first["name"], len(first["next_executions"]), first["last_executions"]) == ("patch-web", 3, [])
    for moment in first["next_executions"]:
        day = datetime.datetime.fromisoformat(moment.replace("Z", "+00:00"))
        assert (day.isoweekday(), day.hour, 8 <= day.day <= 14) == (7, 2, True)
    assert (second["enabled"], second["next_executions"]) == (False, [])
    assert [one["name"] for one in listed(name="patch-web")] == ["patch-web"]
    assert [one["name"] for one in listed(enabled=False)] == ["patch-web-2"]
    emulated.aws.calls.clear()
    assert listed(next_executions=0, last_executions=0)[0]["next_executions"] == []
    assert emulated.aws.operations() == ["DescribeMaintenanceWindows"]


def test_lists_what_failed_last(ensure: t.Any, listed: t.Any, emulated: EmulatedAccount) -> None:
    ensure(**WHOLE)
    (window,) = emulated.state.windows.values()
    old, new = (datetime.datetime(2030, 1, day, tzinfo=datetime.timezone.utc) for day in (1, 2))
    of = {"TaskArn": "AWS-RunPatchBaseline", "TaskType": "RUN_COMMAND", "TaskExecutionId": str(uuid.uuid4())}
    for started, status in ((new, "FAILED"), (old, "SUCCESS")):
        execution = WindowExecution(str(uuid.uuid4()), window.described["WindowId"], started)
        known = {"WindowExecutionId": execution.execution_id, "StartTime": started}
        execution.tasks.append({**of, **known})
        row = {"TaskType": "RUN_COMMAND", "TaskExecutionId": of["TaskExecutionId"], "InvocationId": str(uuid.uuid4())}
        execution.invocations.append({**row, **known, "Status": status, "StatusDetails": "No nodes"})
        window.executions.append(execution)
    (listed_window,) = listed(last_executions=2)
    latest, before = listed_window["last_executions"]
    assert (latest["status"], before["status"], before["failed"]) == ("FAILED", "SUCCESS", [])
    ((failed),) = latest["failed"]
    assert (failed["task_arn"], failed["status"], failed["status_details"]) == ("AWS-RunPatchBaseline", "FAILED", "No nodes")


def test_lists_check_mode(run: t.Any, emulated: EmulatedAccount) -> None:
    result = run(maintenance_window_info.main, check_mode=True)
    assert (result["changed"], result["maintenance_windows"]) == (False, [])
    assert "must be at least 0" in run(maintenance_window_info.main, last_executions=-1)["msg"]
