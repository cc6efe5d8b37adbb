# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Command runs scripts, and lists them, as AWS documents it."""

from __future__ import annotations

import re
import time
import typing as t

import pytest

from tests.integration.emulator.calls import NOWHERE, SHELL_SCRIPT, pages, refused
from tests.integration.running_emulator import RunningEmulator


@pytest.mark.parametrize("machine", ["web-1", "db-1"])
def test_a_script_that_succeeds_is_told_with_both_its_streams(emulator: RunningEmulator, machine: str) -> None:
    invocation = emulator.run_command(machine, "echo out", "echo err >&2")
    assert (invocation["Status"], invocation["StatusDetails"], invocation["ResponseCode"]) == ("Success", "Success", 0)
    assert (invocation["StandardOutputContent"], invocation["StandardErrorContent"]) == ("out\n", "err\n")
    assert (invocation["DocumentName"], invocation["PluginName"]) == (SHELL_SCRIPT, "aws:runShellScript")
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
    sent = ssm.send_command(DocumentName=SHELL_SCRIPT, Targets=targets, Parameters={"commands": ["echo here"]})["Command"]
    rows = _until_done(ssm, sent["CommandId"])
    nodes = emulator.nodes()
    outputs = {row["InstanceId"]: row["CommandPlugins"][0]["Output"] for row in rows}
    assert outputs == {nodes["web-1"]: "here\n", nodes["web-2"]: "here\n"}
    (command,) = ssm.list_commands(CommandId=sent["CommandId"])["Commands"]
    assert (command["Status"], command["TargetCount"], command["CompletedCount"], command["ErrorCount"]) == ("Success", 2, 2, 0)


def _until_done(ssm: t.Any, command_id: str) -> list[dict[str, t.Any]]:
    deadline = time.monotonic() + 30
    while True:
        rows = pages(ssm, "list_command_invocations", CommandId=command_id, Details=True)
        if not {row["Status"] for row in rows} & {"Pending", "InProgress"}:
            return rows
        assert time.monotonic() < deadline, f"not done after 30 s: {rows}"
        time.sleep(0.05)


def test_commands_are_found_by_status_and_stage(ssm: t.Any, emulator: RunningEmulator) -> None:
    made = {emulator.run_command("web-1", line)["CommandId"]: line for line in ("exit 0", "exit 1")}

    def found(operation: str, key: str, value: str) -> set[str]:
        rows = pages(ssm, operation, Filters=[{"key": key, "value": value}])
        return {made[row["CommandId"]] for row in rows if row["CommandId"] in made}

    assert found("list_commands", "Status", "Failed") == found("list_command_invocations", "Status", "Failed") == {"exit 1"}
    assert found("list_commands", "ExecutionStage", "Complete") == {"exit 0", "exit 1"}
    assert found("list_commands", "ExecutionStage", "Executing") == found("list_commands", "DocumentName", "Other") == set()


def _send(ssm: t.Any, **params: t.Any) -> None:
    ssm.send_command(**{"DocumentName": SHELL_SCRIPT, "Parameters": {"commands": ["true"]}, **params})


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"InstanceIds": [NOWHERE]}, "InvalidInstanceId"),
        ({"DocumentName": "No-Such-Document"}, "InvalidDocument"),
        ({"DocumentName": "AWS-StartSSHSession"}, "InvalidDocument"),
        ({"Parameters": {}}, "InvalidParameters"),
        ({"Parameters": {"commands": ["true"], "colour": ["red"]}}, "InvalidParameters"),
        ({"InstanceIds": [f"i-{number:017}" for number in range(51)]}, "ValidationException"),
    ],
    ids=["node", "document", "session document", "missing parameter", "unknown parameter", "51 nodes"],
)
def test_a_command_that_aws_refuses_is_refused(ssm: t.Any, emulator: RunningEmulator, params: dict[str, t.Any], code: str) -> None:
    with refused(code):
        _send(ssm, **{"InstanceIds": [emulator.nodes()["web-1"]], **params})


def test_an_invocation_is_known_by_its_command_node_and_plugin_only(ssm: t.Any, emulator: RunningEmulator) -> None:
    done = emulator.run_command("web-1", "true")
    asked = {"CommandId": done["CommandId"], "InstanceId": done["InstanceId"]}
    assert ssm.get_command_invocation(**asked, PluginName="runShellScript")["Status"] == "Success"
    with refused("InvalidPluginName"):
        ssm.get_command_invocation(**asked, PluginName="aws:runPowerShellScript")
    with refused("InvocationDoesNotExist"):
        ssm.get_command_invocation(**{**asked, "InstanceId": emulator.nodes()["web-2"]})
