# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions and clients from options and environment."""

from __future__ import annotations

import datetime
import json
import pathlib
import subprocess
import sys
import time
import types
import typing as t

import botocore.exceptions
import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._aws import sessions
from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure, FailureKind
from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import (
    explained,
    leave_throttling_to_caller,
    open_session,
    send_once,
)
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

KEYS = {"access_key": "AKIA", "secret_key": "secret"}
NOWHERE = "http://127.0.0.1:9"
ROLE = "arn:aws:iam::123456789012:role/ansible"


@pytest.fixture
def environment(no_aws_environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    return no_aws_environment


def _refusal(options: AwsOptions) -> AwsFailure:
    with pytest.raises(AwsFailure) as failure:
        open_session(options).credentials()
    return failure.value


def test_the_region_is_the_option_before_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    assert open_session(AwsOptions()).region == "eu-west-2"
    environment.setenv("AWS_REGION", "eu-west-3")
    assert open_session(AwsOptions()).region == "eu-west-3"
    assert open_session(AwsOptions(region="eu-west-1")).region == "eu-west-1"


def test_region_and_keys_may_come_from_a_profile(environment: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    (tmp_path / "aws-config").write_text("[profile p]\nregion = eu-north-1\naws_access_key_id = A\naws_secret_access_key = B\n")
    session = open_session(AwsOptions(profile="p"))
    assert session.region == "eu-north-1"
    assert session.credentials() == sessions.Credentials("A", "B", None)


def test_keys_of_the_environment_are_found(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ACCESS_KEY_ID", "A")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "B")
    environment.setenv("AWS_SESSION_TOKEN", "C")
    assert open_session(AwsOptions(region="x")).credentials() == sessions.Credentials("A", "B", "C")


def test_keys_of_the_options_come_first(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ACCESS_KEY_ID", "A")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "B")
    found = open_session(AwsOptions(region="x", session_token="T", **KEYS)).credentials()
    assert found == sessions.Credentials("AKIA", "secret", "T")
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({}, FailureKind.REGION, "No AWS region is known"),
        ({"region": "x"}, FailureKind.CREDENTIALS, "No AWS credentials were found"),
        ({"region": "x", "assume_role_arn": ROLE}, FailureKind.CREDENTIALS, "No AWS credentials were found"),
        ({"region": "x", "access_key": "A"}, FailureKind.CREDENTIALS, "missing: secret_key"),
        ({"region": "x", "profile": "none-such"}, FailureKind.SETUP, "none-such"),
    ],
)
def test_says_what_is_missing(environment: pytest.MonkeyPatch, options: dict[str, str], kind: FailureKind, words: str) -> None:
    failure = _refusal(AwsOptions(**options))
    assert failure.kind is kind
    assert words in str(failure)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"region": "eu-west-1", "endpoint_url": "ssm"}, FailureKind.SETUP, "Give endpoint_url as a whole URL"),
        ({"region": "eu west 1"}, FailureKind.REGION, "such as eu-west-1"),
    ],
)
def test_says_why_there_can_be_no_client(
    environment: pytest.MonkeyPatch, options: dict[str, str], kind: FailureKind, words: str
) -> None:
    with pytest.raises(AwsFailure, match=words) as failure:
        open_session(AwsOptions(**options, **KEYS)).client("ssm")
    assert failure.value.kind is kind


def test_says_that_botocore_is_missing(environment: pytest.MonkeyPatch) -> None:
    environment.setattr(sessions, "IMPORT_ERROR", "Traceback")
    with pytest.raises(AwsFailure, match="pip install boto3"):
        open_session(AwsOptions())


def test_an_endpoint_that_cannot_be_reached_is_told_within_seconds(environment: pytest.MonkeyPatch) -> None:
    client = open_session(AwsOptions(region="eu-west-1", endpoint_url=NOWHERE, **KEYS)).client("ssm")
    start = time.monotonic()
    with pytest.raises(AwsFailure, match="cannot be reached") as failure, explained("ssm"):
        client.describe_activations()
    assert failure.value.kind is FailureKind.UNREACHABLE
    assert time.monotonic() - start < 15


def test_a_client_is_made_once(environment: pytest.MonkeyPatch) -> None:
    session = open_session(AwsOptions(region="eu-west-1", endpoint_url=NOWHERE, **KEYS))
    assert session.client("ssm") is session.client("ssm")
    assert session.client("ssm") is not session.client("ssm", "eu-west-2")
    assert session.endpoint("ssm") == NOWHERE


def test_throttling_is_waited_out_unless_the_user_says_how(environment: pytest.MonkeyPatch) -> None:
    options = AwsOptions(region="eu-west-1", **KEYS)
    assert open_session(options).client("ssm").meta.config.retries == {"mode": "adaptive", "total_max_attempts": 10}
    environment.setenv("AWS_RETRY_MODE", "standard")
    environment.setenv("AWS_MAX_ATTEMPTS", "2")
    assert open_session(options).client("ssm").meta.config.retries == {"mode": "standard", "total_max_attempts": 2}


def test_a_caller_who_paces_its_calls_is_told_of_throttling_at_once(environment: pytest.MonkeyPatch) -> None:
    client = open_session(AwsOptions(region="eu-west-1", endpoint_url=NOWHERE, **KEYS)).client("ssm")
    sent = []

    def refuse(request: t.Any, **_event: t.Any) -> AWSResponse:
        sent.append(request)
        body = json.dumps({"__type": "ThrottlingException", "message": "Rate exceeded"}).encode()
        return AWSResponse(request.url, 400, HTTPHeaders(), types.SimpleNamespace(stream=lambda: iter([body])))

    client.meta.events.register("before-send.*.*", refuse)
    leave_throttling_to_caller(client)
    with pytest.raises(AwsFailure) as failure, explained("ssm"):
        client.start_session(Target="i-0123456789abcdef0")
    assert failure.value.kind is FailureKind.THROTTLED
    assert len(sent) == 1


def test_a_caller_who_paces_its_calls_has_other_trouble_retried(environment: pytest.MonkeyPatch) -> None:
    environment.setattr("time.sleep", lambda _seconds: None)
    client = open_session(AwsOptions(region="eu-west-1", endpoint_url=NOWHERE, **KEYS)).client("ssm")
    sent = []

    def answer(request: t.Any, **_event: t.Any) -> AWSResponse:
        sent.append(request)
        status, body = (503, b"") if len(sent) < 3 else (200, b'{"SessionId": "s"}')
        return AWSResponse(request.url, status, HTTPHeaders(), types.SimpleNamespace(stream=lambda: iter([body])))

    client.meta.events.register("before-send.*.*", answer)
    leave_throttling_to_caller(client)
    assert client.start_session(Target="i-0123456789abcdef0")["SessionId"] == "s"
    assert len(sent) == 3


def _sent_once(environment: pytest.MonkeyPatch, *answers: tuple[int, str] | Exception) -> tuple[int, str]:
    """Send a command to who answers so, one after the other; return how often it was sent, and how that ended."""
    environment.setattr("time.sleep", lambda _seconds: None)
    client = open_session(AwsOptions(region="eu-west-1", endpoint_url=NOWHERE, **KEYS)).client("ssm")
    sent: list[t.Any] = []

    def answer(request: t.Any, **_event: t.Any) -> AWSResponse:
        sent.append(request)
        told = answers[min(len(sent), len(answers)) - 1]
        if isinstance(told, Exception):
            raise told
        body = told[1].encode()
        return AWSResponse(request.url, told[0], HTTPHeaders(), types.SimpleNamespace(stream=lambda: iter([body])))

    client.meta.events.register("before-send.*.*", answer)
    send_once(client, "SendCommand")
    try:
        with explained("ssm"):
            client.send_command(DocumentName="AWS-RunShellScript")
    except AwsFailure as failure:
        return len(sent), failure.code
    return len(sent), ""


def test_what_must_be_done_once_is_not_repeated_when_it_may_have_arrived(environment: pytest.MonkeyPatch) -> None:
    lost = botocore.exceptions.ReadTimeoutError(endpoint_url=NOWHERE)
    assert _sent_once(environment, lost) == (1, "ReadTimeoutError")
    assert _sent_once(environment, (503, "")) == (1, "503")
    assert _sent_once(environment, (500, '{"__type": "InternalServerError"}')) == (1, "InternalServerError")


def test_what_must_be_done_once_is_repeated_when_it_did_not_arrive(environment: pytest.MonkeyPatch) -> None:
    throttled = 400, '{"__type": "ThrottlingException", "message": "Rate exceeded"}'
    assert _sent_once(environment, throttled, throttled, (200, "{}")) == (3, "")
    nowhere = botocore.exceptions.EndpointConnectionError(endpoint_url=NOWHERE)
    assert _sent_once(environment, nowhere, (200, "{}")) == (2, "")


def test_a_ca_bundle_is_used(environment: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    session = open_session(AwsOptions(region="eu-west-1", ca_bundle=str(tmp_path / "ca.pem"), **KEYS))
    assert session._session.get_config_variable("ca_bundle") == str(tmp_path / "ca.pem")


def _role_answer(keys: t.Iterator[str], lifetime: datetime.timedelta) -> t.Callable[[t.Any], dict[str, t.Any]]:
    def answer(_params: t.Any) -> dict[str, t.Any]:
        expiry = datetime.datetime.now(datetime.timezone.utc) + lifetime
        given = {"AccessKeyId": next(keys), "SecretAccessKey": "s", "SessionToken": "t", "Expiration": expiry}
        return {"Credentials": given, "AssumedRoleUser": {"Arn": "arn:aws:sts::123456789012:assumed-role/ansible/x"}}

    return answer


def test_a_role_is_assumed_with_external_id_and_session_name(fake_aws: t.Any) -> None:
    fake_aws.answers["AssumeRole"] = _role_answer(iter(["ROLE"]), datetime.timedelta(hours=1))
    session = open_session(AwsOptions(assume_role_arn=ROLE, external_id="fleet", role_session_name="me"))
    assert fake_aws.calls == []
    assert session.credentials() == sessions.Credentials("ROLE", "s", "t")
    assert session.credentials().access_key == "ROLE"
    assert fake_aws.calls == [("AssumeRole", {"RoleArn": ROLE, "ExternalId": "fleet", "RoleSessionName": "me"})]


def test_a_role_has_a_session_name_that_tells_who_we_are(fake_aws: t.Any) -> None:
    fake_aws.answers["AssumeRole"] = _role_answer(iter(["ROLE"]), datetime.timedelta(hours=1))
    open_session(AwsOptions(assume_role_arn=ROLE)).credentials()
    assert fake_aws.calls[0][1]["RoleSessionName"] == "fleet.ssm"


def test_a_role_is_renewed_before_it_expires(fake_aws: t.Any) -> None:
    fake_aws.answers["AssumeRole"] = _role_answer(iter(["FIRST", "SECOND"]), datetime.timedelta(minutes=1))
    session = open_session(AwsOptions(assume_role_arn=ROLE))
    assert session.credentials().access_key == "FIRST"
    assert session.credentials().access_key == "SECOND"


def test_a_role_that_may_not_be_assumed_is_told(fake_aws: t.Any) -> None:
    words = f"User: me is not authorized to perform: sts:AssumeRole on resource: {ROLE}"
    fake_aws.deny("AssumeRole", "AccessDenied", words)
    assert f"Allow the IAM action sts:AssumeRole on {ROLE}" in str(_refusal(AwsOptions(assume_role_arn=ROLE)))


def test_account_and_partition_are_asked_once(fake_aws: t.Any) -> None:
    session = open_session(AwsOptions())
    assert (session.account, session.partition, session.account) == ("123456789012", "aws", "123456789012")
    assert fake_aws.operations() == ["GetCallerIdentity"]


def test_the_environment_that_tells_identities_apart_has_no_secret(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    environment.setenv("AWS_PROFILE", "p")
    assert sessions.environment()["AWS_PROFILE"] == "p"
    assert "secret" not in sessions.environment().values()


def test_is_imported_without_ansible_and_boto3() -> None:
    code = (
        "import sys; import ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions as s;"
        "print([name for name in sys.modules if name.split('.')[0] in ('ansible', 'boto3')])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
