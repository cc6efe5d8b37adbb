# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sentences that explain what AWS or botocore said."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import (
    AwsFailure,
    FailureKind,
    code_of,
    explain,
    failure,
    iam_action,
    kind_of,
)
from botocore import exceptions

NOT_AUTHORIZED = (
    "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: ssm:StartSession on resource:"
    " arn:aws:ec2:eu-west-1:1:instance/i-1 because no identity-based policy allows the ssm:StartSession action"
)


def _answer(code: str, message: str = "Why not", operation: str = "StartSession") -> exceptions.ClientError:
    return exceptions.ClientError({"Error": {"Code": code, "Message": message}}, operation)


def test_denied_names_the_action_and_the_resource_aws_names() -> None:
    sentence = explain(_answer("AccessDeniedException", NOT_AUTHORIZED))
    assert "Allow the IAM action ssm:StartSession on arn:aws:ec2:eu-west-1:1:instance/i-1 for the identity in use." in sentence


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [
        ("ssm", "DescribeActivations", "ssm:DescribeActivations"),
        ("resourcegroupstaggingapi", "GetResources", "tag:GetResources"),
        ("s3", "ListObjectsV2", "s3:ListBucket"),
    ],
)
def test_denied_names_the_action_even_when_aws_does_not(service: str, operation: str, action: str) -> None:
    sentence = explain(_answer("AccessDenied", "Access Denied", operation), service=service, resource="arn:x")
    assert f"Allow the IAM action {action} on arn:x for" in sentence
    assert iam_action(service, operation) == action


def test_denied_leaves_out_the_encoded_message() -> None:
    error = _answer("UnauthorizedOperation", "You may not. Encoded authorization failure message: abcdef", "DescribeInstances")
    assert explain(error, service="ec2").endswith("AWS said: You may not.")


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("ExpiredTokenException", FailureKind.EXPIRED, "have expired. Log in again"),
        ("UnrecognizedClientException", FailureKind.CREDENTIALS, "does not accept the credentials"),
        ("ThrottlingException", FailureKind.THROTTLED, "kept throttling ssm:StartSession"),
        ("OptInRequired", FailureKind.REGION, "cannot use ssm in the region eu-west-1"),
        ("UnknownOperationException", FailureKind.UNSUPPORTED, "ssm:StartSession is not known here"),
        ("TargetNotConnected", FailureKind.OTHER, "ssm:StartSession failed with TargetNotConnected: Why not."),
    ],
)
def test_answers_of_aws(code: str, kind: FailureKind, words: str) -> None:
    error = _answer(code)
    assert kind_of(error) is kind
    assert code_of(error) == code
    assert words in explain(error, region="eu-west-1")


def test_a_wrong_clock_is_told_from_wrong_keys() -> None:
    error = _answer("InvalidSignatureException", "Signature expired: 2030 is now earlier than 2031")
    assert "Set this machine's clock right" in explain(error)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (exceptions.NoCredentialsError(), FailureKind.CREDENTIALS, "No AWS credentials were found. Set the option profile"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="x"), FailureKind.CREDENTIALS, "Partial credentials"),
        (exceptions.CredentialRetrievalError(provider="p", error_msg="no"), FailureKind.CREDENTIALS, "retrieving credentials"),
        (exceptions.UnauthorizedSSOTokenError(), FailureKind.EXPIRED, "aws sso login"),
        (exceptions.NoRegionError(), FailureKind.REGION, "No AWS region is known. Set the option region"),
        (exceptions.InvalidRegionError(region_name="e w"), FailureKind.REGION, "such as eu-west-1"),
        (exceptions.EndpointConnectionError(endpoint_url="https://x/"), FailureKind.UNREACHABLE, "https://x/ cannot be reached"),
        (exceptions.ConnectTimeoutError(endpoint_url="https://x/"), FailureKind.UNREACHABLE, "https://x/ cannot be reached"),
        (exceptions.ConnectionClosedError(endpoint_url="https://x/"), FailureKind.UNREACHABLE, "https://x/ cannot be reached"),
        (exceptions.ProxyConnectionError(proxy_url="http://p/"), FailureKind.UNREACHABLE, "proxy"),
        (
            exceptions.SSLError(endpoint_url="https://x/", error=ValueError("self-signed")),
            FailureKind.TLS,
            "Set ca_bundle or AWS_CA_BUNDLE",
        ),
        (exceptions.ProfileNotFound(profile="p"), FailureKind.SETUP, "Check ~/.aws/config"),
        (exceptions.UnknownServiceError(service_name="s", known_service_names="t"), FailureKind.UNSUPPORTED, "Update botocore"),
        (exceptions.ParamValidationError(report="wrong"), FailureKind.OTHER, "A call to ssm failed with ParamValidationError"),
    ],
)
def test_errors_of_botocore(error: Exception, kind: FailureKind, words: str) -> None:
    assert kind_of(error) is kind
    assert words in explain(error)


def test_a_failure_is_explained_once() -> None:
    first = failure(_answer("AccessDenied"), service="ssm")
    assert failure(first) is first
    assert explain(first) == str(first)
    assert (kind_of(first), code_of(first)) == (FailureKind.DENIED, "AccessDenied")


def test_an_unreachable_endpoint_that_is_not_named_is_that_of_the_region() -> None:
    class ConnectionError(Exception):  # noqa: A001
        pass

    assert explain(ConnectionError("broken"), region="eu-west-1").startswith("the ssm endpoint of eu-west-1 cannot be reached")


def test_a_failure_may_have_no_code() -> None:
    assert (AwsFailure("x").kind, AwsFailure("x").code) == (FailureKind.OTHER, "")
