# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module managed_node_info."""

from __future__ import annotations

import time
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.modules import managed_node_info

from tests.unit.conftest import FakeAws, Params, Refusal


class Account:
    """Nodes by id with their ping status, which time changes."""

    def __init__(self, aws: FakeAws) -> None:
        self.aws = aws
        self.nodes: dict[str, str] = {}
        self.online_at: dict[str, float] = {}
        self.refused: tuple[str, ...] = ()
        self.names = True
        self.now = 0.0
        aws.answers["DescribeInstanceInformation"] = self._describe

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        self.nodes.update({node: "Online" for node, moment in self.online_at.items() if moment <= self.now})

    def _describe(self, params: Params) -> dict[str, t.Any]:
        unknown = [node for node in self.refused if node in str(params)]
        if unknown:
            raise Refusal("InvalidInstanceId", f"Not valid: {', '.join(unknown)}" if self.names else "No")
        asked = {filter_["Key"]: filter_["Values"] for filter_ in params.get("Filters", [])}
        assert all(len(values) <= 100 for values in asked.values())
        return {
            "InstanceInformationList": [
                {"InstanceId": node, "PingStatus": status}
                for node, status in self.nodes.items()
                if node in asked.get("InstanceIds", [node]) and status in asked.get("PingStatus", [status])
            ]
        }


@pytest.fixture
def account(fake_aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> Account:
    made = Account(fake_aws)
    monkeypatch.setattr(time, "sleep", made.sleep)
    monkeypatch.setattr(time, "monotonic", lambda: made.now)
    return made


@pytest.fixture
def listed(run: t.Callable[..., t.Any]) -> t.Callable[..., dict[str, str]]:
    """List with the given options, and give the ping status by node."""

    def _listed(**options: t.Any) -> dict[str, str]:
        result = run(managed_node_info.main, **options)
        assert not result["changed"]
        return {node["instance_id"]: node["ping_status"] for node in result["managed_nodes"]}

    return _listed


@pytest.mark.parametrize("check_mode", [False, True])
def test_lists_all_nodes_check_mode(listed: t.Any, account: Account, check_mode: bool) -> None:
    account.nodes = {"i-1": "Online", "mi-2": "ConnectionLost"}
    assert listed(check_mode=check_mode) == account.nodes


def test_filters(listed: t.Any, account: Account) -> None:
    account.nodes = {"i-1": "Online", "mi-2": "ConnectionLost"}
    assert listed(ping_status="ConnectionLost") == {"mi-2": "ConnectionLost"}
    assert listed(instance_ids=["i-1", "mi-3"]) == {"i-1": "Online"}
    assert listed(instance_ids=["i-1"], ping_status="ConnectionLost") == {}


def test_more_ids_than_a_filter_takes_are_asked_for_in_several(listed: t.Any, account: Account) -> None:
    account.nodes = {f"mi-{number}": "Online" for number in range(300)}
    assert listed(instance_ids=list(account.nodes)[:250]) == dict(list(account.nodes.items())[:250])
    assert account.aws.operations() == ["DescribeInstanceInformation"] * 3


def test_waits_until_all_are_online(listed: t.Any, account: Account) -> None:
    account.nodes = {"mi-1": "Online", "mi-2": "ConnectionLost", "mi-3": "ConnectionLost"}
    account.online_at = {"mi-2": 10.0, "mi-3": 1000.0}
    assert listed(instance_ids=["mi-1", "mi-2"], wait_seconds=60) == {"mi-1": "Online", "mi-2": "Online"}
    assert 10 <= account.now < 20


def test_lists_what_there_is_when_the_time_is_over(listed: t.Any, account: Account) -> None:
    account.nodes = {"mi-1": "ConnectionLost"}
    assert listed(instance_ids=["mi-1", "mi-2"], wait_seconds=60) == {"mi-1": "ConnectionLost"}
    assert account.now == 60


def test_does_not_wait_unless_told(listed: t.Any, account: Account) -> None:
    assert listed(instance_ids=["mi-1"]) == {}
    assert account.now == 0


@pytest.mark.parametrize(("names", "calls"), [(True, 2), (False, 7)])
def test_ids_that_aws_refuses_are_left_out_whether_it_says_which_or_not(
    listed: t.Any, account: Account, names: bool, calls: int
) -> None:
    account.nodes = {"mi-1": "Online", "mi-2": "Online"}
    account.refused, account.names = ("mi-8", "mi-9"), names
    assert listed(instance_ids=["mi-1", "mi-8", "mi-2", "mi-9"]) == account.nodes
    assert len(account.aws.calls) == calls


def test_of_nothing_but_refused_ids_nothing_is_listed(listed: t.Any, account: Account) -> None:
    account.nodes = {"mi-1": "Online"}
    account.refused = ("mi-8",)
    assert listed(instance_ids=["mi-8"]) == {}
    assert listed(instance_ids=[]) == {}
