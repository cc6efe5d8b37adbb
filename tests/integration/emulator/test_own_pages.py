# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages that are the emulator's own: what it counted, and what it is to break."""

from __future__ import annotations

import json
import typing as t

import botocore.exceptions
import pytest

from tests.integration.emulator.calls import NOWHERE, post, refused
from tests.integration.running_emulator import RunningEmulator


def test_calls_are_counted_by_service_and_operation_until_they_are_reset(emulator: RunningEmulator) -> None:
    for _time in range(2):
        emulator.client("ssm").get_connection_status(Target=NOWHERE)
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
    status, answer = post(emulator, "/_emulator/faults", json.dumps(body).encode())
    assert status == 400
    assert json.loads(answer)["error"].startswith(sentence)
    assert emulator.faults() == {"delay": {"ms": 0.0}}


def test_an_order_that_is_not_json_is_answered_by_a_sentence(emulator: RunningEmulator) -> None:
    status, answer = post(emulator, "/_emulator/faults", b"cut everything")
    assert (status, json.loads(answer)["error"][:24]) == (400, "The body is not JSON: Ex")


def test_a_page_that_does_not_exist_is_not_found(emulator: RunningEmulator) -> None:
    assert post(emulator, "/_emulator/colours", b"{}") == (404, '{"error": "There is no such page."}')


def test_an_ordered_failure_meets_its_node_as_often_as_ordered(ssm: t.Any, emulator: RunningEmulator) -> None:
    nodes = emulator.nodes()
    failure = {"operation": "StartSession", "code": "InternalServerError", "message": "Oh", "node": nodes["web-1"], "status": 500}
    emulator.order({"fail": failure})
    ssm.start_session(Target=nodes["web-2"])
    with refused("InternalServerError", "Oh"):
        ssm.start_session(Target=nodes["web-1"])
    assert ssm.start_session(Target=nodes["web-1"])["SessionId"]


def test_a_throttled_operation_works_again_after_so_many_calls(ssm: t.Any, emulator: RunningEmulator) -> None:
    emulator.order({"throttle": {"operation": "ssm:GetConnectionStatus", "times": 2}})
    for _time in range(2):
        with refused("ThrottlingException", "Rate exceeded"):
            ssm.get_connection_status(Target=NOWHERE)
    assert ssm.get_connection_status(Target=NOWHERE)["Status"] == "notconnected"


def test_lines_are_cut_at_random_as_the_seed_says_and_it_is_counted(ssm: t.Any, emulator: RunningEmulator) -> None:
    emulator.order({"cut": {"side": "control", "rate": 1.0, "times": 2}})
    emulator.run_command("web-1", "true")
    assert emulator.statistics()["faults"] == {"cut": 2}
    assert "cut" not in emulator.faults()


@pytest.mark.parametrize(("limit", "reason"), [({"idle": 0.5}, "inactivity"), ({"duration": 0.5}, "maximum duration")])
def test_a_session_beyond_its_limits_is_ended(ssm: t.Any, emulator: RunningEmulator, limit: dict[str, float], reason: str) -> None:
    emulator.order({"limit": limit})
    ssm.start_session(Target=emulator.nodes()["web-1"])
    assert emulator.statistics()["sessions"]["open"] == 1
    assert emulator.no_session_is_left(5)


def test_a_share_of_the_calls_can_be_throttled(ssm: t.Any, emulator: RunningEmulator) -> None:
    emulator.order({"throttle": {"operation": "GetConnectionStatus", "rate": 0.5, "seed": 1, "times": None}})
    answers = []
    for _time in range(40):
        try:
            answers.append(ssm.get_connection_status(Target=NOWHERE)["Status"])
        except botocore.exceptions.ClientError as error:
            answers.append(error.response["Error"]["Code"])
    assert set(answers) == {"notconnected", "ThrottlingException"}
    assert 10 <= answers.count("ThrottlingException") <= 30


def test_orders_are_forgotten_when_told_so(emulator: RunningEmulator) -> None:
    emulator.order({"fail": {"operation": "*", "code": "X", "times": None}, "delay": {"ms": 1}})
    held = emulator.faults()
    emulator.order({"clear": True})
    assert (held["fail"][0]["operation"], held["delay"]) == ("*", {"ms": 1})
    assert emulator.faults() == {"delay": {"ms": 0.0}}
