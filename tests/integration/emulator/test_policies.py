# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM's simulation tells what a role may do, and by which policy."""

from __future__ import annotations

import collections.abc
import json
import typing as t

import pytest

from tests.integration.emulator.calls import refused
from tests.integration.running_emulator import RunningEmulator

_CORE = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
_ROLE, _ARN = "Simulated", "arn:aws:iam::123456789012:role/Simulated"


def _document(*statements: dict[str, t.Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _allow(action: str, resource: str = "*", **more: t.Any) -> dict[str, t.Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.fixture
def iam(emulator: RunningEmulator) -> collections.abc.Iterator[t.Any]:
    """IAM, with a role that may do nothing yet."""
    client = emulator.client("iam", retries={"total_max_attempts": 1})
    client.create_role(RoleName=_ROLE, AssumeRolePolicyDocument=_document(_allow("sts:AssumeRole")))
    yield client
    for policy in client.list_attached_role_policies(RoleName=_ROLE)["AttachedPolicies"]:
        client.detach_role_policy(RoleName=_ROLE, PolicyArn=policy["PolicyArn"])
    for name in client.list_role_policies(RoleName=_ROLE)["PolicyNames"]:
        client.delete_role_policy(RoleName=_ROLE, PolicyName=name)
    client.delete_role(RoleName=_ROLE)


def _simulated(iam: t.Any, *actions: str, **more: t.Any) -> list[dict[str, t.Any]]:
    answer = iam.simulate_principal_policy(PolicySourceArn=_ARN, ActionNames=list(actions), **more)
    return list(answer["EvaluationResults"])


def _decision(iam: t.Any, action: str, **more: t.Any) -> str:
    (result,) = _simulated(iam, action, **more)
    return str(result["EvalDecision"])


def test_a_role_without_policies_may_do_nothing(iam: t.Any) -> None:
    (result,) = _simulated(iam, "ssm:GetParameter")
    assert (result["EvalDecision"], result["EvalResourceName"], result["MatchedStatements"]) == ("implicitDeny", "*", [])


def test_awss_own_policies_can_be_attached_and_allow_what_they_say(iam: t.Any) -> None:
    iam.attach_role_policy(RoleName=_ROLE, PolicyArn=_CORE)
    allowed, denied = _simulated(iam, "ssmmessages:OpenDataChannel", "ssm:SendCommand")
    assert (allowed["EvalDecision"], denied["EvalDecision"]) == ("allowed", "implicitDeny")
    assert allowed["MatchedStatements"] == [{"SourcePolicyId": "AmazonSSMManagedInstanceCore", "SourcePolicyType": "aws-managed"}]


def test_what_a_policy_denies_no_other_allows(iam: t.Any) -> None:
    iam.attach_role_policy(RoleName=_ROLE, PolicyArn=_CORE)
    statement = {"Effect": "Deny", "NotAction": "ssm:*", "Resource": "*"}
    iam.put_role_policy(RoleName=_ROLE, PolicyName="no-sessions", PolicyDocument=_document(statement))
    (result,) = _simulated(iam, "ssmmessages:OpenDataChannel")
    assert result["EvalDecision"] == "explicitDeny"
    assert [one["SourcePolicyId"] for one in result["MatchedStatements"]] == ["role_Simulated_no-sessions"]
    assert _decision(iam, "ssm:UpdateInstanceInformation") == "allowed"


@pytest.mark.parametrize(
    ("action", "resource", "decision"),
    [
        ("s3:GetObject", "arn:aws:s3:::logs/a", "allowed"),
        ("S3:getobject", "arn:aws:s3:::logs/a", "allowed"),
        ("s3:GetObject", "arn:aws:s3:::logs", "implicitDeny"),
        ("s3:GetObject", "*", "implicitDeny"),
        ("s3:GetObjectAcl", "arn:aws:s3:::logs/a", "implicitDeny"),
    ],
)
def test_a_policy_is_about_its_actions_and_resources(iam: t.Any, action: str, resource: str, decision: str) -> None:
    document = _document(_allow("s3:Get?bject", "arn:aws:s3:::logs/*"))
    iam.put_role_policy(RoleName=_ROLE, PolicyName="logs", PolicyDocument=document)
    assert _decision(iam, action, ResourceArns=[resource]) == decision


@pytest.mark.parametrize(
    ("given", "decision", "missing"),
    [([], "implicitDeny", ["aws:SourceVpce"]), (["vpce-1"], "allowed", []), (["vpce-2"], "implicitDeny", [])],
)
def test_a_condition_is_met_by_what_is_told_of_the_request(iam: t.Any, given: list[str], decision: str, missing: list[str]) -> None:
    document = _document(_allow("ssm:*", Condition={"StringEquals": {"aws:SourceVpce": ["vpce-1"]}}))
    iam.put_role_policy(RoleName=_ROLE, PolicyName="conditional", PolicyDocument=document)
    entry = {"ContextKeyName": "aws:sourcevpce", "ContextKeyType": "string", "ContextKeyValues": given}
    (result,) = _simulated(iam, "ssm:GetDocument", ContextEntries=[entry] if given else [])
    assert (result["EvalDecision"], result["MissingContextValues"]) == (decision, missing)


def test_a_permissions_boundary_limits_what_policies_allow(iam: t.Any) -> None:
    iam.put_role_policy(RoleName=_ROLE, PolicyName="everything", PolicyDocument=_document(_allow("*")))
    inside, outside = _simulated(
        iam, "ssm:GetDocument", "s3:GetObject", PermissionsBoundaryPolicyInputList=[_document(_allow("ssm:*"))]
    )
    assert (inside["EvalDecision"], outside["EvalDecision"]) == ("allowed", "implicitDeny")
    assert outside["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}


def test_a_policy_can_be_tried_before_it_is_attached(iam: t.Any) -> None:
    assert _decision(iam, "ssm:GetDocument", PolicyInputList=[_document(_allow("ssm:Get*"))]) == "allowed"
    with refused("InvalidInput", "PolicyInputList"):
        _simulated(iam, "ssm:GetDocument", PolicyInputList=["{}"])


def test_results_come_in_pages(iam: t.Any) -> None:
    actions = [f"ssm:Get{number}" for number in range(5)]
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=_ARN, ActionNames=actions, PaginationConfig={"PageSize": 2}
    )
    names = [[result["EvalActionName"] for result in page["EvaluationResults"]] for page in pages]
    assert names == [actions[:2], actions[2:4], actions[4:]]


@pytest.mark.parametrize(
    ("params", "code", "words"),
    [
        ({"PolicySourceArn": f"{_ARN}s"}, "NoSuchEntity", "Simulateds"),
        ({"PolicySourceArn": "too-short"}, "ValidationError", "greater than or equal to 20"),
        ({"ActionNames": ["ssm:*"]}, "InvalidInput", "wildcards"),
        ({"CallerArn": _ARN}, "InvalidInput", "does not simulate CallerArn"),
        ({"Marker": "x"}, "InvalidInput", "token"),
    ],
)
def test_what_cannot_be_simulated_is_refused(
    iam: t.Any, emulator: RunningEmulator, params: dict[str, t.Any], code: str, words: str
) -> None:
    unchecked = emulator.client("iam", parameter_validation=False, retries={"total_max_attempts": 1})
    with refused(code, words):
        unchecked.simulate_principal_policy(**{"PolicySourceArn": _ARN, "ActionNames": ["ssm:GetDocument"], **params})
