# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module parameter."""

from __future__ import annotations

import functools
import json
import typing as t

import botocore.exceptions
import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._engine import module as engine_module
from ansible_collections.fleet.ssm.plugins.modules import parameter

from tests.unit.plugins.modules.conftest import Answer, FakeSession, FakeSsm

NAME = "/plant7/database/host"
HOST: dict[str, t.Any] = {"name": NAME, "value": "db-1", "description": "Where the presses write to"}
PASSWORD: dict[str, t.Any] = {"name": "/plant7/password", "secret_value": "kept-to-ourselves"}
EXPIRY: dict[str, t.Any] = {"Type": "Expiration", "Version": "1.0", "Attributes": {"Timestamp": "2030-12-02T21:34:33.000Z"}}


class ParameterStore(FakeSsm):
    """An account whose parameters lose with each version what its request does not say, but for policies and tags."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[str, dict[str, str]] = {}
        self.decrypted: list[str] = []

    def _PutParameter(self, **request: t.Any) -> Answer:  # noqa: N802
        name, tags = request["Name"], request.pop("Tags", [])
        there = self.parameters.get(name, {})
        if request.pop("Overwrite", False):
            assert not tags, "tags and overwrite cannot be used together"
        elif there:
            raise botocore.exceptions.ClientError({"Error": {"Code": "ParameterAlreadyExists"}}, "PutParameter")
        self.tags.setdefault(name, {}).update({tag["Key"]: tag["Value"] for tag in tags})
        said = {"Tier": "Standard", "Policies": there.get("Policies"), **request}
        if isinstance(said["Policies"], str):
            texts = [json.dumps(policy) for policy in json.loads(said["Policies"]) if policy]
            said["Policies"] = [{"PolicyText": text, "PolicyType": "Expiration", "PolicyStatus": "Pending"} for text in texts]
        self.parameters[name] = {**said, "Version": there.get("Version", 0) + 1}
        return {"Version": self.parameters[name]["Version"], "Tier": said["Tier"]}

    def _DescribeParameters(self, ParameterFilters: t.Sequence[Answer], **_: t.Any) -> Answer:  # noqa: N802, N803
        (name,) = ParameterFilters[0]["Values"]
        found = self.parameters.get(name)
        return {"Parameters": [{key: value for key, value in found.items() if key != "Value"}] if found else []}

    def _GetParameter(self, Name: str, WithDecryption: bool) -> Answer:  # noqa: N802, N803
        found = self.parameters[Name]
        if WithDecryption:
            self.decrypted.append(Name)
        return {"Parameter": found if WithDecryption or found["Type"] != "SecureString" else {**found, "Value": "AQICAHh"}}

    def _ListTagsForResource(self, ResourceType: str, ResourceId: str) -> Answer:  # noqa: N802, N803
        assert ResourceType == "Parameter"
        return {"TagList": [{"Key": key, "Value": value} for key, value in self.tags[ResourceId].items()]}

    def _AddTagsToResource(self, ResourceType: str, ResourceId: str, Tags: t.Any) -> Answer:  # noqa: N802, N803
        self.tags[ResourceId].update({tag["Key"]: tag["Value"] for tag in Tags})
        return {}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> ParameterStore:
    """An account without parameters."""
    client = ParameterStore()
    monkeypatch.setattr(engine_module, "open_session", lambda _options: FakeSession(client))
    return client


@pytest.fixture
def ensure(run: t.Callable[..., t.Any], aws: ParameterStore) -> t.Callable[..., t.Any]:
    return functools.partial(run, parameter.main)


def test_creates_a_parameter(ensure: t.Any, aws: ParameterStore) -> None:
    result = ensure(**HOST)
    assert result["changed"]
    made = aws.parameters[NAME]
    assert (made["Type"], made["Value"], made["Description"]) == ("String", "db-1", HOST["description"])
    told = result["parameter"]
    assert (told["name"], told["value"], told["version"], told["type"]) == (NAME, "db-1", 1, "String")


def test_creates_a_parameter_idempotent(ensure: t.Any, aws: ParameterStore) -> None:
    first = ensure(**HOST)
    second = ensure(**HOST)
    assert not second["changed"]
    assert second["parameter"] == first["parameter"]
    assert aws.changes() == ["PutParameter"]


def test_creates_a_parameter_check_mode(ensure: t.Any, aws: ParameterStore) -> None:
    result = ensure(**HOST, check_mode=True, diff=True)
    assert result["changed"]
    assert result["parameter"]["value"] == "db-1"
    assert result["diff"]["before"] == {}
    assert aws.changes() == []


def test_a_new_value_is_a_new_version_with_all_that_was_there(ensure: t.Any, aws: ParameterStore) -> None:
    ensure(**HOST, allowed_pattern="^db-", data_type="text")
    result = ensure(name=NAME, value="db-2", diff=True)
    made = aws.parameters[NAME]
    assert (made["Value"], made["Version"], made["AllowedPattern"]) == ("db-2", 2, "^db-")
    assert (made["Description"], made["DataType"]) == (HOST["description"], "text")
    before, after = result["diff"]["before"], result["diff"]["after"]
    assert {name for name in after if before.get(name) != after[name]} == {"value", "version"}


def test_a_new_value_check_mode(ensure: t.Any, aws: ParameterStore) -> None:
    ensure(**HOST)
    result = ensure(name=NAME, value="db-2", check_mode=True, diff=True)
    assert result["changed"]
    assert (result["diff"]["before"]["value"], result["diff"]["after"]["value"]) == ("db-1", "db-2")
    assert aws.parameters[NAME]["Value"] == "db-1"


def test_a_secret_is_compared_and_never_told(ensure: t.Any, aws: ParameterStore) -> None:
    first = ensure(**PASSWORD, key_id="alias/plant7")
    assert (aws.parameters[PASSWORD["name"]]["Type"], aws.parameters[PASSWORD["name"]]["KeyId"]) == ("SecureString", "alias/plant7")
    assert not ensure(**PASSWORD)["changed"]
    second = ensure(name=PASSWORD["name"], secret_value="changed-since", diff=True)
    assert second["changed"]
    assert aws.parameters[PASSWORD["name"]]["Value"] == "changed-since"
    assert (second["diff"]["before"]["secret_value"], second["diff"]["after"]["secret_value"]) == ("(another)", "(as given)")
    told = json.dumps([first, second])
    assert "kept-to-ourselves" not in told
    assert "changed-since" not in told


def test_a_secret_is_not_decrypted_when_none_is_given(ensure: t.Any, aws: ParameterStore) -> None:
    ensure(**PASSWORD)
    aws.decrypted.clear()
    assert not ensure(name=PASSWORD["name"], type="SecureString")["changed"]
    assert ensure(name=PASSWORD["name"], state="absent", check_mode=True)["changed"]
    assert aws.decrypted == []


def test_a_secret_is_written_again_when_something_else_changes(ensure: t.Any, aws: ParameterStore) -> None:
    ensure(**PASSWORD)
    result = ensure(name=PASSWORD["name"], description="Of the presses")
    made = aws.parameters[PASSWORD["name"]]
    assert result["changed"]
    assert (made["Value"], made["Description"], made["Type"]) == (PASSWORD["secret_value"], "Of the presses", "SecureString")
    assert "value" not in result["parameter"]


@pytest.mark.parametrize(
    ("options", "kind", "value"),
    [
        ({"value": ["a", "b"]}, "StringList", "a,b"),
        ({"value": "a,b", "type": "StringList"}, "StringList", "a,b"),
        ({"value": ["a,b"], "type": "String"}, "String", '["a,b"]'),
        ({"value": {"port": 5432}}, "String", '{"port": 5432}'),
        ({"value": True}, "String", "true"),
        ({"value": 5432}, "String", "5432"),
    ],
)
def test_values_are_written_as_texts(ensure: t.Any, aws: ParameterStore, options: dict[str, t.Any], kind: str, value: str) -> None:
    ensure(name=NAME, **options)
    assert (aws.parameters[NAME]["Type"], aws.parameters[NAME]["Value"]) == (kind, value)
    assert not ensure(name=NAME, **options)["changed"]


def test_policies_are_compared_as_what_they_say(ensure: t.Any, aws: ParameterStore) -> None:
    made = ensure(**HOST, tier="Advanced", policies=[EXPIRY])
    assert made["parameter"]["policies"] == [EXPIRY]
    again = {**EXPIRY, "Attributes": dict(EXPIRY["Attributes"])}
    assert not ensure(**HOST, tier="Intelligent-Tiering", policies=[again])["changed"]
    assert ensure(**{**HOST, "value": "db-2"})["parameter"]["policies"] == [EXPIRY]
    assert "policies" not in ensure(**HOST, policies=[])["parameter"]
    assert not ensure(**HOST, policies=[])["changed"]


@pytest.mark.parametrize("key", ["arn:aws:kms:eu-west-1:1:alias/plant7", "alias/plant7"])
def test_a_key_is_the_same_by_any_of_its_names(ensure: t.Any, aws: ParameterStore, key: str) -> None:
    ensure(**PASSWORD, key_id=key)
    assert not ensure(**PASSWORD, key_id="alias/plant7")["changed"]
    assert not ensure(**PASSWORD, key_id="arn:aws:kms:eu-west-1:1:alias/plant7")["changed"]
    assert ensure(**PASSWORD, key_id="alias/plant8")["changed"]


def test_tags_alone_make_no_version(ensure: t.Any, aws: ParameterStore) -> None:
    assert ensure(**HOST, tags={"site": 7})["parameter"]["tags"] == {"site": "7"}
    result = ensure(**HOST, tags={"line": "b"})
    assert (result["changed"], result["parameter"]["tags"]) == (True, {"site": "7", "line": "b"})
    assert aws.tags[NAME] == {"site": "7", "line": "b"}
    assert aws.changes() == ["PutParameter", "AddTagsToResource"]


def test_deletes_a_parameter(ensure: t.Any, aws: ParameterStore) -> None:
    ensure(**HOST)
    assert ensure(name=NAME, state="absent", check_mode=True)["changed"]
    result = ensure(name=NAME, state="absent", diff=True)
    assert (result["changed"], result["parameter"], result["diff"]["after"]) == (True, {}, {})
    assert not ensure(name=NAME, state="absent")["changed"]
    assert aws.changes() == ["PutParameter", "DeleteParameter"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"value": "x", "type": "SecureString"}, "as secret_value, which Ansible shows nowhere"),
        ({"secret_value": "x", "type": "String"}, "AWS does not encrypt a String"),
        ({"value": ["a,b"]}, "AWS would make two items of 'a,b'"),
        ({"value": "x", "secret_value": "kept"}, "mutually exclusive"),
        ({}, "There is no parameter /plant7/database/host: give its value or secret_value"),
    ],
)
def test_refuses_what_cannot_be_right(ensure: t.Any, aws: ParameterStore, options: dict[str, t.Any], sentence: str) -> None:
    assert sentence in ensure(name=NAME, **options)["msg"]
    assert aws.changes() == []


def test_refuses_what_aws_cannot_change(ensure: t.Any, aws: ParameterStore) -> None:
    ensure(**HOST, tier="Advanced")
    assert "is a String, and AWS cannot make it a SecureString" in ensure(name=NAME, secret_value="x")["msg"]
    assert "AWS cannot make it Standard" in ensure(**HOST, tier="Standard")["msg"]
    assert aws.changes() == ["PutParameter"]


def test_names_the_missing_permission(ensure: t.Any, aws: ParameterStore) -> None:
    aws.failing["PutParameter"] = "AccessDeniedException"
    assert "Allow the IAM action ssm:PutParameter" in ensure(**HOST)["msg"]
