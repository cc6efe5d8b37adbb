# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every request is checked as AWS does it: its values, pages and signature."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.integration.emulator.calls import NOWHERE, activation, post, refused
from tests.integration.running_emulator import RunningEmulator


@pytest.mark.parametrize(
    ("operation", "params", "most"),
    [
        ("describe_activations", {}, 50),
        ("describe_instance_information", {}, 50),
        ("describe_instance_properties", {}, 1000),
        ("describe_sessions", {"State": "History"}, 200),
        ("list_commands", {}, 50),
        ("list_command_invocations", {}, 50),
    ],
)
def test_a_page_larger_than_the_service_gives_is_refused(ssm: t.Any, operation: str, params: dict[str, t.Any], most: int) -> None:
    getattr(ssm, operation)(**params, MaxResults=most)
    words = f"Value '{most + 1}' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to {most}"
    with refused("ValidationException", words):
        getattr(ssm, operation)(**params, MaxResults=most + 1)


def test_a_page_of_the_tagging_api_holds_100_at_most(tagging: t.Any) -> None:
    with refused("InvalidParameterException", "100"):
        tagging.get_resources(ResourcesPerPage=101)


def test_a_token_of_another_list_is_refused(ssm: t.Any) -> None:
    for _time in range(2):
        activation(ssm)
    token = ssm.describe_activations(MaxResults=1)["NextToken"]
    with refused("InvalidNextToken"):
        ssm.describe_sessions(State="Active", NextToken=token)


@pytest.mark.parametrize(
    ("operation", "params", "words"),
    [
        ("start_session", {}, "Value null at 'target' failed to satisfy constraint: Member must not be null"),
        ("start_session", {"Target": "x" * 401}, "at 'target' failed to satisfy constraint: Member must have length less than"),
        ("start_session", {"Target": NOWHERE, "DocumentName": "a b"}, "Member must satisfy regular expression pattern"),
        ("describe_sessions", {"State": "Now"}, "Member must satisfy enum value set: [Active, History]"),
        ("create_activation", {"IamRole": "Role", "RegistrationLimit": 1001}, "'registrationLimit' failed to satisfy constraint"),
        ("describe_sessions", {}, "1 validation error detected: Value null at 'state'"),
        ("send_command", {"TimeoutSeconds": 29}, "2 validation errors detected"),
    ],
)
def test_what_the_service_model_forbids_is_refused_in_awss_words(
    emulator: RunningEmulator, operation: str, params: dict[str, t.Any], words: str
) -> None:
    unchecked = emulator.client("ssm", parameter_validation=False)
    with refused("ValidationException", words):
        getattr(unchecked, operation)(**params)


@pytest.mark.parametrize(
    ("secret", "code"), [("wrong", "InvalidSignatureException"), ("", "UnrecognizedClientException")], ids=["secret", "key"]
)
def test_a_request_with_wrong_keys_is_refused(emulator: RunningEmulator, secret: str, code: str) -> None:
    keys = (emulator.environment["AWS_ACCESS_KEY_ID"], secret) if secret else ("AKIA0000000000000000", "unknown")
    with refused(code):
        emulator.client("ssm", keys).get_connection_status(Target=NOWHERE)


def test_a_request_that_is_not_signed_is_refused(emulator: RunningEmulator) -> None:
    headers = {"X-Amz-Target": "AmazonSSM.DescribeSessions", "Content-Type": "application/x-amz-json-1.1"}
    status, body = post(emulator, "/", b'{"State": "Active"}', headers)
    assert (status, json.loads(body)["__type"]) == (403, "MissingAuthenticationToken")
