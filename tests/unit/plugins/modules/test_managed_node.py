# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module managed_node."""

from __future__ import annotations

import functools
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.modules import managed_node

from tests.unit.conftest import FakeAws

NODE = "mi-0123456789abcdef0"


class Account:
    """One hybrid node."""

    def __init__(self, aws: FakeAws) -> None:
        self.aws = aws
        self.node: dict[str, t.Any] = {"InstanceId": NODE, "IamRole": "service-role/OldRole"}
        self.tags = {"site": "7", "aws:cloudformation:stack-name": "x"}
        aws.answers.update(
            DescribeInstanceInformation=lambda _: {"InstanceInformationList": [self.node] if self.node else []},
            ListTagsForResource=lambda _: {"TagList": [{"Key": key, "Value": value} for key, value in self.tags.items()]},
            AddTagsToResource=lambda request: self._done(
                lambda: self.tags.update({tag["Key"]: tag["Value"] for tag in request["Tags"]})
            ),
            RemoveTagsFromResource=lambda request: self._done(lambda: [self.tags.pop(key) for key in request["TagKeys"]]),
            UpdateManagedInstanceRole=lambda request: self._done(lambda: self.node.update(IamRole=request["IamRole"])),
            DeregisterManagedInstance=lambda _: self._done(self.node.clear),
        )

    @staticmethod
    def _done(work: t.Callable[[], t.Any]) -> dict[str, t.Any]:
        work()
        return {}

    def changes(self) -> list[str]:
        return [name for name in self.aws.operations() if not name.startswith(("Describe", "List"))]


@pytest.fixture
def account(fake_aws: FakeAws) -> Account:
    return Account(fake_aws)


@pytest.fixture
def ensure(run: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    return functools.partial(run, managed_node.main, instance_id=NODE)


def test_adds_tags(ensure: t.Any, account: Account) -> None:
    result = ensure(tags={"Name": "press", "site": 7})
    assert result["changed"]
    assert result["managed_node"]["tags"] == account.tags
    assert account.tags == {"site": "7", "aws:cloudformation:stack-name": "x", "Name": "press"}
    assert account.changes() == ["AddTagsToResource"]


def test_adds_tags_idempotent(ensure: t.Any, account: Account) -> None:
    ensure(tags={"Name": "press"})
    assert not ensure(tags={"Name": "press"})["changed"]
    assert account.changes() == ["AddTagsToResource"]


def test_adds_tags_check_mode(ensure: t.Any, account: Account) -> None:
    result = ensure(tags={"Name": "press"}, check_mode=True, diff=True)
    assert result["changed"]
    assert result["managed_node"]["tags"]["Name"] == "press"
    assert "Name" not in result["diff"]["before"]["tags"]
    assert account.changes() == []


def test_purges_tags_but_those_of_aws(ensure: t.Any, account: Account) -> None:
    result = ensure(tags={"Name": "press"}, purge_tags=True)
    assert result["managed_node"]["tags"] == account.tags == {"aws:cloudformation:stack-name": "x", "Name": "press"}


def test_gives_another_role(ensure: t.Any, account: Account) -> None:
    assert ensure(iam_role="NewRole")["managed_node"]["iam_role"] == account.node["IamRole"] == "NewRole"


def test_gives_another_role_idempotent(ensure: t.Any, account: Account) -> None:
    assert not ensure(iam_role="OldRole")["changed"]


def test_gives_another_role_check_mode(ensure: t.Any, account: Account) -> None:
    assert ensure(iam_role="NewRole", check_mode=True)["changed"]
    assert account.changes() == []


def test_deregisters(ensure: t.Any, account: Account) -> None:
    result = ensure(state="absent")
    assert (result["changed"], result["managed_node"], account.node) == (True, {}, {})


def test_deregisters_idempotent(ensure: t.Any, account: Account) -> None:
    account.node = {}
    assert not ensure(state="absent")["changed"]
    assert account.changes() == []


def test_deregisters_check_mode(ensure: t.Any, account: Account) -> None:
    assert ensure(state="absent", check_mode=True)["changed"]
    assert account.changes() == []


def test_tags_are_not_asked_for_when_none_are_wanted(ensure: t.Any, account: Account) -> None:
    assert not ensure()["changed"]
    assert account.aws.operations() == ["DescribeInstanceInformation"]


def test_a_node_that_aws_does_not_know_cannot_be_tagged(ensure: t.Any, account: Account) -> None:
    account.node = {}
    assert ensure(tags={"a": "b"})["msg"] == f"AWS knows no node {NODE} in this region."


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"instance_id": "i-0123456789abcdef0"}, "instance_id must be that of a hybrid node, mi-..., not 'i-0123456789abcdef0'."),
        ({"iam_role": "arn:aws:iam::1:role/x/Plant"}, "iam_role takes the name of the role and not its ARN: write 'x/Plant'."),
    ],
)
def test_refuses(ensure: t.Any, account: Account, options: dict[str, t.Any], sentence: str) -> None:
    assert ensure(**options)["msg"] == sentence
    assert account.aws.operations() == []
