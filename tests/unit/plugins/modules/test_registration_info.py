# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module registration_info."""

from __future__ import annotations

import functools
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.modules import registration_info

from tests.unit.conftest import FakeAws, Params

REGION = "eu-west-1"


def said(node_id: str | None = None, hostname: str = "", region: str | None = REGION, kind: str | None = "deb") -> dict[str, t.Any]:
    """What agent_info returns."""
    return {
        "agent": {"kind": kind, "node_id": node_id, "region": region if node_id else None},
        "machine": {"machine_id": "6f1d", "hostname": hostname, "addresses": ["10.0.0.7"], "on_ec2": False},
    }


class Account:
    """Hybrid nodes by id, with their tags."""

    def __init__(self, aws: FakeAws) -> None:
        self.nodes: dict[str, dict[str, str]] = {}
        self.aws = aws
        aws.answers["DescribeInstanceInformation"] = self._describe
        aws.answers["GetResources"] = self._tags

    def _describe(self, params: Params) -> dict[str, t.Any]:
        (filter_,) = params["Filters"]
        assert filter_["Key"] == "InstanceIds"
        assert len(filter_["Values"]) <= 100
        known = [node for node in filter_["Values"] if node in self.nodes]
        return {"InstanceInformationList": [{"InstanceId": node, "ComputerName": node, "PingStatus": "Online"} for node in known]}

    def _tags(self, params: Params) -> dict[str, t.Any]:
        assert params["ResourceTypeFilters"] == ["ssm:managed-instance"]
        start = int(params.get("PaginationToken") or 0)
        listed = list(self.nodes.items())[start : start + 1]
        return {
            "PaginationToken": str(start + 1) if start + 1 < len(self.nodes) else "",
            "ResourceTagMappingList": [
                {
                    "ResourceARN": f"arn:aws:ssm:eu-west-1:123456789012:managed-instance/{node}",
                    "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                }
                for node, tags in listed
            ],
        }


@pytest.fixture
def account(fake_aws: FakeAws) -> Account:
    return Account(fake_aws)


@pytest.fixture
def compare(run: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    return functools.partial(run, registration_info.main)


@pytest.mark.parametrize("check_mode", [False, True])
def test_says_what_each_machine_is_check_mode(compare: t.Any, account: Account, check_mode: bool) -> None:
    account.nodes = {"mi-known": {}}
    machines = {"new": said(), "known": said("mi-known", "mi-known"), "orphan": said("mi-gone"), "bare": said(kind=None)}
    result = compare(machines=machines, check_mode=check_mode)
    assert not result["changed"]
    assert {name: machine["state"] for name, machine in result["machines"].items()} == {
        "new": "new",
        "known": "registered",
        "orphan": "orphaned",
        "bare": "no_agent",
    }
    assert result["to_register"] == ["new", "orphan"]
    assert result["region"] == REGION
    assert result["machines"]["known"]["managed_node"] == {
        "instance_id": "mi-known",
        "computer_name": "mi-known",
        "ping_status": "Online",
    }
    assert "fleet.ssm.agent" in result["machines"]["bare"]["refusal"]


def test_only_a_copy_gets_a_new_identity(compare: t.Any, account: Account) -> None:
    account.nodes = {"mi-known": {}}
    machines = {"original": said("mi-known", "mi-known"), "copy": said("mi-known", "copy"), "new": said()}
    machines["original"]["machine"]["addresses"] = []
    result = compare(machines=machines, new_identity=True)
    assert {name: machine["new_identity"] for name, machine in result["machines"].items()} == {
        "original": False,
        "copy": True,
        "new": False,
    }
    assert result["to_register"] == ["copy", "new"]


def test_a_thousand_machines_take_ten_requests(compare: t.Any, account: Account) -> None:
    account.nodes = {f"mi-{number}": {} for number in range(1000)}
    result = compare(machines={node: said(node, node) for node in account.nodes})
    assert result["to_register"] == []
    assert account.aws.operations() == ["DescribeInstanceInformation"] * 10


def test_nobody_is_asked_about_machines_without_registration(compare: t.Any, account: Account) -> None:
    assert compare(machines={"new": said()}, tags={"new": {"site": "7"}})["to_register"] == ["new"]
    assert account.aws.operations() == []


def test_tags_that_all_have_come_with_the_activation(compare: t.Any, account: Account) -> None:
    tags = {"a": {"site": 7, "Name": "a"}, "b": {"site": 7, "Name": "b"}}
    result = compare(machines={"a": said(), "b": said()}, tags=tags)
    assert result["common_tags"] == {"site": "7"}
    assert [result["machines"][name]["missing_tags"] for name in "ab"] == [{"Name": "a"}, {"Name": "b"}]


def test_tags_of_a_registered_machine_are_compared_with_its_own(compare: t.Any, account: Account) -> None:
    account.nodes = {"mi-first": {}, "mi-known": {"site": "7", "other": "stays"}}
    result = compare(machines={"a": said("mi-known", "mi-known")}, tags={"a": {"site": "7", "Name": "a"}})
    assert result["machines"]["a"]["missing_tags"] == {"Name": "a"}
    assert account.aws.operations() == ["DescribeInstanceInformation", "GetResources", "GetResources"]


def test_what_agent_info_did_not_return_is_refused(compare: t.Any, account: Account) -> None:
    result = compare(machines={"broken": {"failed": True}})
    assert result["msg"] == "machines: what is given for broken is not what fleet.ssm.agent_info returns; did the task fail there?"


def test_a_denied_request_names_the_action(compare: t.Any, account: Account) -> None:
    account.aws.deny("DescribeInstanceInformation")
    assert "ssm:DescribeInstanceInformation" in compare(machines={"one": said("mi-known")})["msg"]
