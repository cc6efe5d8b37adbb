# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real amazon-ssm-agent against the emulator: registered, listed, running commands, deregistered."""

from __future__ import annotations

import concurrent.futures
import time
import typing as t

import botocore.exceptions
import pytest

from tests.integration.running_emulator import RunningEmulator

_REAL, _SIMULATED = "real-1", "db-1"


def _information(emulator: RunningEmulator, machine: str) -> dict[str, t.Any]:
    filters = [{"Key": "InstanceIds", "Values": [emulator.nodes()[machine]]}]
    rows = emulator.client("ssm").describe_instance_information(Filters=filters)["InstanceInformationList"]
    assert len(rows) == 1
    return dict(rows[0])


def test_a_registered_agent_is_listed_with_its_activation(real_agents: RunningEmulator) -> None:
    row = _information(real_agents, _REAL)
    filters = [{"FilterKey": "ActivationIds", "FilterValues": [row["ActivationId"]]}]
    (activation,) = real_agents.client("ssm").describe_activations(Filters=filters)["ActivationList"]
    assert row["InstanceId"].startswith("mi-")
    assert row["ResourceType"] == "ManagedInstance"
    assert row["PingStatus"] == "Online"
    assert row["Name"] == activation["DefaultInstanceName"] == _REAL
    assert row["IamRole"] == activation["IamRole"]
    assert activation["RegistrationsCount"] == 1


def test_an_agent_tells_its_version_and_platform(real_agents: RunningEmulator) -> None:
    row = _information(real_agents, _REAL)
    asked = real_agents.run_command(
        _REAL, "amazon-ssm-agent -version", ". /etc/os-release", "echo $NAME, $VERSION_ID", "uname -s", "hostname"
    )
    version, platform, system, name = asked["StandardOutputContent"].splitlines()
    assert row["AgentVersion"] == version.rpartition(" ")[2]
    assert f"{row['PlatformName']}, {row['PlatformVersion']}" == platform
    assert row["PlatformType"] == system
    assert row["ComputerName"] == name


def test_a_real_agent_is_connected(real_agents: RunningEmulator) -> None:
    status = real_agents.client("ssm").get_connection_status(Target=real_agents.nodes()[_REAL])
    assert status["Status"] == "connected"


def test_a_script_that_succeeds_is_told_with_both_its_streams(real_agents: RunningEmulator) -> None:
    invocation = real_agents.run_command(_REAL, "echo out", "echo err >&2", "id -un")
    assert invocation["Status"] == invocation["StatusDetails"] == "Success"
    assert invocation["ResponseCode"] == 0
    assert invocation["StandardOutputContent"] == "out\nroot\n"
    assert invocation["StandardErrorContent"] == "err\n"
    assert invocation["ExecutionStartDateTime"] <= invocation["ExecutionEndDateTime"]


def test_a_script_that_fails_is_told_with_its_exit_code(real_agents: RunningEmulator) -> None:
    invocation = real_agents.run_command(_REAL, "echo half", "exit 3")
    assert invocation["Status"] == invocation["StatusDetails"] == "Failed"
    assert invocation["ResponseCode"] == 3
    assert invocation["StandardOutputContent"] == "half\n"


def test_the_list_of_invocations_has_the_output_when_asked_for_details(real_agents: RunningEmulator) -> None:
    sent = real_agents.run_command(_REAL, "echo out", "echo err >&2", "exit 4")
    ssm = real_agents.client("ssm")
    (brief,) = ssm.list_command_invocations(CommandId=sent["CommandId"])["CommandInvocations"]
    (full,) = ssm.list_command_invocations(CommandId=sent["CommandId"], Details=True)["CommandInvocations"]
    assert brief["Status"] == full["Status"] == "Failed"
    assert brief["CommandPlugins"] == []
    assert full["CommandPlugins"][0]["ResponseCode"] == 4
    assert full["CommandPlugins"][0]["Output"].startswith("out\n\n----------ERROR-------\nerr\n")


_SCRIPTS = {
    "success": ({}, ["echo out; echo err >&2"]),
    "failure": ({}, ["echo out", "exit 7"]),
    "unknown program": ({}, ["exec /no/such/program 2>/dev/null"]),
    "killed script": ({}, ["kill -9 $$"]),
    "killed shell": ({}, ["kill -9 $PPID"]),
    "too much output": ({}, ["yes out | head -c 30000", "yes err | head -c 30000 >&2"]),
    "working directory": ({"workingDirectory": "/etc"}, ["pwd"]),
    "missing working directory": ({"workingDirectory": "/no/such/folder"}, ["pwd"]),
    "too short a time": ({"executionTimeout": "1"}, ["sleep 1.5", "echo done"]),
    "too long a script": ({"executionTimeout": "5"}, ["echo begun", "sleep 60"]),
}


@pytest.mark.parametrize("name", _SCRIPTS)
def test_a_simulated_agent_reports_a_script_as_the_real_one_does(
    name: str, real_agents: RunningEmulator, emulator: RunningEmulator
) -> None:
    parameters, lines = _SCRIPTS[name]
    with concurrent.futures.ThreadPoolExecutor() as both:
        running = both.submit(real_agents.run_command, _REAL, *lines, **parameters)
        simulated, real = emulator.run_command(_SIMULATED, *lines, **parameters), running.result()
    assert _told(emulator, simulated) == _told(real_agents, real)


def test_a_simulated_agent_is_cancelled_as_the_real_one_is(real_agents: RunningEmulator, emulator: RunningEmulator) -> None:
    def cancelled(where: RunningEmulator, machine: str) -> dict[str, t.Any]:
        ssm, node = where.client("ssm"), where.nodes()[machine]
        lines = ["echo out; echo err >&2", "sleep 60"]
        sent = ssm.send_command(DocumentName="AWS-RunShellScript", InstanceIds=[node], Parameters={"commands": lines})["Command"]
        time.sleep(3)
        ssm.cancel_command(CommandId=sent["CommandId"])
        deadline = time.monotonic() + 30
        while True:
            found: dict[str, t.Any] = ssm.get_command_invocation(CommandId=sent["CommandId"], InstanceId=node)
            if found["Status"] not in ("InProgress", "Cancelling"):
                return _told(where, found)
            assert time.monotonic() < deadline, found
            time.sleep(0.1)

    with concurrent.futures.ThreadPoolExecutor() as both:
        running = both.submit(cancelled, real_agents, _REAL)
        simulated, real = cancelled(emulator, _SIMULATED), running.result()
    assert simulated["Status"] == "Cancelled"
    assert simulated == real


def _told(emulator: RunningEmulator, invocation: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return what is told of a script, and what the list tells of its output."""
    members = ("Status", "StatusDetails", "ResponseCode", "StandardOutputContent", "StandardErrorContent")
    asked = {"CommandId": invocation["CommandId"], "Details": True}
    (row,) = emulator.client("ssm").list_command_invocations(**asked)["CommandInvocations"]
    return {**{member: invocation[member] for member in members}, "Output": row["CommandPlugins"][0]["Output"]}


def test_tags_of_a_real_agents_node_are_kept_and_found_by(real_agents: RunningEmulator) -> None:
    node, ssm = real_agents.nodes()[_REAL], real_agents.client("ssm")
    ssm.add_tags_to_resource(ResourceType="ManagedInstance", ResourceId=node, Tags=[{"Key": "rack", "Value": "7"}])
    try:
        tags = ssm.list_tags_for_resource(ResourceType="ManagedInstance", ResourceId=node)["TagList"]
        found = ssm.describe_instance_information(Filters=[{"Key": "tag:rack", "Values": ["7"]}])["InstanceInformationList"]
    finally:
        ssm.remove_tags_from_resource(ResourceType="ManagedInstance", ResourceId=node, TagKeys=["rack"])
    assert tags == [{"Key": "Name", "Value": _REAL}, {"Key": "rack", "Value": "7"}]
    assert [row["InstanceId"] for row in found] == [node]


def test_a_deregistered_agent_is_gone_and_does_not_come_back(bare_real_server: RunningEmulator) -> None:
    emulator = bare_real_server
    ssm = emulator.client("ssm")
    activation = ssm.create_activation(IamRole="Oslo")
    emulator.command("register", "bare", "--id", activation["ActivationId"], SSM_ACTIVATION_CODE=activation["ActivationCode"])
    node = emulator.nodes()["bare"]
    assert ssm.get_connection_status(Target=node)["Status"] == "connected"

    ssm.deregister_managed_instance(InstanceId=node)
    _wait_until_it_tries_again(emulator)

    assert ssm.describe_instance_information()["InstanceInformationList"] == []
    assert ssm.get_connection_status(Target=node)["Status"] == "notconnected"
    with pytest.raises(botocore.exceptions.ClientError, match="TargetNotConnected"):
        ssm.start_session(Target=node)


def _wait_until_it_tries_again(emulator: RunningEmulator) -> None:
    before = emulator.calls("ssmmessages:CreateControlChannel")
    deadline = time.monotonic() + 20
    while emulator.calls("ssmmessages:CreateControlChannel") == before:
        assert time.monotonic() < deadline, "the agent does not try to connect again"
        time.sleep(0.2)
