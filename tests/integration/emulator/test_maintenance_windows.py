# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance windows are made, changed, listed and deleted as AWS documents it, and run commands when their time has come."""

from __future__ import annotations

import collections.abc
import datetime
import time
import typing as t

import pytest

from tests.integration.emulator.calls import pages, refused

_WINDOW = {"Name": "nightly", "Schedule": "rate(1 day)", "Duration": 2, "Cutoff": 1, "AllowUnassociatedTargets": True}
_WEB = [{"Key": "tag:role", "Values": ["web"]}]
_LIMITS = {"MaxConcurrency": "2", "MaxErrors": "1"}

Made = t.Callable[..., str]


@pytest.fixture
def made(ssm: t.Any) -> collections.abc.Iterator[Made]:
    """Makes windows, which go when the test ends."""
    yield lambda **params: str(ssm.create_maintenance_window(**{**_WINDOW, **params})["WindowId"])
    for row in pages(ssm, "describe_maintenance_windows"):
        ssm.delete_maintenance_window(WindowId=row["WindowId"])


def _target(ssm: t.Any, window: str, **params: t.Any) -> str:
    given = {"ResourceType": "INSTANCE", "Targets": _WEB, **params}
    return str(ssm.register_target_with_maintenance_window(WindowId=window, **given)["WindowTargetId"])


def _task(ssm: t.Any, window: str, target: str, **params: t.Any) -> str:
    targets = [{"Key": "WindowTargetIds", "Values": [target]}]
    given = {"TaskArn": "AWS-RunShellScript", "TaskType": "RUN_COMMAND", "Targets": targets, **_LIMITS, **params}
    return str(ssm.register_task_with_maintenance_window(WindowId=window, **given)["WindowTaskId"])


def test_an_update_leaves_what_it_does_not_say_unless_it_replaces(ssm: t.Any, made: Made) -> None:
    window = made(Description="For tests", ScheduleTimezone="Europe/Berlin")
    ssm.update_maintenance_window(WindowId=window, Duration=3, Enabled=False)
    row = ssm.get_maintenance_window(WindowId=window)
    assert (row["Duration"], row["Description"], row["Enabled"]) == (3, "For tests", False)
    assert "NextExecutionTime" not in row
    with refused("ValidationException", "Name, Schedule"):
        ssm.update_maintenance_window(WindowId=window, Duration=3, Replace=True)
    ssm.update_maintenance_window(WindowId=window, **_WINDOW, Enabled=True, Replace=True)
    row = ssm.get_maintenance_window(WindowId=window)
    assert not {"Description", "ScheduleTimezone"} & set(row)
    assert row["NextExecutionTime"]


def test_a_task_loses_what_it_is_carried_out_with_and_is_not_told_again(ssm: t.Any, made: Made) -> None:
    window = made()
    said = {"RunCommand": {"Parameters": {"commands": ["id"]}, "Comment": "old"}}
    task = _task(ssm, window, _target(ssm, window), TaskInvocationParameters=said, Name="one")
    ids = {"WindowId": window, "WindowTaskId": task}
    ssm.update_maintenance_window_task(**ids, TaskInvocationParameters={"RunCommand": {"Parameters": {"commands": ["w"]}}})
    row = ssm.get_maintenance_window_task(**ids)
    assert row["TaskInvocationParameters"] == {"RunCommand": {"Parameters": {"commands": ["w"]}}}
    assert (row["Name"], row["MaxErrors"], row["TaskType"]) == ("one", "1", "RUN_COMMAND")
    (listed,) = pages(ssm, "describe_maintenance_window_tasks", WindowId=window)
    assert (listed["Type"], "TaskInvocationParameters" in listed) == ("RUN_COMMAND", False)


def test_a_target_in_use_is_kept_when_that_is_to_be_safe(ssm: t.Any, made: Made) -> None:
    window = made()
    target = _target(ssm, window)
    _task(ssm, window, target)
    with refused("TargetInUseException"):
        ssm.deregister_target_from_maintenance_window(WindowId=window, WindowTargetId=target, Safe=True)
    ssm.deregister_target_from_maintenance_window(WindowId=window, WindowTargetId=target)
    assert pages(ssm, "describe_maintenance_window_targets", WindowId=window) == []


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"Schedule": "nightly"}, "Invalid schedule"),
        ({"Schedule": "cron(0 2 ? * SAN *)"}, "Invalid schedule"),
        ({"ScheduleTimezone": "Europe/Nowhere"}, "Invalid schedule"),
        ({"Cutoff": 2}, "Cutoff must be less than duration"),
        ({"ScheduleOffset": 2}, "only supported for cron"),
    ],
)
def test_what_cannot_be_is_refused(made: Made, params: dict[str, t.Any], words: str) -> None:
    with refused("ValidationException", words):
        made(**params)


def test_tags_are_those_of_the_window(ssm: t.Any, made: Made) -> None:
    window = made(Tags=[{"Key": "site", "Value": "plant7"}])
    of = {"ResourceType": "MaintenanceWindow", "ResourceId": window}
    ssm.add_tags_to_resource(**of, Tags=[{"Key": "line", "Value": "b"}])
    ssm.remove_tags_from_resource(**of, TagKeys=["site"])
    assert ssm.list_tags_for_resource(**of)["TagList"] == [{"Key": "line", "Value": "b"}]


@pytest.mark.parametrize(
    ("schedule", "zone", "days"),
    [
        ("cron(30 2 ? * MON-FRI *)", "UTC", {1, 2, 3, 4, 5}),
        ("cron(30 2 ? * 1 *)", "UTC", {7}),
        ("cron(30 2 ? * SAT,SUN *)", "UTC", {6, 7}),
        ("cron(30 2 ? * TUEL *)", "UTC", {2}),
        ("cron(30 23 ? * SUN *)", "America/New_York", {1}),
    ],
)
def test_the_next_openings_are_those_of_the_schedule(ssm: t.Any, made: Made, schedule: str, zone: str, days: set[int]) -> None:
    window = made(Schedule=schedule, ScheduleTimezone=zone)
    rows = ssm.describe_maintenance_window_schedule(WindowId=window)["ScheduledWindowExecutions"]
    moments = [datetime.datetime.fromisoformat(row["ExecutionTime"].replace("Z", "+00:00")) for row in rows]
    assert len(moments) == 10
    assert moments == sorted(moments)
    assert {moment.isoweekday() for moment in moments} == days
    assert {moment.minute for moment in moments} == {30}


def test_a_window_runs_its_commands_when_its_time_has_come(ssm: t.Any, made: Made) -> None:
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
    window = made(Schedule=f"at({soon.replace(tzinfo=None).isoformat(timespec='milliseconds')})")
    target = _target(ssm, window)
    for name, script in (("good", "echo done"), ("bad", "exit 3")):
        said = {"RunCommand": {"Parameters": {"commands": [script]}}}
        _task(ssm, window, target, Name=name, TaskInvocationParameters=said)
    executions = []
    for _attempt in range(100):
        executions = pages(ssm, "describe_maintenance_window_executions", WindowId=window)
        if executions and executions[0]["Status"] != "IN_PROGRESS":
            break
        time.sleep(0.1)
    (execution,) = executions
    assert (execution["Status"], execution["EndTime"] >= execution["StartTime"]) == ("FAILED", True)
    of_execution = {"WindowExecutionId": execution["WindowExecutionId"]}
    good, bad = pages(ssm, "describe_maintenance_window_execution_tasks", **of_execution)
    assert (good["Status"], bad["Status"], bad["StatusDetails"]) == ("SUCCESS", "FAILED", "Failed: 2 of 2 targets")
    (row,) = pages(ssm, "describe_maintenance_window_execution_task_invocations", **of_execution, TaskId=bad["TaskExecutionId"])
    assert row["WindowTargetId"] == target
    commands = pages(ssm, "list_command_invocations", CommandId=row["ExecutionId"])
    assert {command["Status"] for command in commands} == {"Failed"}
    # It was to open once.
    assert pages(ssm, "describe_maintenance_window_executions", WindowId=window) == [execution]
