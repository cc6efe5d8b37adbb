# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Associations are made, changed, listed, described and deleted as AWS documents it."""

from __future__ import annotations

import collections.abc
import time
import typing as t

import pytest

from tests.integration.emulator.calls import pages, refused
from tests.integration.running_emulator import RunningEmulator

_UPDATE = "AWS-UpdateSSMAgent"
_WEB = [{"Key": "tag:role", "Values": ["web"]}]

Made = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def made(ssm: t.Any) -> collections.abc.Iterator[Made]:
    """Makes associations, which go when the test ends."""
    yield lambda **params: dict(ssm.create_association(**{"Name": _UPDATE, **params})["AssociationDescription"])
    for row in pages(ssm, "list_associations"):
        ssm.delete_association(AssociationId=row["AssociationId"])


def _described(ssm: t.Any, association: dict[str, t.Any]) -> dict[str, t.Any]:
    return dict(ssm.describe_association(AssociationId=association["AssociationId"])["AssociationDescription"])


def test_an_association_is_described_as_it_was_made(ssm: t.Any, made: Made) -> None:
    association = made(AssociationName="agents", Targets=_WEB, ScheduleExpression="rate(14 days)", MaxErrors="5%")
    row = _described(ssm, association)
    assert row == association
    assert (row["Name"], row["AssociationName"], row["AssociationVersion"]) == (_UPDATE, "agents", "1")
    assert (row["Targets"], row["MaxErrors"], row["DocumentVersion"]) == (_WEB, "5%", "$DEFAULT")


def test_a_list_has_less_of_each(ssm: t.Any, made: Made) -> None:
    made(AssociationName="agents", Targets=_WEB, MaxErrors="5%")
    (row,) = pages(ssm, "list_associations")
    assert (row["AssociationName"], row["Targets"]) == ("agents", _WEB)
    assert not {"MaxErrors", "Date"} & set(row)


def test_associations_are_found_by_name_and_document(ssm: t.Any, made: Made) -> None:
    one = made(AssociationName="one")
    made(AssociationName="other", Name="AWS-RunShellScript", Parameters={"commands": ["id"]})
    for key, value in (("AssociationName", "one"), ("Name", _UPDATE)):
        rows = pages(ssm, "list_associations", AssociationFilterList=[{"key": key, "value": value}])
        assert [row["AssociationId"] for row in rows] == [one["AssociationId"]]


def test_an_update_empties_what_it_does_not_say(ssm: t.Any, made: Made) -> None:
    association = made(AssociationName="agents", Targets=_WEB, MaxErrors="5%")
    ssm.update_association(AssociationId=association["AssociationId"], Targets=_WEB, ScheduleExpression="rate(7 days)")
    row = _described(ssm, association)
    assert (row["Name"], row["Targets"], row["ScheduleExpression"]) == (_UPDATE, _WEB, "rate(7 days)")
    assert row["AssociationVersion"] == "2"
    assert not {"AssociationName", "MaxErrors"} & set(row)


def test_the_document_of_an_association_stays(ssm: t.Any, made: Made) -> None:
    association = made()
    with refused("InvalidUpdate"):
        ssm.update_association(AssociationId=association["AssociationId"], Name="AWS-RunShellScript")


def test_a_deleted_association_is_gone(ssm: t.Any, made: Made) -> None:
    association = made()
    ssm.delete_association(AssociationId=association["AssociationId"])
    for call in (ssm.describe_association, ssm.delete_association):
        with refused("AssociationDoesNotExist"):
            call(AssociationId=association["AssociationId"])


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"Name": "No-Such"}, "InvalidDocument"),
        ({"Parameters": {"no": ["such"]}}, "InvalidParameters"),
        ({"ScheduleExpression": "every two weeks"}, "InvalidSchedule"),
        ({"Targets": [{"Key": "role", "Values": ["web"]}]}, "InvalidTarget"),
        ({"MaxErrors": "200%"}, "ValidationException"),
        ({"AssociationName": "x y"}, "ValidationException"),
    ],
)
def test_what_cannot_be_is_refused(made: Made, params: dict[str, t.Any], code: str) -> None:
    with refused(code):
        made(**params)


@pytest.mark.parametrize(
    ("targets", "machines"),
    [
        (_WEB, {"web-1", "web-2"}),
        ([{"Key": "tag:role", "Values": ["web", "db"]}], {"web-1", "web-2", "db-1"}),
        ([*_WEB, {"Key": "tag-key", "Values": ["note"]}], {"web-1"}),
        ([{"Key": "InstanceIds", "Values": ["*"]}], {"web-1", "web-2", "db-1", "snakeless", "aged"}),
    ],
)
def test_an_association_is_one_of_the_nodes_that_it_targets(
    ssm: t.Any, emulator: RunningEmulator, made: Made, targets: list[dict[str, t.Any]], machines: set[str]
) -> None:
    association = made(Targets=targets)
    found = set()
    for machine, node in emulator.nodes().items():
        rows = pages(ssm, "describe_instance_associations_status", InstanceId=node)
        assert {row["AssociationId"] for row in rows} <= {association["AssociationId"]}
        found |= {machine} if rows else set()
    assert found == machines


def _when_over(ssm: t.Any, association: dict[str, t.Any]) -> dict[str, t.Any]:
    for _attempt in range(100):
        row = _described(ssm, association)
        if row["Overview"]["Status"] not in ("Pending", "InProgress"):
            return row
        time.sleep(0.1)
    raise AssertionError(row)


def test_an_association_is_carried_out_when_it_is_made(ssm: t.Any, emulator: RunningEmulator, made: Made) -> None:
    # On one of the two, there is nothing to count.
    script = {"commands": ['test "$(hostname)" = web-1']}
    association = made(Name="AWS-RunShellScript", Parameters=script, Targets=_WEB)
    row = _when_over(ssm, association)
    counts = {"Success": 1, "Failed": 1}
    assert (row["Overview"]["Status"], row["Overview"]["AssociationStatusAggregatedCount"]) == ("Failed", counts)
    of_it = {"AssociationId": association["AssociationId"]}
    (execution,) = pages(ssm, "describe_association_executions", **of_it)
    of_it["ExecutionId"] = execution["ExecutionId"]
    failed = [{"Key": "Status", "Value": "Failed"}]
    (target,) = pages(ssm, "describe_association_execution_targets", **of_it, Filters=failed)
    node = emulator.nodes()["web-2"]
    assert (target["ResourceId"], target["OutputSource"]["OutputSourceType"]) == (node, "RunCommand")
    command = target["OutputSource"]["OutputSourceId"]
    assert ssm.get_command_invocation(CommandId=command, InstanceId=node)["ResponseCode"] == 1
    (on_node,) = pages(ssm, "describe_instance_associations_status", InstanceId=node)
    assert on_node["Status"] == "Failed"
    with refused("AssociationExecutionDoesNotExist"):
        ssm.describe_association_execution_targets(**{**of_it, "ExecutionId": command})


def test_an_association_that_waits_for_its_time_can_be_started(ssm: t.Any, made: Made) -> None:
    waits = {"ScheduleExpression": "cron(0 2 ? * SUN *)", "ApplyOnlyAtCronInterval": True}
    association = made(Name="AWS-RunShellScript", Parameters={"commands": ["true"]}, Targets=_WEB, **waits)
    of_it = {"AssociationId": association["AssociationId"]}
    assert pages(ssm, "describe_association_executions", **of_it) == []
    for count in (1, 2):
        ssm.start_associations_once(AssociationIds=[association["AssociationId"]])
        assert _when_over(ssm, association)["Overview"]["Status"] == "Success"
        assert len(pages(ssm, "describe_association_executions", **of_it)) == count
    newest, oldest = pages(ssm, "describe_association_executions", **of_it)
    between = oldest["CreatedTime"] + (newest["CreatedTime"] - oldest["CreatedTime"]) / 2
    after = [{"Key": "CreatedTime", "Value": between.isoformat(), "Type": "GREATER_THAN"}]
    assert pages(ssm, "describe_association_executions", **of_it, Filters=after) == [newest]
