# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules association and association_info."""

from __future__ import annotations

import functools
import typing as t
import uuid

import botocore.exceptions
import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._engine import module as engine_module
from ansible_collections.fleet.ssm.plugins.modules import association, association_info

from tests.unit.plugins.modules.conftest import Answer, FakeSession, FakeSsm

UPDATE: dict[str, t.Any] = {
    "name": "update-ssm-agent",
    "document": "AWS-UpdateSSMAgent",
    "targets": [{"key": "tag:site", "values": ["plant7", "plant8"]}],
    "schedule_expression": "rate(14 days)",
    "max_concurrency": "10%",
}
NODE = "mi-0123456789abcdef0"


class StateManager(FakeSsm):
    """An account that keeps associations, and empties what an update does not say, as AWS does."""

    def __init__(self) -> None:
        super().__init__()
        self.associations: dict[str, Answer] = {}
        self.requests: list[tuple[str, Answer]] = []
        self.on_node: list[Answer] = []
        self.going: set[str] = set()

    def _call(self, operation: str, request: Answer) -> Answer:
        self.requests.append((operation, request))
        return super()._call(operation, request)

    def _CreateAssociation(self, **request: t.Any) -> Answer:  # noqa: N802
        made = {"DocumentVersion": "$DEFAULT", **request, "AssociationId": str(uuid.uuid4()), "AssociationVersion": "1"}
        self.associations[made["AssociationId"]] = made
        return {"AssociationDescription": dict(made)}

    def _UpdateAssociation(self, AssociationId: str, **request: t.Any) -> Answer:  # noqa: N802, N803
        version = str(int(self.associations[AssociationId]["AssociationVersion"]) + 1)
        self.associations[AssociationId] = {**request, "AssociationId": AssociationId, "AssociationVersion": version}
        return {"AssociationDescription": dict(self.associations[AssociationId])}

    def _DeleteAssociation(self, AssociationId: str) -> Answer:  # noqa: N802, N803
        del self.associations[AssociationId]
        return {}

    def _DescribeAssociation(self, AssociationId: str) -> Answer:  # noqa: N802, N803
        if AssociationId in self.going:
            raise botocore.exceptions.ClientError({"Error": {"Code": "AssociationDoesNotExist"}}, "DescribeAssociation")
        return {"AssociationDescription": dict(self.associations[AssociationId])}

    def _ListAssociations(self, AssociationFilterList: t.Sequence[Answer] = (), **_: t.Any) -> Answer:  # noqa: N802, N803
        kept = [
            {name: item.get(name) for name in ("AssociationId", "AssociationName", "Name", "Targets")}
            for item in self.associations.values()
            if all(item.get(one["key"]) == one["value"] for one in AssociationFilterList)
        ]
        return {"Associations": kept}

    def _DescribeInstanceAssociationsStatus(self, InstanceId: str, **_: t.Any) -> Answer:  # noqa: N802, N803
        return {"InstanceAssociationStatusInfos": [row for row in self.on_node if row["InstanceId"] == InstanceId]}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> StateManager:
    """An account without associations."""
    client = StateManager()
    monkeypatch.setattr(engine_module, "open_session", lambda _options: FakeSession(client))
    return client


@pytest.fixture
def ensure(run: t.Callable[..., t.Any], aws: StateManager) -> t.Callable[..., t.Any]:
    return functools.partial(run, association.main)


@pytest.fixture
def listed(run: t.Callable[..., t.Any], aws: StateManager) -> t.Callable[..., t.Any]:
    return lambda **options: run(association_info.main, **options)["associations"]


def test_creates_an_association(ensure: t.Any, aws: StateManager) -> None:
    result = ensure(**UPDATE)
    (made,) = aws.associations.values()
    assert result["changed"]
    assert (made["Name"], made["AssociationName"]) == ("AWS-UpdateSSMAgent", "update-ssm-agent")
    assert made["Targets"] == [{"Key": "tag:site", "Values": ["plant7", "plant8"]}]
    told = result["association"]
    assert (told["name"], told["document"]) == ("update-ssm-agent", "AWS-UpdateSSMAgent")
    assert (told["association_id"], told["association_version"]) == (made["AssociationId"], "1")
    assert told["targets"] == UPDATE["targets"]


def test_creates_an_association_idempotent(ensure: t.Any, aws: StateManager) -> None:
    first = ensure(**UPDATE)
    second = ensure(**UPDATE)
    assert not second["changed"]
    assert second["association"] == first["association"]
    assert aws.changes() == ["CreateAssociation"]


def test_fifty_runs_of_what_is_there_update_nothing(ensure: t.Any, aws: StateManager) -> None:
    """UpdateAssociation has AWS carry the association out on all of its nodes, whether anything differs or not."""
    ensure(**UPDATE)
    turned = {**UPDATE, "targets": [{"key": "tag:site", "values": ["plant8", "plant7"]}]}
    for number in range(50):
        assert not ensure(**(turned if number % 2 else UPDATE))["changed"]
    assert aws.calls.count("UpdateAssociation") == 0
    assert aws.changes() == ["CreateAssociation"]


def test_creates_an_association_check_mode(ensure: t.Any, aws: StateManager) -> None:
    result = ensure(**UPDATE, check_mode=True)
    assert result["changed"]
    assert result["association"]["document"] == "AWS-UpdateSSMAgent"
    assert "association_id" not in result["association"]
    assert aws.changes() == []


def test_creates_an_association_diff(ensure: t.Any) -> None:
    diff = ensure(**UPDATE, check_mode=True, diff=True)["diff"]
    assert diff["before"] == {}
    assert diff["after"]["schedule_expression"] == "rate(14 days)"
    assert diff["after_header"] == "association update-ssm-agent"


def test_an_update_repeats_what_is_not_asked_for(ensure: t.Any, aws: StateManager) -> None:
    ensure(**UPDATE, compliance_severity="HIGH", parameters={"allowDowngrade": True})
    result = ensure(name=UPDATE["name"], document=UPDATE["document"], schedule_expression="rate(7 days)", diff=True)
    (made,) = aws.associations.values()
    assert result["changed"]
    assert (made["ScheduleExpression"], made["MaxConcurrency"], made["ComplianceSeverity"]) == ("rate(7 days)", "10%", "HIGH")
    assert (made["Parameters"], made["Targets"][0]["Key"]) == ({"allowDowngrade": ["true"]}, "tag:site")
    assert made["AssociationVersion"] == "2"
    before, after = result["diff"]["before"], result["diff"]["after"]
    assert (before["schedule_expression"], after["schedule_expression"]) == ("rate(14 days)", "rate(7 days)")
    assert {name for name in after if before.get(name) != after[name]} == {"schedule_expression", "association_version"}


def test_an_update_check_mode(ensure: t.Any, aws: StateManager) -> None:
    ensure(**UPDATE)
    result = ensure(**{**UPDATE, "max_concurrency": "1"}, check_mode=True, diff=True)
    assert (result["changed"], result["diff"]["after"]["max_concurrency"]) == (True, "1")
    assert aws.changes() == ["CreateAssociation"]


@pytest.mark.parametrize(
    "same",
    [
        {"targets": [{"key": "tag:site", "values": ["plant8", "plant7"]}]},
        {"apply_only_at_cron_interval": False},
        {"parameters": {"allowDowngrade": "false"}},
        {"output_location": {"s3_location": {"output_s3_bucket_name": "logs"}}},
        {"calendar_names": ["b", "a"]},
    ],
    ids=lambda same: next(iter(same)),
)
def test_the_same_in_other_words_is_no_difference(ensure: t.Any, aws: StateManager, same: dict[str, t.Any]) -> None:
    ensure(
        **UPDATE,
        parameters={"allowDowngrade": [False]},
        output_location={"s3_location": {"output_s3_bucket_name": "logs", "output_s3_region": "eu-west-1"}},
        calendar_names=["a", "b"],
    )
    assert not ensure(**{**UPDATE, **same})["changed"]


def test_other_targets_are_a_difference(ensure: t.Any, aws: StateManager) -> None:
    ensure(**UPDATE)
    assert ensure(**{**UPDATE, "targets": [{"key": "tag:site", "values": ["plant7"]}]})["changed"]
    assert aws.changes() == ["CreateAssociation", "UpdateAssociation"]


def test_another_document_is_refused_with_a_sentence(ensure: t.Any, aws: StateManager) -> None:
    ensure(**UPDATE)
    result = ensure(**{**UPDATE, "document": "AWS-RunShellScript"})
    assert "document is 'AWS-UpdateSSMAgent' and not 'AWS-RunShellScript'" in result["msg"]
    assert "on_difference=replace" in result["msg"]
    assert aws.changes() == ["CreateAssociation"]


def test_another_document_replaces_the_association_when_told(ensure: t.Any, aws: StateManager) -> None:
    ensure(**UPDATE)
    assert ensure(**{**UPDATE, "document": "AWS-RunShellScript"}, on_difference="replace")["changed"]
    assert [made["Name"] for made in aws.associations.values()] == ["AWS-RunShellScript"]
    assert aws.changes() == ["CreateAssociation", "CreateAssociation", "DeleteAssociation"]


def test_the_one_of_several_that_is_as_wanted_is_kept(ensure: t.Any, aws: StateManager) -> None:
    aws._call("CreateAssociation", {"Name": "AWS-UpdateSSMAgent", "AssociationName": "update-ssm-agent"})
    ensure(**UPDATE)
    aws._call("CreateAssociation", {"Name": "AWS-UpdateSSMAgent", "AssociationName": "update-ssm-agent"})
    assert not ensure(**UPDATE)["changed"]


def test_one_that_goes_while_it_is_read_is_gone(ensure: t.Any, aws: StateManager) -> None:
    ensure(**UPDATE)
    aws.going = set(aws.associations)
    assert ensure(**UPDATE)["changed"]
    assert aws.changes() == ["CreateAssociation", "CreateAssociation"]


def test_deletes_all_associations_of_the_name(ensure: t.Any, aws: StateManager) -> None:
    ensure(**UPDATE)
    aws._call("CreateAssociation", {"Name": "AWS-UpdateSSMAgent", "AssociationName": "update-ssm-agent"})
    ensure(**{**UPDATE, "name": "another"})
    result = ensure(name="update-ssm-agent", state="absent", diff=True)
    assert (result["changed"], result["association"], result["diff"]["after"]) == (True, {}, {})
    assert [made["AssociationName"] for made in aws.associations.values()] == ["another"]


def test_deletes_an_association_idempotent(ensure: t.Any, aws: StateManager) -> None:
    assert not ensure(name="update-ssm-agent", state="absent")["changed"]
    assert aws.changes() == []


def test_deletes_an_association_check_mode(ensure: t.Any, aws: StateManager) -> None:
    ensure(**UPDATE)
    assert ensure(name="update-ssm-agent", state="absent", check_mode=True)["changed"]
    assert len(aws.associations) == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"document": None}, "document"),
        ({"apply_only_at_cron_interval": True}, "no such choice for rate"),
        ({"schedule_offset": 3}, "schedule_offset needs apply_only_at_cron_interval"),
        ({"targets": [{"key": "tag:a", "values": ["b"]}] * 6}, "targets must be at most 5 entries, not 6"),
        ({"max_concurrency": "1000000%"}, "max_concurrency must be from 1 to 7 characters long"),
    ],
)
def test_refuses_what_cannot_be_right(ensure: t.Any, aws: StateManager, options: dict[str, t.Any], sentence: str) -> None:
    result = ensure(**{**UPDATE, **options})
    assert result["failed"]
    assert sentence in result["msg"]
    assert aws.changes() == []


def test_names_the_missing_permission(ensure: t.Any, aws: StateManager) -> None:
    aws.failing["CreateAssociation"] = "AccessDeniedException"
    assert "Allow the IAM action ssm:CreateAssociation" in ensure(**UPDATE)["msg"]


def test_lists_by_name_and_document(ensure: t.Any, listed: t.Any) -> None:
    ensure(**UPDATE)
    ensure(name="clean-up", document="AWS-RunShellScript")
    assert [one["name"] for one in listed()] == ["update-ssm-agent", "clean-up"]
    assert [one["document"] for one in listed(name="clean-up")] == ["AWS-RunShellScript"]
    assert [one["name"] for one in listed(document="AWS-UpdateSSMAgent")] == ["update-ssm-agent"]
    assert listed(name="clean-up", document="AWS-UpdateSSMAgent") == []


def test_lists_those_of_a_node_with_what_became_of_them(ensure: t.Any, listed: t.Any, aws: StateManager) -> None:
    made = ensure(**UPDATE)["association"]
    ensure(name="clean-up", document="AWS-RunShellScript")
    row = {"AssociationId": made["association_id"], "InstanceId": NODE, "Name": UPDATE["document"], "Status": "Failed"}
    # What is told of one that was deleted meanwhile is not told on.
    aws.on_node = [row, {**row, "AssociationId": str(uuid.uuid4())}, {**row, "InstanceId": "mi-0123456789abcdef1"}]
    (found,) = listed(instance_id=NODE)
    assert (found["name"], found["on_node"]) == ("update-ssm-agent", {"status": "Failed"})


def test_lists_check_mode(run: t.Any, aws: StateManager) -> None:
    result = run(association_info.main, check_mode=True)
    assert (result["changed"], result["associations"]) == (False, [])
