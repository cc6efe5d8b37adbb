# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module command_info."""

from __future__ import annotations

import functools
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.modules import command_info

from tests.unit.conftest import FakeAws
from tests.unit.plugins.modules.command_fleet import CommandFleet, Plugin, node_id


@pytest.fixture
def fleet(fake_aws: FakeAws) -> CommandFleet:
    """Three nodes."""
    return CommandFleet(fake_aws, nodes=3)


@pytest.fixture
def listed(run: t.Callable[..., t.Any], fleet: CommandFleet) -> t.Callable[..., t.Any]:
    return functools.partial(run, command_info.main)


def _send(fleet: CommandFleet, document: str = "AWS-RunShellScript", **more: t.Any) -> str:
    return str(fleet.aws.answers["SendCommand"]({"DocumentName": document, **more})["Command"]["CommandId"])


def test_lists_commands_with_the_names_of_options(listed: t.Any, fleet: CommandFleet) -> None:
    sent = _send(fleet)
    result = listed()
    (found,) = result["commands"]
    assert (result["changed"], found["command_id"], found["document"]) == (False, sent, "AWS-RunShellScript")
    assert (found["status"], found["target_count"], found["completed_count"]) == ("InProgress", 3, 0)
    assert "invocations" not in found


def test_has_aws_filter(listed: t.Any, fleet: CommandFleet) -> None:
    listed(document="AWS-UpdateSSMAgent", status="Failed", invoked_after="2030-01-31T18:00:00Z", instance_id=node_id(1))
    ((_operation, asked),) = fleet.aws.calls
    assert asked["InstanceId"] == node_id(1)
    assert {one["key"]: one["value"] for one in asked["Filters"]} == {
        "DocumentName": "AWS-UpdateSSMAgent",
        "Status": "Failed",
        "InvokedAfter": "2030-01-31T18:00:00Z",
    }


def test_lists_what_became_of_one_on_its_nodes(listed: t.Any, fleet: CommandFleet) -> None:
    fleet.outputs[node_id(2)] = [Plugin("x" * 5000, "no\n", 3)]
    _other, sent = _send(fleet), _send(fleet)
    fleet.tick()
    (found,) = listed(command_id=sent, invocations=True)["commands"]
    assert [one["instance_id"] for one in found["invocations"]] == [node_id(number) for number in (1, 2, 3)]
    second = found["invocations"][1]
    assert (second["response_code"], second["output_cut"]) == (3, True)
    (found,) = listed(command_id=sent, invocations=True, output="failed")["commands"]
    assert (found["invocations"][1]["stdout"], found["invocations"][1]["output_cut"]) == ("x" * 5000, False)


def test_lists_what_became_of_one_on_a_node(listed: t.Any, fleet: CommandFleet) -> None:
    sent = _send(fleet)
    (found,) = listed(command_id=sent, instance_id=node_id(2), invocations=True)["commands"]
    assert [one["instance_id"] for one in found["invocations"]] == [node_id(2)]


def test_an_id_that_aws_does_not_know_is_no_command(listed: t.Any, fleet: CommandFleet) -> None:
    fleet.aws.deny("ListCommands", "InvalidCommandId")
    assert listed(command_id="9d2b4c1e-5f0a-4c3b-8d7e-6a1f2b3c4d5e")["commands"] == []


def test_names_the_missing_permission(listed: t.Any, fleet: CommandFleet) -> None:
    fleet.aws.deny("ListCommands")
    assert "Allow the IAM action ssm:ListCommands" in listed()["msg"]


def test_lists_check_mode(listed: t.Any, fleet: CommandFleet) -> None:
    _send(fleet)
    assert len(listed(check_mode=True)["commands"]) == 1
