# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tags of a resource, given at its creation and changed later."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import open_session
from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api
from ansible_collections.fleet.ssm.plugins.module_utils._engine.resource import Outcome, Resource

Answer = dict[str, t.Any]


class Baseline(Resource):
    """A resource that has tags."""

    noun = "baseline"
    title = "name"
    ids = ("BaselineId",)
    item = ("DescribePatchBaselines", "BaselineIdentities")
    create = "CreatePatchBaseline"
    update = "UpdatePatchBaseline"
    delete = "DeletePatchBaseline"
    tagged_as = "PatchBaseline"

    def find(self) -> list[Answer]:
        return list(self.api.items(*self.item))


class Account:
    """An account of one baseline at most."""

    def __init__(self, aws: t.Any) -> None:
        self.aws = aws
        self.kept: list[Answer] = []
        self.tags: dict[str, str] = {}
        aws.answers |= {
            "DescribePatchBaselines": lambda _: {"BaselineIdentities": self.kept},
            "CreatePatchBaseline": self._create,
            "UpdatePatchBaseline": lambda params: self.kept[0].update(params) or {},
            "ListTagsForResource": lambda _: {"TagList": [{"Key": key, "Value": value} for key, value in self.tags.items()]},
            "AddTagsToResource": lambda params: self._tag(params["Tags"]),
            "RemoveTagsFromResource": lambda params: [self.tags.pop(key) for key in params["TagKeys"]] and {},
        }

    def _create(self, params: Answer) -> Answer:
        self.kept.append({"BaselineId": "pb-0123456789abcdef0", **params})
        self._tag(params.get("Tags", []))
        return {"BaselineId": "pb-0123456789abcdef0"}

    def _tag(self, tags: list[dict[str, str]]) -> Answer:
        self.tags |= {tag["Key"]: tag["Value"] for tag in tags}
        return {}

    def ensure(self, check: bool = False, **options: t.Any) -> Outcome:
        api = Api(open_session(AwsOptions()).client("ssm"))
        return Baseline(api, {"state": "present", "name": "monthly", "purge_tags": False, **options}).ensure(check)

    def changes(self) -> list[str]:
        """Name the calls since the last time that change something."""
        made = [operation for operation in self.aws.operations() if not operation.startswith(("Describe", "List"))]
        self.aws.calls.clear()
        return made


@pytest.fixture
def account(fake_aws: t.Any) -> Account:
    return Account(fake_aws)


def test_a_new_thing_gets_its_tags_in_the_same_request(account: Account) -> None:
    outcome = account.ensure(tags={"site": 7})
    assert (outcome.changed, outcome.after["tags"], account.tags) == (True, {"site": "7"}, {"site": "7"})
    assert account.changes() == ["CreatePatchBaseline"]


def test_the_same_tags_are_no_change(account: Account) -> None:
    account.ensure(tags={"site": 7})
    account.changes()
    assert not account.ensure(tags={"site": "7"}).changed
    assert account.changes() == []


def test_other_tags_are_set_without_an_update_of_the_thing(account: Account) -> None:
    account.ensure(tags={"site": 7, "old": "1"})
    account.changes()
    outcome = account.ensure(tags={"site": 8})
    assert outcome.changed
    assert (outcome.before["tags"], outcome.after["tags"]) == ({"site": "7", "old": "1"}, {"site": "8", "old": "1"})
    assert account.tags == {"site": "8", "old": "1"}
    assert account.changes() == ["AddTagsToResource"]


def test_other_tags_are_only_told_in_check_mode(account: Account) -> None:
    account.ensure(tags={"site": 7})
    account.changes()
    outcome = account.ensure(check=True, tags={"site": 8})
    assert (outcome.changed, outcome.after["tags"]) == (True, {"site": "8"})
    assert account.changes() == []


def test_tags_are_purged_but_not_those_of_aws(account: Account) -> None:
    account.ensure(tags={"site": 7, "aws:stack": "x"})
    account.changes()
    assert account.ensure(tags={}, purge_tags=True).after["tags"] == {"aws:stack": "x"}
    assert account.changes() == ["RemoveTagsFromResource"]


def test_tags_that_nobody_asks_for_are_not_read(account: Account) -> None:
    account.ensure(tags={"site": 7})
    account.aws.calls.clear()
    outcome = account.ensure()
    assert (outcome.changed, "tags" in outcome.after) == (False, False)
    assert account.aws.operations() == ["DescribePatchBaselines"]
