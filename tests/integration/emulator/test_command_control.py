# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Command is cancelled, paced, given up, late and paged, and puts output elsewhere, as AWS documents it."""

from __future__ import annotations

import collections
import json
import time
import typing as t

import pytest

from tests.integration.emulator.calls import NOWHERE, SHELL_SCRIPT, pages, refused
from tests.integration.running_emulator import RunningEmulator

WEB = [{"Key": "tag:role", "Values": ["web"]}]


def _send(ssm: t.Any, *lines: str, **params: t.Any) -> str:
    sent = ssm.send_command(**{"DocumentName": SHELL_SCRIPT, "Parameters": {"commands": list(lines)}, **params})
    return str(sent["Command"]["CommandId"])


def _row(ssm: t.Any, command_id: str) -> dict[str, t.Any]:
    (row,) = ssm.list_commands(CommandId=command_id)["Commands"]
    return dict(row)


def _until(ssm: t.Any, command_id: str, *statuses: str) -> dict[str, t.Any]:
    deadline = time.monotonic() + 30
    while (row := _row(ssm, command_id))["Status"] not in statuses:
        assert time.monotonic() < deadline, row
        time.sleep(0.05)
    return row


def _invocations(ssm: t.Any, command_id: str) -> list[dict[str, t.Any]]:
    return pages(ssm, "list_command_invocations", CommandId=command_id, Details=True)


def _records(emulator: RunningEmulator, count: int, *answers: dict[str, t.Any], name: str = "much") -> list[dict[str, t.Any]]:
    """Have so many nodes that only answer; return the targets that mean them."""
    order = {"count": count, "kind": "hybrid", "name": name, "tags": {"batch": name}, "answers": list(answers)}
    emulator.add_records({"clear": True, "nodes": [order]})
    return [{"Key": "tag:batch", "Values": [name]}]


@pytest.fixture(autouse=True)
def _no_records_are_left(emulator: RunningEmulator) -> t.Iterator[None]:
    yield
    emulator.add_records({"clear": True})


@pytest.mark.parametrize("machine", ["web-2", "db-1"])
def test_a_cancelled_script_is_killed(ssm: t.Any, emulator: RunningEmulator, machine: str) -> None:
    node = emulator.nodes()[machine]
    mark = f"/tmp/fleet-ssm-cancelled-{machine}"
    emulator.run_command(machine, f"rm -f {mark}")
    command_id = _send(ssm, "echo begun", "sleep 3", f"touch {mark}", InstanceIds=[node])
    _until(ssm, command_id, "InProgress")
    time.sleep(0.5)
    ssm.cancel_command(CommandId=command_id)
    row = _until(ssm, command_id, "Cancelled")
    assert (row["StatusDetails"], row["CompletedCount"], row["ErrorCount"]) == ("Cancelled", 1, 0)
    done = ssm.get_command_invocation(CommandId=command_id, InstanceId=node)
    assert (done["Status"], done["ResponseCode"], done["StandardOutputContent"]) == ("Cancelled", 137, "begun\n")
    assert emulator.run_command(machine, "sleep 3", f"test -e {mark}")["ResponseCode"] == 1


def test_a_command_that_is_over_stays_as_it_was_when_it_is_cancelled(ssm: t.Any, emulator: RunningEmulator) -> None:
    command_id = emulator.run_command("web-2", "true")["CommandId"]
    ssm.cancel_command(CommandId=command_id)
    assert [one["Status"] for one in _invocations(ssm, command_id)] == ["Success"]


def test_a_command_is_cancelled_on_some_nodes(ssm: t.Any, emulator: RunningEmulator) -> None:
    nodes = emulator.nodes()
    command_id = _send(ssm, "sleep 1", Targets=WEB)
    _until(ssm, command_id, "InProgress")
    ssm.cancel_command(CommandId=command_id, InstanceIds=[nodes["web-2"]])
    _until(ssm, command_id, "Success", "Failed")
    told = {one["InstanceId"]: one["Status"] for one in _invocations(ssm, command_id)}
    assert told == {nodes["web-2"]: "Cancelled", nodes["web-1"]: "Success"}
    with refused("InvalidInstanceId"):
        ssm.cancel_command(CommandId=command_id, InstanceIds=[NOWHERE])


def test_only_a_command_that_there_is_can_be_cancelled(ssm: t.Any) -> None:
    with refused("InvalidCommandId"):
        ssm.cancel_command(CommandId="9d2b4c1e-5f0a-4c3b-8d7e-6a1f2b3c4d5e")


@pytest.mark.parametrize(("max_concurrency", "at_once"), [("2", 2), ("34%", 3), ("1%", 1)])
def test_no_more_nodes_run_it_at_once_than_may(ssm: t.Any, emulator: RunningEmulator, max_concurrency: str, at_once: int) -> None:
    targets = _records(emulator, 7, {"seconds": 0.3})
    command_id = _send(ssm, "x", Targets=targets, MaxConcurrency=max_concurrency)
    most = 0
    while _row(ssm, command_id)["Status"] in ("Pending", "InProgress"):
        running = [one for one in _invocations(ssm, command_id) if one["Status"] == "InProgress"]
        most = max(most, len(running))
    assert most == at_once
    assert _row(ssm, command_id)["CompletedCount"] == 7


def test_when_more_failed_than_may_it_is_begun_on_no_further_node(ssm: t.Any, emulator: RunningEmulator) -> None:
    targets = _records(emulator, 6, {"code": 1})
    command_id = _send(ssm, "x", Targets=targets, MaxConcurrency="1", MaxErrors="1")
    row = _until(ssm, command_id, "Failed")
    assert (row["ErrorCount"], row["CompletedCount"], row["TargetCount"]) == (2, 6, 6)
    assert collections.Counter(one["StatusDetails"] for one in _invocations(ssm, command_id)) == {"Failed": 2, "Terminated": 4}


def test_as_many_failures_as_may_be_are_a_success(ssm: t.Any, emulator: RunningEmulator) -> None:
    targets = _records(emulator, 4, {"code": 1}, {"code": 0})
    command_id = _send(ssm, "x", Targets=targets, MaxErrors="50%")
    row = _until(ssm, command_id, "Success", "Failed")
    assert (row["Status"], row["ErrorCount"]) == ("Success", 2)


def test_what_is_not_handed_over_in_time_is_given_up(ssm: t.Any, emulator: RunningEmulator) -> None:
    targets = _records(emulator, 2)
    emulator.order({"limit": {"delivery": 0.5}})
    command_id = _send(ssm, "x", Targets=targets)
    row = _until(ssm, command_id, "TimedOut")
    assert (row["StatusDetails"], row["DeliveryTimedOutCount"], row["ErrorCount"]) == ("DeliveryTimedOut", 2, 0)
    assert {(one["Status"], one["StatusDetails"]) for one in _invocations(ssm, command_id)} == {("TimedOut", "DeliveryTimedOut")}


def test_a_node_that_is_gone_is_not_to_be_reached(ssm: t.Any, emulator: RunningEmulator) -> None:
    command_id = _send(ssm, "x", Targets=_records(emulator, 1))
    emulator.add_records({"clear": True})
    assert _until(ssm, command_id, "Failed")["StatusDetails"] == "Incomplete"
    assert [one["StatusDetails"] for one in _invocations(ssm, command_id)] == ["Undeliverable"]


def test_a_new_command_is_unknown_for_a_moment(ssm: t.Any, emulator: RunningEmulator) -> None:
    emulator.order({"lag": {"seconds": 1}})
    node = emulator.nodes()["web-2"]
    command_id = _send(ssm, "true", InstanceIds=[node])
    with refused("InvocationDoesNotExist"):
        ssm.get_command_invocation(CommandId=command_id, InstanceId=node)
    with refused("InvalidCommandId"):
        ssm.list_commands(CommandId=command_id)
    assert _invocations(ssm, command_id) == []
    time.sleep(1.1)
    assert _until(ssm, command_id, "Success")["TargetCount"] == 1


def test_pages_are_short_when_ordered(ssm: t.Any, emulator: RunningEmulator) -> None:
    emulator.order({"pages": {"most": 3}})
    command_id = _send(ssm, "x", Targets=_records(emulator, 10, {}))
    answer = ssm.list_command_invocations(CommandId=command_id, MaxResults=50)
    assert len(answer["CommandInvocations"]) == 3
    assert len(_invocations(ssm, command_id)) == 10


def test_targets_that_match_nothing_have_no_nodes(ssm: t.Any) -> None:
    command_id = _send(ssm, "x", Targets=[{"Key": "tag:role", "Values": ["none of these"]}])
    row = _row(ssm, command_id)
    assert (row["StatusDetails"], row["TargetCount"]) == ("NoInstancesInTag", 0)


def test_several_targets_mean_the_nodes_that_all_of_them_do(ssm: t.Any, emulator: RunningEmulator) -> None:
    command_id = _send(ssm, "true", Targets=[*WEB, {"Key": "InstanceIds", "Values": [emulator.nodes()["web-1"]]}])
    assert [one["InstanceId"] for one in _invocations(ssm, command_id)] == [emulator.nodes()["web-1"]]


def test_a_resource_group_means_the_nodes_with_its_tags(ssm: t.Any, emulator: RunningEmulator) -> None:
    query = {"ResourceTypeFilters": ["AWS::AllSupported"], "TagFilters": [{"Key": "role", "Values": ["db"]}]}
    groups = emulator.client("resource-groups")
    groups.create_group(Name="databases", ResourceQuery={"Type": "TAG_FILTERS_1_0", "Query": json.dumps(query)})
    try:
        command_id = _send(ssm, "true", Targets=[{"Key": "resource-groups:Name", "Values": ["databases"]}])
        assert [one["InstanceId"] for one in _invocations(ssm, command_id)] == [emulator.nodes()["db-1"]]
    finally:
        groups.delete_group(GroupName="databases")


def test_the_list_has_the_beginning_of_both_streams_with_a_line_between(ssm: t.Any, emulator: RunningEmulator) -> None:
    done = emulator.run_command("web-2", "echo out", "yes err | head -c 5000 >&2")
    (plugin,) = _invocations(ssm, done["CommandId"])[0]["CommandPlugins"]
    assert plugin["Output"].startswith("out\n\n----------ERROR-------\nerr\n")
    assert plugin["Output"].endswith("\n---Error truncated----")
    assert len(plugin["Output"]) == 2500


def test_all_that_is_printed_is_put_into_a_bucket(ssm: t.Any, emulator: RunningEmulator) -> None:
    s3, node = emulator.client("s3"), emulator.nodes()["web-2"]
    s3.create_bucket(Bucket="outputs")
    place = {"OutputS3BucketName": "outputs", "OutputS3KeyPrefix": "a/b"}
    command_id = _send(ssm, "yes out | head -c 30000", "echo err >&2", InstanceIds=[node], **place)
    _until(ssm, command_id, "Success")
    keys = [row["Key"] for row in s3.list_objects_v2(Bucket="outputs")["Contents"] if command_id in row["Key"]]
    folder = f"a/b/{command_id}/{node}/awsrunShellScript/runShellScript"
    assert keys == [f"{folder}/stderr", f"{folder}/stdout"]
    assert s3.get_object(Bucket="outputs", Key=f"{folder}/stdout")["Body"].read() == b"out\n" * 7500
    told = ssm.get_command_invocation(CommandId=command_id, InstanceId=node)
    assert told["StandardOutputUrl"] == f"https://s3.us-east-1.amazonaws.com/outputs/{folder}/stdout"


def test_all_that_is_printed_is_sent_to_cloudwatch_logs(ssm: t.Any, emulator: RunningEmulator) -> None:
    node = emulator.nodes()["web-2"]
    command_id = _send(ssm, "echo out", InstanceIds=[node], CloudWatchOutputConfig={"CloudWatchOutputEnabled": True})
    _until(ssm, command_id, "Success")
    events = emulator.client("logs").get_log_events(
        logGroupName="/aws/ssm/AWS-RunShellScript",
        logStreamName=f"{command_id}/{node}/aws-runShellScript/stdout",
        startFromHead=True,
    )["events"]
    assert [event["message"] for event in events] == ["out"]


def test_each_step_of_a_document_is_told_by_its_name(ssm: t.Any, emulator: RunningEmulator) -> None:
    steps = [
        {"action": "aws:runShellScript", "name": name, "inputs": {"runCommand": [line]}}
        for name, line in (("first", "echo one"), ("second", "echo two; exit 4"))
    ]
    content = {"schemaVersion": "2.2", "description": "two", "mainSteps": steps}
    ssm.create_document(Name="TwoSteps", Content=json.dumps(content), DocumentType="Command")
    node = emulator.nodes()["web-2"]
    command_id = _send(ssm, DocumentName="TwoSteps", InstanceIds=[node], Parameters={})
    _until(ssm, command_id, "Failed")
    plugins = _invocations(ssm, command_id)[0]["CommandPlugins"]
    assert [(one["Name"], one["Status"], one["ResponseCode"]) for one in plugins] == [
        ("first", "Success", 0),
        ("second", "Failed", 4),
    ]
    second = ssm.get_command_invocation(CommandId=command_id, InstanceId=node, PluginName="second")
    assert (second["StandardOutputContent"], second["ResponseCode"]) == ("two\n", 4)
    ssm.delete_document(Name="TwoSteps")
