# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulator answers as AWS documents it: what is listed, what is refused and by which error, and its own pages."""

from __future__ import annotations

import collections.abc
import contextlib
import datetime
import json
import re
import time
import typing as t
import urllib.error
import urllib.request

import botocore.exceptions
import pytest

from tests.emulator.agent.identity import HybridKey
from tests.integration.bare_server import BareServer, RefusedError
from tests.integration.running_emulator import RunningEmulator

_NOWHERE = "i-0123456789abcdef0"
_SHELL_SCRIPT = "AWS-RunShellScript"
_FLEET = {"web-1", "web-2", "db-1", "snakeless"}


@pytest.fixture
def ssm(emulator: RunningEmulator) -> collections.abc.Iterator[t.Any]:
    """Systems Manager; what the test adds to the account goes when it ends."""
    client = emulator.client("ssm", retries={"total_max_attempts": 1})
    nodes, activations = _ids(client)
    emulator.reset()
    yield client
    emulator.reset()
    emulator.terminate_sessions()
    later = _ids(client)
    for node in later[0] - nodes:
        client.deregister_managed_instance(InstanceId=node)
    for activation in later[1] - activations:
        client.delete_activation(ActivationId=activation)


def _ids(client: t.Any) -> tuple[set[str], set[str]]:
    nodes, activations = _pages(client, "describe_instance_information"), _pages(client, "describe_activations")
    return {row["InstanceId"] for row in nodes}, {row["ActivationId"] for row in activations}


def _pages(client: t.Any, operation: str, **params: t.Any) -> list[dict[str, t.Any]]:
    everything = client.get_paginator(operation).paginate(**params).build_full_result()
    return next(value for value in everything.values() if isinstance(value, list))


@contextlib.contextmanager
def _refused(code: str, words: str = "") -> collections.abc.Iterator[None]:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        yield
    error = caught.value.response["Error"]
    assert (error["Code"], words in error["Message"]) == (code, True), error


# Activations


def _activation(ssm: t.Any, **params: t.Any) -> dict[str, t.Any]:
    return dict(ssm.create_activation(**{"IamRole": "Role", **params}))


def _described(ssm: t.Any, activation: dict[str, t.Any]) -> dict[str, t.Any]:
    (row,) = _activations(ssm, ActivationIds=activation["ActivationId"])
    return row


def _activations(ssm: t.Any, **values: str) -> list[dict[str, t.Any]]:
    filters = [{"FilterKey": key, "FilterValues": [value]} for key, value in values.items()]
    return _pages(ssm, "describe_activations", Filters=filters)


def test_an_activation_is_described_with_all_but_its_code(ssm: t.Any) -> None:
    made = _activation(ssm, Description="oslo", DefaultInstanceName="rack", RegistrationLimit=7, Tags=[{"Key": "a", "Value": "b"}])
    row = _described(ssm, made)
    assert (row["Description"], row["DefaultInstanceName"], row["IamRole"]) == ("oslo", "rack", "Role")
    assert (row["RegistrationLimit"], row["RegistrationsCount"], row["Expired"]) == (7, 0, False)
    assert row["Tags"] == [{"Key": "a", "Value": "b"}]
    assert made["ActivationCode"] not in json.dumps(row, default=str)


def test_an_activation_is_good_for_one_server_and_24_hours_unless_told_otherwise(ssm: t.Any) -> None:
    row = _described(ssm, _activation(ssm))
    assert row["RegistrationLimit"] == 1
    assert row["ExpirationDate"] - row["CreatedDate"] == datetime.timedelta(hours=24)


@pytest.mark.parametrize("key", ["IamRole", "DefaultInstanceName"])
def test_activations_are_found_by_what_they_were_made_with(ssm: t.Any, key: str) -> None:
    made = _activation(ssm, **{key: f"only-{key}"})
    _activation(ssm)
    assert [row["ActivationId"] for row in _activations(ssm, **{key: f"only-{key}"})] == [made["ActivationId"]]


def test_activations_come_in_pages_that_miss_and_repeat_none(ssm: t.Any) -> None:
    made = [_activation(ssm, IamRole="Paged")["ActivationId"] for _time in range(5)]
    filters = [{"FilterKey": "IamRole", "FilterValues": ["Paged"]}]
    paginator = ssm.get_paginator("describe_activations")
    pages = [page["ActivationList"] for page in paginator.paginate(Filters=filters, MaxResults=2)]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [row["ActivationId"] for page in pages for row in page] == made


def test_an_activation_cannot_last_longer_than_30_days(ssm: t.Any) -> None:
    with _refused("ValidationException", "30 days"):
        _activation(ssm, ExpirationDate=datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=31))


def test_a_deleted_activation_cannot_be_deleted_again(ssm: t.Any) -> None:
    made = _activation(ssm)
    ssm.delete_activation(ActivationId=made["ActivationId"])
    with _refused("InvalidActivationId"):
        ssm.delete_activation(ActivationId=made["ActivationId"])


# Registration


def test_an_activation_registers_no_more_servers_than_its_limit(ssm: t.Any, emulator: RunningEmulator) -> None:
    made = _activation(ssm, RegistrationLimit=2)
    nodes = {BareServer(emulator).register(made) for _time in range(2)}
    with pytest.raises(RefusedError, match="RegistrationLimitExceeded"):
        BareServer(emulator).register(made)
    assert len(nodes) == 2
    assert _described(ssm, made)["RegistrationsCount"] == 2


def test_an_expired_activation_registers_nobody(ssm: t.Any, emulator: RunningEmulator) -> None:
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    made = _activation(ssm, ExpirationDate=end)
    time.sleep(2)
    with pytest.raises(RefusedError, match="ActivationExpired"):
        BareServer(emulator).register(made)
    assert _described(ssm, made)["Expired"]


def test_a_wrong_activation_code_registers_nobody(ssm: t.Any, emulator: RunningEmulator) -> None:
    made = {**_activation(ssm), "ActivationCode": "x" * 20}
    with pytest.raises(RefusedError, match="InvalidActivation"):
        BareServer(emulator).register(made)


def test_a_deleted_activation_registers_nobody_but_leaves_those_it_did(ssm: t.Any, emulator: RunningEmulator) -> None:
    made = _activation(ssm, RegistrationLimit=2)
    node = BareServer(emulator).register(made)
    ssm.delete_activation(ActivationId=made["ActivationId"])
    with pytest.raises(RefusedError, match="InvalidActivation"):
        BareServer(emulator).register(made)
    assert node in {row["InstanceId"] for row in _pages(ssm, "describe_instance_information")}


def test_a_registered_server_has_what_its_activation_says_and_is_not_online(ssm: t.Any, emulator: RunningEmulator) -> None:
    made = _activation(ssm, IamRole="Oslo", DefaultInstanceName="rack", Tags=[{"Key": "site", "Value": "oslo"}])
    node = BareServer(emulator).register(made)
    (row,) = _information(ssm, **{"tag:site": "oslo"})
    assert (row["InstanceId"], row["Name"], row["IamRole"], row["PingStatus"]) == (node, "rack", "Oslo", "ConnectionLost")
    assert row["ActivationId"] == made["ActivationId"]


def test_a_registered_server_gets_keys_of_its_role_that_work(ssm: t.Any, emulator: RunningEmulator) -> None:
    server = BareServer(emulator)
    node = server.register(_activation(ssm))
    token = server.role_token()
    keys = token["AccessKeyId"], token["SecretAccessKey"], token["SessionToken"]
    assert emulator.client("ssm", keys).get_connection_status(Target=node)["Status"] == "notconnected"
    assert 3500 < token["TokenExpirationDate"] - time.time() <= 3600


def test_keys_are_refused_to_whom_the_servers_own_key_is_not(ssm: t.Any, emulator: RunningEmulator) -> None:
    server = BareServer(emulator)
    server.register(_activation(ssm))
    with pytest.raises(RefusedError, match="InvalidSignatureException"):
        server.role_token(HybridKey.generate())


def test_keys_are_refused_to_a_copy_of_the_server(ssm: t.Any, emulator: RunningEmulator) -> None:
    server = BareServer(emulator)
    server.register(_activation(ssm))
    server.fingerprint = "another machine's"
    with pytest.raises(RefusedError, match="MachineFingerprintDoesNotMatch"):
        server.role_token()


def test_a_deregistered_servers_keys_work_no_more(ssm: t.Any, emulator: RunningEmulator) -> None:
    server = BareServer(emulator)
    node = server.register(_activation(ssm))
    token = server.role_token()
    ssm.deregister_managed_instance(InstanceId=node)
    with pytest.raises(RefusedError, match="InvalidInstanceId"):
        server.role_token()
    with _refused("UnrecognizedClientException"):
        keys = token["AccessKeyId"], token["SecretAccessKey"], token["SessionToken"]
        emulator.client("ssm", keys).get_connection_status(Target=node)


def test_only_registered_hybrid_nodes_can_be_deregistered(ssm: t.Any) -> None:
    with _refused("InvalidInstanceId"):
        ssm.deregister_managed_instance(InstanceId="mi-0123456789abcdef0")


# Nodes


def _information(ssm: t.Any, **values: str) -> list[dict[str, t.Any]]:
    filters = [{"Key": key, "Values": [value]} for key, value in values.items()]
    return _pages(ssm, "describe_instance_information", Filters=filters)


def test_nodes_come_in_pages_that_miss_and_repeat_none(ssm: t.Any, emulator: RunningEmulator) -> None:
    made = _activation(ssm, RegistrationLimit=3)
    everybody = {*emulator.nodes().values(), *(BareServer(emulator).register(made) for _time in range(3))}
    first = ssm.describe_instance_information(MaxResults=5)
    second = ssm.describe_instance_information(MaxResults=5, NextToken=first["NextToken"])
    ids = [row["InstanceId"] for page in (first, second) for row in page["InstanceInformationList"]]
    assert [len(page["InstanceInformationList"]) for page in (first, second)] == [5, len(everybody) - 5]
    assert sorted(ids) == sorted(everybody)
    assert "NextToken" not in second


def test_a_node_of_ec2_is_listed_as_one(ssm: t.Any, emulator: RunningEmulator) -> None:
    (row,) = _information(ssm, InstanceIds=emulator.nodes()["web-1"])
    assert (row["ResourceType"], row["SourceType"], row["PingStatus"]) == ("EC2Instance", "AWS::EC2::Instance", "Online")
    assert (row["ComputerName"], row["PlatformType"]) == ("web-1", "Linux")
    assert "ActivationId" not in row


@pytest.mark.parametrize(
    ("key", "value", "machines"),
    [
        ("ResourceType", "ManagedInstance", {"db-1"}),
        ("ResourceType", "EC2Instance", {"web-1", "web-2", "snakeless"}),
        ("SourceTypes", "AWS::SSM::ManagedInstance", {"db-1"}),
        ("PingStatus", "ConnectionLost", set()),
        ("PlatformTypes", "Windows", set()),
        ("PlatformTypes", "Linux", {"web-1", "web-2", "snakeless", "db-1"}),
        ("tag:role", "web", {"web-1", "web-2"}),
        ("tag:role", "db", {"db-1"}),
        ("tag-key", "Patch Group", {"web-2"}),
    ],
)
def test_nodes_are_found_by_a_filter(ssm: t.Any, key: str, value: str, machines: set[str]) -> None:
    assert {row["ComputerName"] for row in _information(ssm, **{key: value})} & _FLEET == machines


def test_the_older_filter_list_works_too(ssm: t.Any) -> None:
    older = [{"key": "ResourceType", "valueSet": ["ManagedInstance"]}]
    rows = ssm.describe_instance_information(InstanceInformationFilterList=older)["InstanceInformationList"]
    assert {row["ComputerName"] for row in rows} & _FLEET == {"db-1"}


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"Filters": [{"Key": "InstanceIds", "Values": [_NOWHERE]}]}, "InvalidInstanceId"),
        ({"Filters": [{"Key": "Colour", "Values": ["red"]}]}, "InvalidFilterKey"),
        ({"Filters": [{"Key": "PingStatus", "Values": ["Asleep"]}]}, "InvalidInstanceInformationFilterValue"),
        (
            {"Filters": [{"Key": "tag:role", "Values": ["web"]}, {"Key": "PingStatus", "Values": ["Online"]}]},
            "InvalidInstanceInformationFilterValue",
        ),
        ({"InstanceInformationFilterList": [{"key": "Colour", "valueSet": ["red"]}]}, "ValidationException"),
        (
            {
                "Filters": [{"Key": "PingStatus", "Values": ["Online"]}],
                "InstanceInformationFilterList": [{"key": "PingStatus", "valueSet": ["Online"]}],
            },
            "ValidationException",
        ),
        ({"NextToken": "nonsense"}, "InvalidNextToken"),
    ],
)
def test_a_question_for_nodes_that_aws_refuses_is_refused(ssm: t.Any, params: dict[str, t.Any], code: str) -> None:
    with _refused(code):
        ssm.describe_instance_information(**params)


def test_a_node_that_nobody_knows_is_not_connected(ssm: t.Any) -> None:
    assert ssm.get_connection_status(Target=_NOWHERE)["Status"] == "notconnected"


def test_a_node_whose_agent_is_there_is_connected(ssm: t.Any, emulator: RunningEmulator) -> None:
    node = emulator.nodes()["db-1"]
    status = ssm.get_connection_status(Target=node)
    assert (status["Target"], status["Status"]) == (node, "connected")


# Sessions


def _sessions(ssm: t.Any, state: str, **values: str) -> list[dict[str, t.Any]]:
    filters = {"Filters": [{"key": key, "value": value} for key, value in values.items()]} if values else {}
    return _pages(ssm, "describe_sessions", State=state, **filters)


def test_a_session_with_a_node_that_is_not_connected_is_refused(ssm: t.Any) -> None:
    with _refused("TargetNotConnected", f"{_NOWHERE} is not connected."):
        ssm.start_session(Target=_NOWHERE)


@pytest.mark.parametrize("name", ["No-Such-Document", _SHELL_SCRIPT])
def test_a_session_with_no_document_for_sessions_is_refused(ssm: t.Any, emulator: RunningEmulator, name: str) -> None:
    with _refused("InvalidDocument", name):
        ssm.start_session(Target=emulator.nodes()["web-1"], DocumentName=name)


@pytest.mark.parametrize("given", [{}, {"command": ["id"], "colour": ["red"]}], ids=["missing", "unknown"])
def test_a_session_with_wrong_parameters_is_refused(ssm: t.Any, emulator: RunningEmulator, given: dict[str, list[str]]) -> None:
    with _refused("InvalidParameters"):
        ssm.start_session(Target=emulator.nodes()["web-1"], DocumentName="AWS-StartInteractiveCommand", Parameters=given)


def test_a_session_gets_the_address_of_its_data_channel_and_a_token(ssm: t.Any, emulator: RunningEmulator) -> None:
    answer = ssm.start_session(Target=emulator.nodes()["web-1"])
    assert re.fullmatch(r"demo-[0-9a-f]{17}", answer["SessionId"])
    assert re.match(rf"wss://[^/]+/v1/data-channel/{answer['SessionId']}\?role=publish_subscribe", answer["StreamUrl"])
    assert len(answer["TokenValue"]) > 100


def test_a_session_is_active_until_it_is_terminated_and_history_then(ssm: t.Any, emulator: RunningEmulator) -> None:
    node = emulator.nodes()["web-1"]
    session_id = ssm.start_session(Target=node, Reason="a look")["SessionId"]
    (active,) = _sessions(ssm, "Active", SessionId=session_id)
    before = _sessions(ssm, "History", SessionId=session_id)
    ssm.terminate_session(SessionId=session_id)
    (history,) = _sessions(ssm, "History", SessionId=session_id)
    assert before == _sessions(ssm, "Active", SessionId=session_id) == []
    assert (active["Status"], active["Target"], active["Reason"]) == ("Connected", node, "a look")
    assert (active["DocumentName"], active["AccessType"]) == ("SSM-SessionManagerRunShell", "Standard")
    assert active["Owner"] == "arn:aws:iam::123456789012:user/demo"
    assert "EndDate" not in active
    assert history["Status"] == "Terminated"
    assert history["StartDate"] <= history["EndDate"]


def test_terminating_a_session_twice_is_no_error(ssm: t.Any, emulator: RunningEmulator) -> None:
    session_id = ssm.start_session(Target=emulator.nodes()["web-1"])["SessionId"]
    answers = [ssm.terminate_session(SessionId=session_id)["SessionId"] for _time in range(2)]
    assert answers == [session_id, session_id]
    assert emulator.statistics()["sessions"]["open"] == 0


def test_a_resumed_session_keeps_its_address_and_gets_a_new_token(ssm: t.Any, emulator: RunningEmulator) -> None:
    first = ssm.start_session(Target=emulator.nodes()["web-1"])
    second = ssm.resume_session(SessionId=first["SessionId"])
    assert (second["SessionId"], second["StreamUrl"]) == (first["SessionId"], first["StreamUrl"])
    assert second["TokenValue"] not in ("", first["TokenValue"])


def test_resuming_a_session_that_is_over_gives_no_token(ssm: t.Any, emulator: RunningEmulator) -> None:
    session_id = ssm.start_session(Target=emulator.nodes()["web-1"])["SessionId"]
    ssm.terminate_session(SessionId=session_id)
    answer = ssm.resume_session(SessionId=session_id)
    assert answer["SessionId"] == session_id
    assert not answer.get("TokenValue")


def test_resuming_a_session_that_never_was_is_refused(ssm: t.Any) -> None:
    with _refused("DoesNotExistException"):
        ssm.resume_session(SessionId="demo-0123456789abcdef0")


def test_sessions_are_found_by_target_and_by_time(ssm: t.Any, emulator: RunningEmulator) -> None:
    nodes = emulator.nodes()
    sessions = {name: ssm.start_session(Target=nodes[name])["SessionId"] for name in ("web-1", "db-1")}
    past, future = "2020-01-01T00:00:00Z", "2200-01-01T00:00:00Z"
    assert [row["SessionId"] for row in _sessions(ssm, "Active", Target=nodes["db-1"])] == [sessions["db-1"]]
    assert {row["SessionId"] for row in _sessions(ssm, "Active", InvokedAfter=past)} == set(sessions.values())
    assert _sessions(ssm, "Active", InvokedBefore=past) == _sessions(ssm, "Active", InvokedAfter=future) == []


# Documents


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SSM-SessionManagerRunShell", "Standard_Stream"),
        ("AWS-StartInteractiveCommand", "InteractiveCommands"),
        ("AWS-StartNonInteractiveCommand", "NonInteractiveCommands"),
        ("AWS-StartPortForwardingSession", "Port"),
        ("AWS-StartPortForwardingSessionToRemoteHost", "Port"),
        ("AWS-StartSSHSession", "Port"),
    ],
)
def test_a_session_document_can_be_read(ssm: t.Any, name: str, kind: str) -> None:
    document = ssm.get_document(Name=name)
    assert (document["Name"], document["DocumentType"], document["Status"]) == (name, "Session", "Active")
    assert json.loads(document["Content"])["sessionType"] == kind


def test_reading_a_document_that_does_not_exist_is_refused(ssm: t.Any) -> None:
    with _refused("InvalidDocument"):
        ssm.get_document(Name="No-Such-Document")


def test_a_document_of_the_accounts_own_can_start_a_session(ssm: t.Any, emulator: RunningEmulator) -> None:
    content = {"schemaVersion": "1.0", "sessionType": "InteractiveCommands", "properties": {"linux": {"commands": "true"}}}
    ssm.create_document(Name="Own-Session", DocumentType="Session", Content=json.dumps(content))
    try:
        session_id = ssm.start_session(Target=emulator.nodes()["web-1"], DocumentName="Own-Session")["SessionId"]
    finally:
        ssm.delete_document(Name="Own-Session")
    assert emulator.statistics()["sessions"]["opened"] == 1
    assert session_id.startswith("demo-")


# Run Command


@pytest.mark.parametrize("machine", ["web-1", "db-1"])
def test_a_script_that_succeeds_is_told_with_both_its_streams(emulator: RunningEmulator, machine: str) -> None:
    invocation = emulator.run_command(machine, "echo out", "echo err >&2")
    assert (invocation["Status"], invocation["StatusDetails"], invocation["ResponseCode"]) == ("Success", "Success", 0)
    assert (invocation["StandardOutputContent"], invocation["StandardErrorContent"]) == ("out\n", "err\n")
    assert (invocation["DocumentName"], invocation["PluginName"]) == (_SHELL_SCRIPT, "aws:runShellScript")
    moments = invocation["ExecutionStartDateTime"], invocation["ExecutionEndDateTime"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", moment) for moment in moments)
    assert re.fullmatch(r"PT\d+\.\d{3}S", invocation["ExecutionElapsedTime"])


def test_a_script_that_fails_is_told_with_its_exit_code(emulator: RunningEmulator) -> None:
    invocation = emulator.run_command("web-1", "echo half", "exit 3")
    assert (invocation["Status"], invocation["StatusDetails"], invocation["ResponseCode"]) == ("Failed", "Failed", 3)
    assert invocation["StandardOutputContent"] == "half\n"
    assert "exit status 3" in invocation["StandardErrorContent"]


def test_a_script_that_takes_longer_than_its_document_allows_is_killed(emulator: RunningEmulator) -> None:
    started = time.monotonic()
    invocation = emulator.run_command("web-1", "echo begun", "sleep 60", executionTimeout="5")
    assert 5 <= time.monotonic() - started < 30
    assert (invocation["Status"], invocation["StatusDetails"]) == ("TimedOut", "ExecutionTimedOut")
    assert (invocation["ResponseCode"], invocation["StandardOutputContent"]) == (137, "begun\n")


def test_a_script_runs_in_the_folder_that_is_asked_for(emulator: RunningEmulator) -> None:
    assert emulator.run_command("web-1", "pwd", workingDirectory="/etc")["StandardOutputContent"] == "/etc\n"


def test_output_beyond_24000_characters_is_cut(emulator: RunningEmulator) -> None:
    output = emulator.run_command("web-1", "head -c 30000 /dev/zero | tr '\\0' x")["StandardOutputContent"]
    assert len(output) == 24_000
    assert output.endswith("x--output truncated--")


def test_a_command_to_a_tag_runs_on_every_node_that_has_it(ssm: t.Any, emulator: RunningEmulator) -> None:
    targets = [{"Key": "tag:role", "Values": ["web"]}]
    sent = ssm.send_command(DocumentName=_SHELL_SCRIPT, Targets=targets, Parameters={"commands": ["echo here"]})["Command"]
    rows = _until_done(ssm, sent["CommandId"])
    nodes = emulator.nodes()
    outputs = {row["InstanceId"]: row["CommandPlugins"][0]["Output"] for row in rows}
    assert outputs == {nodes["web-1"]: "here\n", nodes["web-2"]: "here\n"}
    (command,) = ssm.list_commands(CommandId=sent["CommandId"])["Commands"]
    assert (command["Status"], command["TargetCount"], command["CompletedCount"], command["ErrorCount"]) == ("Success", 2, 2, 0)


def _until_done(ssm: t.Any, command_id: str) -> list[dict[str, t.Any]]:
    deadline = time.monotonic() + 30
    while True:
        rows = _pages(ssm, "list_command_invocations", CommandId=command_id, Details=True)
        if not {row["Status"] for row in rows} & {"Pending", "InProgress"}:
            return rows
        assert time.monotonic() < deadline, f"not done after 30 s: {rows}"
        time.sleep(0.05)


def test_commands_are_found_by_status_and_stage(ssm: t.Any, emulator: RunningEmulator) -> None:
    made = {emulator.run_command("web-1", line)["CommandId"]: line for line in ("exit 0", "exit 1")}

    def found(operation: str, key: str, value: str) -> set[str]:
        rows = _pages(ssm, operation, Filters=[{"key": key, "value": value}])
        return {made[row["CommandId"]] for row in rows if row["CommandId"] in made}

    assert found("list_commands", "Status", "Failed") == found("list_command_invocations", "Status", "Failed") == {"exit 1"}
    assert found("list_commands", "ExecutionStage", "Complete") == {"exit 0", "exit 1"}
    assert found("list_commands", "ExecutionStage", "Executing") == found("list_commands", "DocumentName", "Other") == set()


def _send(ssm: t.Any, **params: t.Any) -> None:
    ssm.send_command(**{"DocumentName": _SHELL_SCRIPT, "Parameters": {"commands": ["true"]}, **params})


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"InstanceIds": [_NOWHERE]}, "InvalidInstanceId"),
        ({"DocumentName": "No-Such-Document"}, "InvalidDocument"),
        ({"DocumentName": "AWS-StartSSHSession"}, "InvalidDocument"),
        ({"Parameters": {}}, "InvalidParameters"),
        ({"Parameters": {"commands": ["true"], "colour": ["red"]}}, "InvalidParameters"),
        ({"InstanceIds": [f"i-{number:017}" for number in range(51)]}, "ValidationException"),
    ],
    ids=["node", "document", "session document", "missing parameter", "unknown parameter", "51 nodes"],
)
def test_a_command_that_aws_refuses_is_refused(ssm: t.Any, emulator: RunningEmulator, params: dict[str, t.Any], code: str) -> None:
    with _refused(code):
        _send(ssm, **{"InstanceIds": [emulator.nodes()["web-1"]], **params})


def test_an_invocation_is_known_by_its_command_node_and_plugin_only(ssm: t.Any, emulator: RunningEmulator) -> None:
    done = emulator.run_command("web-1", "true")
    asked = {"CommandId": done["CommandId"], "InstanceId": done["InstanceId"]}
    assert ssm.get_command_invocation(**asked, PluginName="runShellScript")["Status"] == "Success"
    with _refused("InvalidPluginName"):
        ssm.get_command_invocation(**asked, PluginName="aws:runPowerShellScript")
    with _refused("InvocationDoesNotExist"):
        ssm.get_command_invocation(**{**asked, "InstanceId": emulator.nodes()["web-2"]})


# Tags of hybrid nodes


_MANAGED = "ManagedInstance"


@pytest.fixture
def tagging(emulator: RunningEmulator) -> t.Any:
    """Resource Groups Tagging."""
    return emulator.client("resourcegroupstaggingapi")


def _arn(node: str) -> str:
    return f"arn:aws:ssm:us-east-1:123456789012:managed-instance/{node}"


def _tags(ssm: t.Any, node: str) -> dict[str, str]:
    tags = ssm.list_tags_for_resource(ResourceType=_MANAGED, ResourceId=node)["TagList"]
    return {tag["Key"]: tag["Value"] for tag in tags}


def test_tags_of_a_hybrid_node_are_added_changed_and_removed(ssm: t.Any, emulator: RunningEmulator) -> None:
    node = BareServer(emulator).register(_activation(ssm, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]))
    ssm.add_tags_to_resource(ResourceType=_MANAGED, ResourceId=node, Tags=[{"Key": "b", "Value": "3"}, {"Key": "c", "Value": ""}])
    ssm.remove_tags_from_resource(ResourceType=_MANAGED, ResourceId=node, TagKeys=["a"])
    assert _tags(ssm, node) == {"b": "3", "c": ""}


@pytest.mark.parametrize("machine", ["mi-0123456789abcdef0", "web-1"])
def test_systems_manager_has_tags_of_registered_hybrid_nodes_only(ssm: t.Any, emulator: RunningEmulator, machine: str) -> None:
    with _refused("InvalidResourceId"):
        _tags(ssm, emulator.nodes().get(machine, machine))


def test_the_tagging_api_knows_the_tags_of_a_hybrid_node(tagging: t.Any, emulator: RunningEmulator) -> None:
    arn = _arn(emulator.nodes()["db-1"])
    (mapping,) = tagging.get_resources(ResourceARNList=[arn, _arn("mi-0123456789abcdef0")])["ResourceTagMappingList"]
    assert mapping == {"ResourceARN": arn, "Tags": [{"Key": "Name", "Value": "db-1"}, {"Key": "role", "Value": "db"}]}


@pytest.mark.parametrize(
    ("wanted", "machines"),
    [
        ({"ResourceTypeFilters": ["ssm:managed-instance"]}, {"db-1"}),
        ({"ResourceTypeFilters": ["ssm:managed-instance"], "TagFilters": [{"Key": "role", "Values": ["web"]}]}, set()),
        ({"ResourceTypeFilters": ["ec2:instance"], "TagFilters": [{"Key": "env"}]}, {"web-1", "web-2"}),
        ({"TagFilters": [{"Key": "role", "Values": ["web", "db"]}]}, {"web-1", "web-2", "db-1"}),
        ({"TagFilters": [{"Key": "role"}, {"Key": "Patch Group", "Values": ["weekly"]}]}, {"web-2"}),
    ],
)
def test_the_tagging_api_finds_nodes_by_type_and_tags(tagging: t.Any, wanted: dict[str, t.Any], machines: set[str]) -> None:
    rows = tagging.get_resources(**wanted)["ResourceTagMappingList"]
    assert {tag["Value"] for row in rows for tag in row["Tags"] if tag["Key"] == "Name"} & _FLEET == machines


def test_the_tagging_api_gives_pages(ssm: t.Any, tagging: t.Any, emulator: RunningEmulator) -> None:
    made = _activation(ssm, RegistrationLimit=2, Tags=[{"Key": "site", "Value": "oslo"}])
    nodes = {BareServer(emulator).register(made) for _time in range(2)}
    paged = {"TagFilters": [{"Key": "site"}], "ResourceTypeFilters": ["ssm:managed-instance"], "ResourcesPerPage": 1}
    first = tagging.get_resources(**paged)
    second = tagging.get_resources(**paged, PaginationToken=first["PaginationToken"])
    assert {row["ResourceARN"] for page in (first, second) for row in page["ResourceTagMappingList"]} == set(map(_arn, nodes))
    assert second["PaginationToken"] == ""


@pytest.mark.parametrize("more", [{"TagFilters": [{"Key": "role"}]}, {"ResourceTypeFilters": ["ssm"]}, {"ResourcesPerPage": 10}])
def test_the_tagging_api_takes_arns_alone(tagging: t.Any, more: dict[str, t.Any]) -> None:
    with _refused("InvalidParameterException", next(iter(more))):
        tagging.get_resources(ResourceARNList=[_arn("mi-0123456789abcdef0")], **more)


# What AWS checks of every request


@pytest.mark.parametrize(
    ("operation", "params", "most"),
    [
        ("describe_activations", {}, 50),
        ("describe_instance_information", {}, 50),
        ("describe_instance_properties", {}, 1000),
        ("describe_sessions", {"State": "History"}, 200),
        ("list_commands", {}, 50),
        ("list_command_invocations", {}, 50),
    ],
)
def test_a_page_larger_than_the_service_gives_is_refused(ssm: t.Any, operation: str, params: dict[str, t.Any], most: int) -> None:
    getattr(ssm, operation)(**params, MaxResults=most)
    words = f"Value '{most + 1}' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to {most}"
    with _refused("ValidationException", words):
        getattr(ssm, operation)(**params, MaxResults=most + 1)


def test_a_page_of_the_tagging_api_holds_100_at_most(tagging: t.Any) -> None:
    with _refused("InvalidParameterException", "100"):
        tagging.get_resources(ResourcesPerPage=101)


def test_a_token_of_another_list_is_refused(ssm: t.Any) -> None:
    for _time in range(2):
        _activation(ssm)
    token = ssm.describe_activations(MaxResults=1)["NextToken"]
    with _refused("InvalidNextToken"):
        ssm.describe_sessions(State="Active", NextToken=token)


@pytest.mark.parametrize(
    ("operation", "params", "words"),
    [
        ("start_session", {}, "Value null at 'target' failed to satisfy constraint: Member must not be null"),
        ("start_session", {"Target": "x" * 401}, "at 'target' failed to satisfy constraint: Member must have length less than"),
        ("start_session", {"Target": _NOWHERE, "DocumentName": "a b"}, "Member must satisfy regular expression pattern"),
        ("describe_sessions", {"State": "Now"}, "Member must satisfy enum value set: [Active, History]"),
        ("create_activation", {"IamRole": "Role", "RegistrationLimit": 1001}, "'registrationLimit' failed to satisfy constraint"),
        ("describe_sessions", {}, "1 validation error detected: Value null at 'state'"),
        ("send_command", {"TimeoutSeconds": 29}, "2 validation errors detected"),
    ],
)
def test_what_the_service_model_forbids_is_refused_in_awss_words(
    emulator: RunningEmulator, operation: str, params: dict[str, t.Any], words: str
) -> None:
    unchecked = emulator.client("ssm", parameter_validation=False)
    with _refused("ValidationException", words):
        getattr(unchecked, operation)(**params)


@pytest.mark.parametrize(
    ("secret", "code"), [("wrong", "InvalidSignatureException"), ("", "UnrecognizedClientException")], ids=["secret", "key"]
)
def test_a_request_with_wrong_keys_is_refused(emulator: RunningEmulator, secret: str, code: str) -> None:
    keys = (emulator.environment["AWS_ACCESS_KEY_ID"], secret) if secret else ("AKIA0000000000000000", "unknown")
    with _refused(code):
        emulator.client("ssm", keys).get_connection_status(Target=_NOWHERE)


def test_a_request_that_is_not_signed_is_refused(emulator: RunningEmulator) -> None:
    headers = {"X-Amz-Target": "AmazonSSM.DescribeSessions", "Content-Type": "application/x-amz-json-1.1"}
    status, body = _post(emulator, "/", b'{"State": "Active"}', headers)
    assert (status, json.loads(body)["__type"]) == (403, "MissingAuthenticationToken")


# The emulator's own pages


def _post(emulator: RunningEmulator, page: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, str]:
    request = urllib.request.Request(emulator.url + page, data=body, headers=headers or {}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_calls_are_counted_by_service_and_operation_until_they_are_reset(emulator: RunningEmulator) -> None:
    for _time in range(2):
        emulator.client("ssm").get_connection_status(Target=_NOWHERE)
    emulator.client("ec2").describe_instances()
    counted = emulator.statistics()["calls"]
    emulator.reset()
    assert (counted["ssm:GetConnectionStatus"], counted["ec2:DescribeInstances"]) == (2, 1)
    assert emulator.calls("ssm:GetConnectionStatus") == emulator.calls("ec2:DescribeInstances") == 0


def test_sessions_are_counted_opened_and_open(ssm: t.Any, emulator: RunningEmulator) -> None:
    nodes = emulator.nodes()
    for machine in ("web-1", "web-2"):
        ssm.terminate_session(SessionId=ssm.start_session(Target=nodes[machine])["SessionId"])
    ssm.start_session(Target=nodes["db-1"])
    assert emulator.statistics()["sessions"] == {"opened": 3, "open": 1, "most": 1}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"explode": {}}, "There is no fault named 'explode'; there are clear, cut, drop,"),
        ({"cut": {"side": "left"}}, "cut: side is one of client, agent, control, not 'left'."),
        ({"drop": {"direction": "client_up"}}, "drop needs 'rate'."),
        ({"drop": {"direction": "client_up", "rate": 2}}, "drop: rate is between 0 and 1, not 2."),
        ({"throttle": {"operation": "StartSession", "code": "X"}}, "throttle does not know 'code'; it knows"),
        ([], "The body is a JSON object."),
    ],
)
def test_an_order_that_makes_no_sense_is_answered_by_a_sentence(emulator: RunningEmulator, body: t.Any, sentence: str) -> None:
    status, answer = _post(emulator, "/_emulator/faults", json.dumps(body).encode())
    assert status == 400
    assert json.loads(answer)["error"].startswith(sentence)
    assert emulator.faults() == {"delay": {"ms": 0.0}}


def test_an_order_that_is_not_json_is_answered_by_a_sentence(emulator: RunningEmulator) -> None:
    status, answer = _post(emulator, "/_emulator/faults", b"cut everything")
    assert (status, json.loads(answer)["error"][:24]) == (400, "The body is not JSON: Ex")


def test_a_page_that_does_not_exist_is_not_found(emulator: RunningEmulator) -> None:
    assert _post(emulator, "/_emulator/colours", b"{}") == (404, '{"error": "There is no such page."}')


def test_an_ordered_failure_meets_its_node_as_often_as_ordered(ssm: t.Any, emulator: RunningEmulator) -> None:
    nodes = emulator.nodes()
    failure = {"operation": "StartSession", "code": "InternalServerError", "message": "Oh", "node": nodes["web-1"], "status": 500}
    emulator.order({"fail": failure})
    ssm.start_session(Target=nodes["web-2"])
    with _refused("InternalServerError", "Oh"):
        ssm.start_session(Target=nodes["web-1"])
    assert ssm.start_session(Target=nodes["web-1"])["SessionId"]


def test_a_throttled_operation_works_again_after_so_many_calls(ssm: t.Any, emulator: RunningEmulator) -> None:
    emulator.order({"throttle": {"operation": "ssm:GetConnectionStatus", "times": 2}})
    for _time in range(2):
        with _refused("ThrottlingException", "Rate exceeded"):
            ssm.get_connection_status(Target=_NOWHERE)
    assert ssm.get_connection_status(Target=_NOWHERE)["Status"] == "notconnected"


def test_orders_are_forgotten_when_told_so(emulator: RunningEmulator) -> None:
    emulator.order({"fail": {"operation": "*", "code": "X", "times": None}, "delay": {"ms": 1}})
    held = emulator.faults()
    emulator.order({"clear": True})
    assert (held["fail"][0]["operation"], held["delay"]) == ("*", {"ms": 1})
    assert emulator.faults() == {"delay": {"ms": 0.0}}
