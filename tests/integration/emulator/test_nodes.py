# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes are listed and found as AWS documents it."""

from __future__ import annotations

import typing as t

import pytest

from tests.integration.bare_server import BareServer
from tests.integration.emulator.calls import FLEET, NOWHERE, activation, information, refused
from tests.integration.running_emulator import RunningEmulator


def test_nodes_come_in_pages_that_miss_and_repeat_none(ssm: t.Any, emulator: RunningEmulator) -> None:
    made = activation(ssm, RegistrationLimit=3)
    everybody = {*emulator.nodes().values(), *(BareServer(emulator).register(made) for _time in range(3))}
    first = ssm.describe_instance_information(MaxResults=5)
    second = ssm.describe_instance_information(MaxResults=5, NextToken=first["NextToken"])
    ids = [row["InstanceId"] for page in (first, second) for row in page["InstanceInformationList"]]
    assert [len(page["InstanceInformationList"]) for page in (first, second)] == [5, len(everybody) - 5]
    assert sorted(ids) == sorted(everybody)
    assert "NextToken" not in second


def test_a_node_of_ec2_is_listed_as_one(ssm: t.Any, emulator: RunningEmulator) -> None:
    (row,) = information(ssm, InstanceIds=emulator.nodes()["web-1"])
    assert (row["ResourceType"], row["SourceType"], row["PingStatus"]) == ("EC2Instance", "AWS::EC2::Instance", "Online")
    assert (row["ComputerName"], row["PlatformType"]) == ("web-1", "Linux")
    assert "ActivationId" not in row


@pytest.mark.parametrize(
    ("key", "value", "machines"),
    [
        ("ResourceType", "ManagedInstance", {"db-1"}),
        ("ResourceType", "EC2Instance", {"web-1", "web-2", "snakeless", "aged"}),
        ("SourceTypes", "AWS::SSM::ManagedInstance", {"db-1"}),
        ("PingStatus", "ConnectionLost", set()),
        ("PlatformTypes", "Windows", set()),
        ("PlatformTypes", "Linux", {"web-1", "web-2", "snakeless", "aged", "db-1"}),
        ("tag:role", "web", {"web-1", "web-2"}),
        ("tag:role", "db", {"db-1"}),
        ("tag-key", "Patch Group", {"web-2"}),
    ],
)
def test_nodes_are_found_by_a_filter(ssm: t.Any, key: str, value: str, machines: set[str]) -> None:
    assert {row["ComputerName"] for row in information(ssm, **{key: value})} & FLEET == machines


def test_the_older_filter_list_works_too(ssm: t.Any) -> None:
    older = [{"key": "ResourceType", "valueSet": ["ManagedInstance"]}]
    rows = ssm.describe_instance_information(InstanceInformationFilterList=older)["InstanceInformationList"]
    assert {row["ComputerName"] for row in rows} & FLEET == {"db-1"}


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"Filters": [{"Key": "InstanceIds", "Values": [NOWHERE]}]}, "InvalidInstanceId"),
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
    with refused(code):
        ssm.describe_instance_information(**params)


def test_a_node_that_nobody_knows_is_not_connected(ssm: t.Any) -> None:
    assert ssm.get_connection_status(Target=NOWHERE)["Status"] == "notconnected"


def test_a_node_whose_agent_is_there_is_connected(ssm: t.Any, emulator: RunningEmulator) -> None:
    node = emulator.nodes()["db-1"]
    status = ssm.get_connection_status(Target=node)
    assert (status["Target"], status["Status"]) == (node, "connected")
