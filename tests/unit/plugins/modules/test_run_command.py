# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module run_command, against an AWS that runs commands as time passes; the calls it takes are counted."""

from __future__ import annotations

import collections
import functools
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._engine.interruption import Interruption
from ansible_collections.fleet.ssm.plugins.modules import run_command

from tests.unit.conftest import FakeAws, Refusal
from tests.unit.plugins.modules.command_fleet import CommandFleet, Plugin, node_id

SCRIPT: dict[str, t.Any] = {"document": "AWS-RunShellScript", "parameters": {"commands": "uptime"}}
WEB = {"targets": [{"key": "tag:role", "values": ["web"]}]}


@pytest.fixture
def fleet(fake_aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> CommandFleet:
    """Three nodes with the tag, each of which answers at the second question; no time passes while the module waits."""
    fleet = CommandFleet(fake_aws, nodes=3)
    monkeypatch.setattr(Interruption, "sleep", lambda _watch, _seconds: fleet.tick())
    monkeypatch.setattr(Interruption, "now", lambda _watch: float(fleet.ticks))
    monkeypatch.setattr(Interruption, "on_death", lambda _watch, _act: None)
    return fleet


@pytest.fixture
def send(run: t.Callable[..., t.Any], fleet: CommandFleet) -> t.Callable[..., t.Any]:
    return functools.partial(run, run_command.main, **SCRIPT)


def _nodes(*numbers: int) -> list[str]:
    return [node_id(number) for number in numbers]


def test_runs_it_and_tells_of_each_node_in_order(send: t.Any, fleet: CommandFleet) -> None:
    fleet.outputs[node_id(1)] = [Plugin("up 3 days\n", "warning\n")]
    result = send(**WEB)
    assert result["changed"]
    assert (result["status"], result["status_details"]) == ("Success", "Success")
    assert result["counts"] == {"targets": 3, "completed": 3, "errors": 0, "delivery_timed_out": 0}
    assert result["command_ids"] == [result["command_id"]] == list(fleet.commands)
    assert [one["instance_id"] for one in result["invocations"]] == _nodes(1, 2, 3)
    first = result["invocations"][0]
    assert (first["stdout"], first["stderr"], first["response_code"]) == ("up 3 days\n", "warning\n", 0)
    assert (first["computer_name"], first["output_cut"]) == ("node-1.example.com", False)
    assert first["steps"][0]["name"] == "aws:runShellScript"
    assert result["command"] == {
        "document": "AWS-RunShellScript",
        "parameters": {"commands": ["uptime"]},
        "targets": WEB["targets"],
    }


def test_sends_nothing_check_mode(send: t.Any, fleet: CommandFleet) -> None:
    result = send(instance_ids=_nodes(2), max_errors="10%", delivery_timeout=60, check_mode=True)
    assert result["changed"]
    assert result["command"] == {
        "document": "AWS-RunShellScript",
        "parameters": {"commands": ["uptime"]},
        "instance_ids": _nodes(2),
        "max_errors": "10%",
        "delivery_timeout": 60,
    }
    assert fleet.aws.operations() == []


def test_does_not_wait_when_told_so(send: t.Any, fleet: CommandFleet) -> None:
    result = send(**WEB, wait=False)
    assert (result["changed"], list(fleet.commands)) == (True, [result["command_id"]])
    assert "invocations" not in result
    assert fleet.aws.operations() == ["SendCommand"]


def test_asks_for_all_options_in_aws_s_words(send: t.Any, fleet: CommandFleet) -> None:
    send(
        **WEB,
        document_version="2",
        comment="nightly",
        max_concurrency="5",
        service_role_arn="arn:aws:iam::123456789012:role/notify",
        notification_config={"notification_arn": "arn:aws:sns:eu-west-1:1:t", "notification_events": ["Failed"]},
        cloud_watch_output_config={"cloud_watch_output_enabled": True},
        output_s3_bucket_name="our-logs",
        output_s3_key_prefix="commands",
    )
    (command,) = fleet.commands.values()
    assert {name: value for name, value in command.request.items() if name not in ("DocumentName", "Parameters", "Targets")} == {
        "DocumentVersion": "2",
        "Comment": "nightly",
        "MaxConcurrency": "5",
        "ServiceRoleArn": "arn:aws:iam::123456789012:role/notify",
        "NotificationConfig": {"NotificationArn": "arn:aws:sns:eu-west-1:1:t", "NotificationEvents": ["Failed"]},
        "CloudWatchOutputConfig": {"CloudWatchOutputEnabled": True},
        "OutputS3BucketName": "our-logs",
        "OutputS3KeyPrefix": "commands",
    }


def test_a_thousand_nodes_take_few_calls(send: t.Any, fleet: CommandFleet) -> None:
    fleet.grow(1000)
    fleet.seconds = 60
    for number in range(1, 1001):
        fleet.outputs[node_id(number)] = [Plugin(f"{number}\n", "", number % 7)]
    result = send(**WEB, fail_on="none")
    calls = collections.Counter(fleet.aws.operations())
    assert calls == {"SendCommand": 1, "ListCommands": fleet.ticks + 1, "ListCommandInvocations": 20}
    assert [one["instance_id"] for one in result["invocations"]] == sorted(fleet.nodes)
    told = {one["instance_id"]: (one["response_code"], one["stdout"]) for one in result["invocations"]}
    assert told == {node_id(number): (number % 7, f"{number}\n") for number in range(1, 1001)}


def test_a_new_command_that_aws_does_not_know_yet_is_waited_for(send: t.Any, fleet: CommandFleet) -> None:
    fleet.unknown_for = 4
    assert send(**WEB)["counts"]["completed"] == 3


def test_a_list_of_nodes_that_lags_behind_is_asked_for_again(send: t.Any, fleet: CommandFleet) -> None:
    fleet.list_lags_for = 3
    assert len(send(**WEB)["invocations"]) == 3


@pytest.mark.parametrize("operation", ["ListCommands", "ListCommandInvocations"])
def test_throttling_does_not_fail_it(send: t.Any, fleet: CommandFleet, operation: str) -> None:
    fleet.throttle(operation, 2)
    assert send(**WEB)["status"] == "Success"


def test_throttling_of_a_node_s_output_is_a_warning(send: t.Any, fleet: CommandFleet) -> None:
    fleet.outputs[node_id(1)] = [Plugin("x" * 5000)]
    fleet.throttle("GetCommandInvocation", 1)
    result = send(**WEB)
    assert (result["status"], result["invocations"][0]["output_cut"]) == ("Success", True)
    assert any("GetCommandInvocation" in one for one in result["warnings"])


def test_the_failure_names_the_node_the_exit_code_and_what_it_printed(send: t.Any, fleet: CommandFleet) -> None:
    fleet.outputs[node_id(2)] = [
        Plugin("so far\n", "line 1: nope: command not found\nfailed to run commands: exit status 127", 127)
    ]
    result = send(**WEB)
    assert result["failed"]
    assert (result["status"], result["counts"]["errors"], result["invocations"][1]["response_code"]) == ("Failed", 1, 127)
    lines = result["msg"].splitlines()
    assert lines[0] == f"AWS-RunShellScript succeeded on 2 of 3 nodes (command {result['command_id']})."
    assert "Failed with exit code 127 on " + node_id(2) in lines[1]
    assert "  | line 1: nope: command not found" in lines
    assert "  next: The shell did not find a program: install it, or give its whole path." in lines


def test_failures_that_are_alike_are_told_once(send: t.Any, fleet: CommandFleet) -> None:
    fleet.grow(200)
    fleet.outputs = {node: [Plugin("", "no\n", 1)] for node in fleet.nodes}
    lines = send(**WEB)["msg"].splitlines()
    assert lines[0].startswith("AWS-RunShellScript succeeded on 0 of 200 nodes")
    assert len(lines) < 10
    assert any("and 196 more" in line for line in lines)


@pytest.mark.parametrize(
    ("failing", "max_errors", "fail_on", "fails"),
    [
        (1, "1", "any", True),
        (1, "1", "max_errors", False),
        (2, "1", "max_errors", True),
        (1, "34%", "max_errors", False),
        (1, "33%", "max_errors", True),
        (3, "3", "max_errors", True),
        (3, "0", "none", False),
    ],
)
def test_what_fails_it_is_the_user_s_choice(
    send: t.Any, fleet: CommandFleet, failing: int, max_errors: str, fail_on: str, fails: bool
) -> None:
    fleet.outputs = {node_id(number): [Plugin("", "", 1)] for number in range(1, failing + 1)}
    result = send(**WEB, max_errors=max_errors, max_concurrency="3", fail_on=fail_on)
    assert result.get("failed", False) is fails
    assert result["counts"]["errors"] == failing


def test_targets_that_match_nothing_are_told(send: t.Any, fleet: CommandFleet) -> None:
    fleet.nodes.clear()
    result = send(**WEB)
    assert (result["failed"], result["changed"], result["invocations"]) == (True, False, [])
    assert "No managed node matches the targets" in result["msg"]


def test_output_that_the_list_has_whole_is_not_asked_for(send: t.Any, fleet: CommandFleet) -> None:
    fleet.outputs = {node_id(1): [Plugin("", "only this\n")], node_id(2): [Plugin("x" * 2400)], node_id(3): [Plugin("", "", 3)]}
    result = send(**WEB, fail_on="none")
    assert [(one["stdout"], one["stderr"]) for one in result["invocations"]] == [("", "only this\n"), ("x" * 2400, ""), ("", "")]
    assert "GetCommandInvocation" not in fleet.aws.operations()


@pytest.mark.parametrize(("output", "whole"), [("all", {1, 2}), ("failed", {2}), ("none", set())])
def test_output_that_is_cut_is_asked_for_where_it_is_wanted(send: t.Any, fleet: CommandFleet, output: str, whole: set[int]) -> None:
    fleet.outputs = {node_id(1): [Plugin("x" * 5000)], node_id(2): [Plugin("y" * 5000, "z" * 3000, 1)]}
    result = send(**WEB, output=output, fail_on="none")
    first, second, _third = result["invocations"]
    assert (len(first["stdout"]) == 5000, first["output_cut"]) == (1 in whole, 1 not in whole)
    assert (second["stdout"] == "y" * 5000, second["stderr"] == "z" * 3000) == (2 in whole, 2 in whole)
    assert second["output_cut"] == (2 not in whole)
    assert second["stdout"].startswith("y" * 1000)
    assert fleet.aws.operations().count("GetCommandInvocation") == len(whole)


def test_streams_that_cannot_be_told_apart_are_asked_for(send: t.Any, fleet: CommandFleet) -> None:
    tricky = "a\n----------ERROR-------\nb"
    fleet.outputs[node_id(1)] = [Plugin(tricky, "c")]
    first = send(**WEB)["invocations"][0]
    assert (first["stdout"], first["stderr"]) == (tricky, "c")


def test_steps_of_a_document_are_asked_for_by_their_names(send: t.Any, fleet: CommandFleet) -> None:
    fleet.outputs[node_id(1)] = [Plugin("a" * 3000, name="first"), Plugin("b\n", "bad\n", 4, name="second")]
    first = send(**WEB, fail_on="none")["invocations"][0]
    assert [(step["name"], step["response_code"], len(step["stdout"])) for step in first["steps"]] == [
        ("first", 0, 3000),
        ("second", 4, 2),
    ]
    assert (first["response_code"], first["stdout"], first["stderr"]) == (4, "a" * 3000 + "b\n", "bad\n")
    asked = [params for name, params in fleet.aws.calls if name == "GetCommandInvocation"]
    assert [params["PluginName"] for params in asked] == ["first"]


def test_output_that_may_not_be_asked_for_is_a_warning(send: t.Any, fleet: CommandFleet) -> None:
    fleet.outputs = {node_id(number): [Plugin("x" * 5000)] for number in (1, 2)}
    fleet.aws.deny("GetCommandInvocation")
    result = send(**WEB)
    assert [one["output_cut"] for one in result["invocations"]] == [True, True, False]
    # Before ansible-core 2.19, warnings of tests that ran earlier in this process are among them.
    assert len([one for one in result["warnings"] if "Allow the IAM action ssm:GetCommandInvocation" in one]) == 1


def test_full_output_is_read_from_s3(send: t.Any, fleet: CommandFleet) -> None:
    fleet.outputs[node_id(1)] = [Plugin("x" * 30_000 + "end\n", "short")]
    result = send(**WEB, output_s3_bucket_name="our-logs", output_s3_key_prefix="deep/down", full_output=True)
    first = result["invocations"][0]
    assert (first["stdout"], first["stderr"], first["output_cut"]) == ("x" * 30_000 + "end\n", "short", False)
    (asked,) = [params for name, params in fleet.aws.calls if name == "GetObject"]
    key = f"deep/down/{result['command_id']}/{node_id(1)}/awsrunShellScript/0.awsrunShellScript/stdout"
    assert (asked["Bucket"], asked["Key"]) == ("our-logs", key)


def test_full_output_is_read_from_cloudwatch_logs(send: t.Any, fleet: CommandFleet) -> None:
    fleet.outputs[node_id(1)] = [Plugin("", "e" * 50 + "\n" + "f" * 30_000 + "\n")]
    result = send(**WEB, cloud_watch_output_config={"cloud_watch_output_enabled": True}, full_output=True)
    first = result["invocations"][0]
    assert (first["stderr"], first["output_cut"]) == ("e" * 50 + "\n" + "f" * 30_000 + "\n", False)
    asked = [params for name, params in fleet.aws.calls if name == "GetLogEvents"]
    assert {params["logGroupName"] for params in asked} == {"/aws/ssm/AWS-RunShellScript"}
    assert {params["logStreamName"] for params in asked} == {f"{result['command_id']}/{node_id(1)}/aws-runShellScript/stderr"}


def test_output_that_is_not_in_the_bucket_stays_cut_with_a_warning(send: t.Any, fleet: CommandFleet) -> None:
    fleet.outputs[node_id(1)] = [Plugin("x" * 30_000)]
    fleet.aws.deny("GetObject", "NoSuchKey", "The specified key does not exist.")
    result = send(**WEB, output_s3_bucket_name="our-logs", full_output=True)
    assert (len(result["invocations"][0]["stdout"]), result["invocations"][0]["output_cut"]) == (24_000, True)
    assert any("NoSuchKey" in one for one in result["warnings"])


def test_more_than_fifty_ids_are_sent_in_parts_one_after_another(send: t.Any, fleet: CommandFleet) -> None:
    fleet.grow(120)
    result = send(instance_ids=sorted(fleet.nodes, reverse=True), max_concurrency="10%", max_errors="5%")
    sent = [command.request for command in fleet.commands.values()]
    assert [len(request["InstanceIds"]) for request in sent] == [50, 50, 20]
    assert {(request["MaxConcurrency"], request["MaxErrors"]) for request in sent} == {("12", "6")}
    assert fleet.most_at_once == 1
    assert result["command_ids"] == list(fleet.commands)
    assert result["counts"]["completed"] == 120
    assert [one["instance_id"] for one in result["invocations"]] == sorted(fleet.nodes)


def test_parts_are_left_out_when_more_failed_than_may(send: t.Any, fleet: CommandFleet) -> None:
    fleet.grow(150)
    ids = sorted(fleet.nodes)
    for node in (ids[3], ids[55], ids[56]):
        fleet.outputs[node] = [Plugin("", "", 1)]
    result = send(instance_ids=ids, max_errors="2")
    assert [command.request["MaxErrors"] for command in fleet.commands.values()] == ["2", "1"]
    assert result["not_sent"] == ids[100:]
    assert "It was not sent to 50 of them, as more failed than max_errors allows." in result["msg"]


def _refuse_second(fleet: CommandFleet, code: str) -> None:
    """Have the second request to send refused."""
    answer = fleet.aws.answers["SendCommand"]

    def refuse(params: dict[str, t.Any]) -> dict[str, t.Any]:
        if fleet.aws.operations().count("SendCommand") == 2:
            raise Refusal(code)
        return answer(params)

    fleet.aws.answers["SendCommand"] = refuse


def test_a_part_that_was_throttled_is_sent_again(send: t.Any, fleet: CommandFleet) -> None:
    fleet.grow(60)
    _refuse_second(fleet, "ThrottlingException")
    assert send(instance_ids=sorted(fleet.nodes))["counts"]["completed"] == 60
    assert len(fleet.commands) == 2


def test_a_part_that_may_have_arrived_is_not_sent_again(send: t.Any, fleet: CommandFleet) -> None:
    fleet.grow(60)
    _refuse_second(fleet, "InternalServerError")
    result = send(instance_ids=sorted(fleet.nodes))
    assert "Whether AWS got the command is not known" in result["msg"]
    assert result["command_ids"] == list(fleet.commands)
    assert fleet.aws.operations().count("SendCommand") == 2


def test_the_same_id_twice_is_one_node(send: t.Any, fleet: CommandFleet) -> None:
    send(instance_ids=_nodes(1, 2, 1))
    (command,) = fleet.commands.values()
    assert command.request["InstanceIds"] == _nodes(1, 2)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"instance_ids": []}, "empty list"),
        ({}, "one of the following is required: instance_ids, targets"),
        ({**WEB, "instance_ids": ["i-0123456789abcdef0"]}, "mutually exclusive"),
        ({**WEB, "max_errors": "some"}, "max_errors must be a number or a percentage"),
        ({**WEB, "max_concurrency": "0"}, "max_concurrency must be a number or a percentage"),
        ({**WEB, "delivery_timeout": 5}, "delivery_timeout must be from 30 to 2592000, not 5"),
        ({**WEB, "comment": "c" * 101}, "comment must be at most 100 characters long, not 101"),
        ({**WEB, "full_output": True}, "full_output needs output_s3_bucket_name"),
        ({"instance_ids": _nodes(*range(1, 60)), "wait": False}, "choose the nodes by targets"),
    ],
)
def test_refuses_what_cannot_be_right(send: t.Any, fleet: CommandFleet, options: dict[str, t.Any], sentence: str) -> None:
    result = send(**options)
    assert result["failed"]
    assert sentence in result["msg"]
    assert fleet.aws.operations() == []


def test_a_node_that_is_not_online_is_told_with_what_to_do(send: t.Any, fleet: CommandFleet) -> None:
    fleet.aws.deny("SendCommand", "InvalidInstanceId", "Instances [[i-0123456789abcdef0]] not in a valid state for account 1")
    message = send(instance_ids=_nodes(1))["msg"]
    assert "i-0123456789abcdef0" in message
    assert "fleet.ssm.node_doctor says why" in message


def test_names_the_missing_permission(send: t.Any, fleet: CommandFleet) -> None:
    fleet.aws.deny("SendCommand")
    assert "Allow the IAM action ssm:SendCommand" in send(**WEB)["msg"]


def test_a_command_that_can_be_sent_but_not_watched_is_named(send: t.Any, fleet: CommandFleet) -> None:
    fleet.aws.deny("ListCommands")
    result = send(**WEB)
    assert "Allow the IAM action ssm:ListCommands" in result["msg"]
    assert f"The command {result['command_id']} goes on" in result["msg"]


def test_the_time_to_wait_ends_it_with_what_there_is(send: t.Any, fleet: CommandFleet) -> None:
    fleet.seconds = 10_000
    fleet.slow = {node_id(3)}
    result = send(**WEB, wait_timeout=30)
    assert result["failed"]
    assert "It was not over after 30 seconds. 2 of 3 nodes are done" in result["msg"]
    assert [one["status"] for one in result["invocations"]] == ["Success", "Success", "InProgress"]


def test_an_interrupted_one_is_cancelled(send: t.Any, fleet: CommandFleet) -> None:
    fleet.seconds = 10_000
    fleet.interrupt_at = 3
    fleet.unknown_to_cancel_for = 1
    result = send(**WEB)
    assert "It was cancelled." in result["msg"]
    assert fleet.cancelled == [result["command_id"]]


def test_a_command_that_somebody_cancelled_has_failed(send: t.Any, fleet: CommandFleet) -> None:
    fleet.cancel_at = 1
    result = send(**WEB, max_errors="3", fail_on="max_errors")
    assert (result["failed"], result["status"]) == (True, "Cancelled")
    assert "Somebody cancelled it" in result["msg"]


def test_imports_nothing_that_association_does_not_but_the_collection_s_own() -> None:
    """Print what importing each of them takes beyond AnsibleModule and botocore."""
    program = (
        "import sys; from tests.unit import conftest; import ansible.module_utils.basic;"
        " from ansible_collections.fleet.ssm.plugins.modules import {};"
        " print(*sys.modules, sep=chr(10))"
    )
    imported = {
        name: set(
            subprocess.run([sys.executable, "-c", program.format(name)], capture_output=True, text=True, check=True).stdout.split()
        )
        for name in ("association", "run_command")
    }
    more = {name for name in imported["run_command"] - imported["association"] if not name.startswith("ansible_collections.")}
    assert more == set()
