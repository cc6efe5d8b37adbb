# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Listing nodes: which calls are made, and what happens when one is denied."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure, FailureKind
from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import open_session
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.listing import list_nodes
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.place import Place
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.query import Query
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.sources import Owner

Records = list[dict[str, t.Any]]


def _nodes(prefix: str, count: int) -> list[dict[str, t.Any]]:
    return [{"InstanceId": f"{prefix}{number:017d}", "PingStatus": "Online"} for number in range(count)]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def fleet(fake_aws: t.Any) -> t.Callable[[int, int], t.Any]:
    """Have so many EC2 and hybrid nodes; each has the tag id."""

    def pages(member: str, nodes: list[dict[str, t.Any]]) -> t.Callable[[dict[str, t.Any]], dict[str, t.Any]]:
        def answer(params: dict[str, t.Any]) -> dict[str, t.Any]:
            start = int(params.get("NextToken", 0))
            end = start + params["MaxResults"]
            return {member: nodes[start:end], **({"NextToken": str(end)} if end < len(nodes) else {})}

        return answer

    def _fleet(ec2: int, hybrid: int) -> t.Any:
        nodes = _nodes("i-", ec2) + _nodes("mi-", hybrid)
        instances = [{"Instances": [{**node, "Tags": [{"Key": "id", "Value": node["InstanceId"]}]}]} for node in nodes[:ec2]]
        fake_aws.answers |= {
            "DescribeInstanceProperties": pages("InstanceProperties", nodes),
            "DescribeInstanceInformation": pages("InstanceInformationList", nodes),
            "DescribeInstances": pages("Reservations", instances),
            "GetResources": lambda params: {
                "ResourceTagMappingList": [
                    {"ResourceARN": arn, "Tags": [{"Key": "id", "Value": arn.rpartition("/")[2]}]}
                    for arn in params["ResourceARNList"]
                ]
            },
            "ListTagsForResource": lambda params: {"TagList": [{"Key": "id", "Value": params["ResourceId"]}]},
        }
        return fake_aws

    return _fleet


@pytest.fixture
def nodes(said: list[str]) -> t.Callable[..., Records]:
    def _nodes(**query: t.Any) -> Records:
        place = Place(open_session(AwsOptions()), "eu-west-1", lambda line, _level: said.append(line), Owner("aws", "123456789012"))
        return list_nodes(place, Query(**query), 10)

    return _nodes


def test_takes_ten_calls_for_ten_thousand_nodes(fleet: t.Any, nodes: t.Any) -> None:
    aws = fleet(6000, 4000)
    assert len(nodes(tags=False)) == 10_000
    assert aws.operations() == ["DescribeInstanceProperties"] * 10


def test_takes_fewer_than_sixty_calls_for_ten_thousand_nodes_with_tags_and_facts(fleet: t.Any, nodes: t.Any) -> None:
    aws = fleet(6000, 4000)
    listed = nodes(ec2_facts=True)
    assert all(node["tags"] == {"id": node["instance_id"]} for node in listed)
    assert len([node for node in listed if "ec2" in node]) == 6000
    assert len(aws.calls) == 10 + 6 + 40


def test_describes_a_few_instances_by_id(fleet: t.Any, nodes: t.Any) -> None:
    aws = fleet(2, 0)
    nodes()
    asked = dict(aws.calls)["DescribeInstances"]
    assert asked["Filters"][0]["Values"] == [f"i-{number:017d}" for number in range(2)]


def test_asks_of_no_service_that_has_nothing_to_tell(fleet: t.Any, nodes: t.Any) -> None:
    aws = fleet(0, 0)
    assert nodes() == []
    assert aws.operations() == ["DescribeInstanceProperties"]


@pytest.mark.parametrize("code", ["AccessDeniedException", "UnknownOperationException"])
def test_falls_back_on_instance_information_and_says_so(fleet: t.Any, nodes: t.Any, said: list[str], code: str) -> None:
    aws = fleet(60, 0)
    aws.deny("DescribeInstanceProperties", code)
    assert len(nodes(tags=False, ping_status=("Online",))) == 60
    assert aws.operations() == ["DescribeInstanceProperties"] + ["DescribeInstanceInformation"] * 2
    assert aws.calls[-1][1]["Filters"] == [{"Key": "PingStatus", "Values": ["Online"]}]
    assert said[0].startswith("Listing by ssm:DescribeInstanceInformation, 50 nodes a call, because: ")


def test_does_not_fall_back_on_other_failures(fleet: t.Any, nodes: t.Any) -> None:
    aws = fleet(1, 0)
    aws.deny("DescribeInstanceProperties", "ExpiredTokenException")
    with pytest.raises(AwsFailure) as failure:
        nodes()
    assert failure.value.kind is FailureKind.EXPIRED
    assert aws.operations() == ["DescribeInstanceProperties"]


def test_asks_for_tags_of_hybrid_nodes_by_arn(fleet: t.Any, nodes: t.Any) -> None:
    aws = fleet(0, 1)
    nodes()
    asked = dict(aws.calls)["GetResources"]
    assert asked == {"ResourceARNList": ["arn:aws:ssm:eu-west-1:123456789012:managed-instance/mi-00000000000000000"]}


def test_falls_back_on_tags_one_by_one_and_says_so(fleet: t.Any, nodes: t.Any, said: list[str]) -> None:
    aws = fleet(0, 30)
    aws.deny("GetResources")
    assert all(node["tags"] == {"id": node["instance_id"]} for node in nodes())
    assert aws.operations().count("ListTagsForResource") == 30
    assert said[0].startswith("Reading tags by ssm:ListTagsForResource, one node a call, because: AWS denied tag:GetResources")


def test_fails_when_tags_cannot_be_had(fleet: t.Any, nodes: t.Any) -> None:
    aws = fleet(0, 300)
    aws.deny("GetResources")
    aws.deny("ListTagsForResource", message="User: me is not authorized to perform: ssm:ListTagsForResource on resource: arn:x")
    with pytest.raises(AwsFailure, match="Allow the IAM action ssm:ListTagsForResource on arn:x"):
        nodes()


def test_fails_when_tags_fail_otherwise(fleet: t.Any, nodes: t.Any) -> None:
    fleet(0, 1).deny("GetResources", "InternalFailure")
    with pytest.raises(AwsFailure, match="resourcegroupstaggingapi:GetResources failed"):
        nodes()
