# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module activation."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._engine import module
from ansible_collections.fleet.ssm.plugins.modules import activation

PLANT = {"description": "Plant 7", "iam_role": "Role", "registration_limit": 20, "tags": {"site": "plant7"}}
STORED = {**PLANT, "code_parameter": "/plant7/code"}
PARAMETER_MARK = "Code of Systems Manager activation "


@pytest.fixture
def ensure(run: t.Callable[..., t.Any], aws: t.Any) -> t.Callable[..., t.Any]:
    return lambda **options: run(activation.main, **options)


def test_creates_an_activation(ensure: t.Any, aws: t.Any) -> None:
    result = ensure(**PLANT, no_log=True)
    (made,) = aws.activations.values()
    assert result["changed"]
    assert result["activation"]["activation_id"] == made["ActivationId"]
    assert result["activation"]["registration_limit"] == 20
    assert result["activation"]["tags"] == {"site": "plant7"}
    assert result["activation_code"] == f"code-{made['ActivationId']}"


def test_creates_an_activation_idempotent(ensure: t.Any, aws: t.Any) -> None:
    first = ensure(**PLANT, no_log=True)
    second = ensure(**PLANT, no_log=True)
    assert not second["changed"]
    assert second["activation"] == first["activation"]
    assert "activation_code" not in second
    assert aws.changes() == ["CreateActivation"]


def test_creates_an_activation_check_mode(ensure: t.Any, aws: t.Any) -> None:
    result = ensure(**PLANT, no_log=True, check_mode=True)
    assert result["changed"]
    assert result["activation"]["iam_role"] == "Role"
    assert aws.changes() == []


def test_creates_an_activation_diff(ensure: t.Any, aws: t.Any) -> None:
    result = ensure(**PLANT, no_log=True, diff=True)
    assert result["diff"]["before"] == {}
    assert result["diff"]["after"] == result["activation"]
    assert result["diff"]["after_header"] == "activation Plant 7"


def test_deletes_all_activations_of_the_description(ensure: t.Any, aws: t.Any) -> None:
    ensure(**PLANT, no_log=True)
    next(iter(aws.activations.values()))["Expired"] = True
    ensure(**PLANT, no_log=True)
    ensure(**{**PLANT, "description": "Another"}, no_log=True)
    result = ensure(description="Plant 7", state="absent")
    assert result["changed"]
    assert result["activation"] == {}
    assert [item["Description"] for item in aws.activations.values()] == ["Another"]


def test_deletes_an_activation_idempotent(ensure: t.Any, aws: t.Any) -> None:
    assert not ensure(description="Plant 7", state="absent")["changed"]
    assert aws.changes() == []


def test_deletes_an_activation_check_mode(ensure: t.Any, aws: t.Any) -> None:
    ensure(**PLANT, no_log=True)
    assert ensure(description="Plant 7", state="absent", check_mode=True)["changed"]
    assert len(aws.activations) == 1


def test_deletes_an_activation_diff(ensure: t.Any, aws: t.Any) -> None:
    made = ensure(**PLANT, no_log=True)["activation"]
    diff = ensure(description="Plant 7", state="absent", diff=True)["diff"]
    assert (diff["before"], diff["after"]) == (made, {})


@pytest.mark.parametrize(
    "spent",
    [
        {"Expired": True},
        {"RegistrationsCount": 20},
        {"ExpirationDate": datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)},
    ],
)
def test_creates_another_when_the_one_there_is_spent(ensure: t.Any, aws: t.Any, spent: dict[str, t.Any]) -> None:
    ensure(**PLANT, no_log=True)
    next(iter(aws.activations.values())).update(spent)
    assert ensure(**PLANT, no_log=True)["changed"]
    assert len(aws.activations) == 2


def test_refuses_a_difference_with_a_sentence(ensure: t.Any, aws: t.Any) -> None:
    ensure(**PLANT, no_log=True)
    result = ensure(**{**PLANT, "registration_limit": 50}, no_log=True)
    assert result["failed"]
    assert "registration_limit is 20 and not 50" in result["msg"]
    assert "on_difference=replace" in result["msg"]
    assert aws.changes() == ["CreateActivation"]


def test_replaces_on_a_difference_when_told(ensure: t.Any, aws: t.Any) -> None:
    ensure(**STORED)
    result = ensure(**{**STORED, "registration_limit": 50}, on_difference="replace", diff=True)
    (made,) = aws.activations.values()
    assert result["changed"]
    assert made["RegistrationLimit"] == 50
    assert aws.parameters["/plant7/code"]["Value"] == f"code-{made['ActivationId']}"
    assert (result["diff"]["before"]["registration_limit"], result["diff"]["after"]["registration_limit"]) == (20, 50)


def test_takes_the_one_of_several_that_is_as_wanted(ensure: t.Any, aws: t.Any) -> None:
    ensure(**PLANT, no_log=True)
    ensure(**{**PLANT, "registration_limit": 50}, no_log=True, on_difference="replace")
    aws._call("CreateActivation", {"Description": "Plant 7", "IamRole": "Role", "RegistrationLimit": 3})
    assert not ensure(**{**PLANT, "registration_limit": 50}, no_log=True)["changed"]


def test_takes_a_role_with_a_path_for_the_same(ensure: t.Any, aws: t.Any) -> None:
    ensure(**PLANT, no_log=True)
    assert not ensure(**{**PLANT, "iam_role": "service-role/Role"}, no_log=True)["changed"]


def test_stores_the_code_and_does_not_return_it(ensure: t.Any, aws: t.Any) -> None:
    result = ensure(**STORED, code_parameter_kms_key="alias/fleet")
    activation_id = result["activation"]["activation_id"]
    assert "activation_code" not in result
    assert result["code_parameter"] == "/plant7/code"
    assert aws.parameters["/plant7/code"] == {
        "Name": "/plant7/code",
        "Value": f"code-{activation_id}",
        "Description": PARAMETER_MARK + activation_id,
        "Type": "SecureString",
        "Overwrite": True,
        "KeyId": "alias/fleet",
    }


def test_stores_the_code_idempotent(ensure: t.Any, aws: t.Any) -> None:
    ensure(**STORED)
    result = ensure(**STORED)
    assert not result["changed"]
    assert result["code_parameter"] == "/plant7/code"
    assert "GetParameter" not in aws.calls


def test_stores_the_code_check_mode(ensure: t.Any, aws: t.Any) -> None:
    assert ensure(**STORED, check_mode=True)["changed"]
    assert aws.changes() == []


def test_returns_the_stored_code_when_asked(ensure: t.Any, aws: t.Any) -> None:
    first = ensure(**STORED, return_code=True, no_log=True)
    second = ensure(**STORED, return_code=True, no_log=True)
    assert first["activation_code"] == second["activation_code"]
    assert not second["changed"]


def test_creates_another_when_the_code_is_not_stored(ensure: t.Any, aws: t.Any) -> None:
    ensure(**PLANT, no_log=True)
    assert ensure(**STORED)["changed"]
    assert len(aws.activations) == 2


def test_never_overwrites_a_parameter_of_others(ensure: t.Any, aws: t.Any) -> None:
    aws.parameters["/plant7/code"] = {"Name": "/plant7/code", "Description": "Database password"}
    result = ensure(**STORED)
    assert "exists and holds something else" in result["msg"]
    assert aws.changes() == []


def test_deletes_the_activation_again_when_the_code_cannot_be_stored(ensure: t.Any, aws: t.Any) -> None:
    aws.failing["PutParameter"] = "AccessDeniedException"
    result = ensure(**STORED)
    assert "was deleted again" in result["msg"]
    assert "ssm:PutParameter" in result["msg"]
    assert aws.activations == {}


def test_deletes_the_parameter_with_its_activation(ensure: t.Any, aws: t.Any) -> None:
    ensure(**STORED)
    ensure(description="Plant 7", code_parameter="/plant7/code", state="absent")
    assert (aws.activations, aws.parameters) == ({}, {})


def test_keeps_the_parameter_of_another_activation(ensure: t.Any, aws: t.Any) -> None:
    ensure(**PLANT, no_log=True)
    ensure(**{**STORED, "description": "Another"})
    ensure(description="Plant 7", code_parameter="/plant7/code", state="absent")
    assert "/plant7/code" in aws.parameters


@pytest.mark.parametrize("options", [PLANT, {**STORED, "return_code": True}])
def test_refuses_to_return_the_code_without_no_log(ensure: t.Any, aws: t.Any, options: dict[str, t.Any]) -> None:
    result = ensure(**options)
    assert result["failed"]
    assert "no_log: true" in result["msg"]
    assert "code_parameter" in result["msg"]
    assert aws.calls == []


def test_expires_in_hours_sets_the_date_and_is_no_difference_later(ensure: t.Any, aws: t.Any) -> None:
    ensure(**STORED, expires_in_hours=48)
    (made,) = aws.activations.values()
    left = made["ExpirationDate"] - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(hours=47) < left <= datetime.timedelta(hours=48)
    assert not ensure(**STORED, expires_in_hours=100)["changed"]


@pytest.mark.parametrize("zone", ["Z", "+00:00", ""])
def test_expiration_date_is_compared(ensure: t.Any, aws: t.Any, zone: str) -> None:
    soon = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None, microsecond=0)
    date = (soon + datetime.timedelta(days=3)).isoformat() + zone
    later = (soon + datetime.timedelta(days=4)).isoformat() + zone
    ensure(**STORED, expiration_date=date)
    assert not ensure(**STORED, expiration_date=date)["changed"]
    assert "expiration_date is" in ensure(**STORED, expiration_date=later)["msg"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"iam_role": "arn:aws:iam::123456789012:role/service-role/Role"}, "write 'service-role/Role'"),
        ({"registration_limit": 1001}, "registration_limit must be from 1 to 1000, not 1001"),
        ({"expires_in_hours": 721}, "within the next 30 days"),
        ({"expires_in_hours": 0}, "within the next 30 days"),
        ({"expiration_date": "2020-01-01"}, "within the next 30 days"),
        ({"expiration_date": "tomorrow"}, "not 'tomorrow'"),
        ({"description": "x" * 300}, "description must be at most 256 characters long, not 300"),
        ({"iam_role": None}, "iam_role"),
        ({"expires_in_hours": 1, "expiration_date": "2020-01-01"}, "mutually exclusive"),
    ],
)
def test_refuses_what_cannot_be_right(ensure: t.Any, aws: t.Any, options: dict[str, t.Any], sentence: str) -> None:
    result = ensure(**{**STORED, **options})
    assert result["failed"]
    assert sentence in result["msg"]
    assert aws.changes() == []


def test_names_the_missing_permission(ensure: t.Any, aws: t.Any) -> None:
    aws.failing["DescribeActivations"] = "AccessDeniedException"
    result = ensure(**STORED)
    assert "Allow the IAM action ssm:DescribeActivations" in result["msg"]
    assert result["error_code"] == "AccessDeniedException"


def test_the_missing_library_is_told(run: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HAS_YAML", False)
    result = run(activation.main, description="x", state="absent")
    assert result["failed"]
    assert "PyYAML" in result["msg"]
