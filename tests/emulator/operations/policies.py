# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What IAM allows: SimulatePrincipalPolicy over moto's users, groups and roles, and AWS's own policies to attach to them."""

from __future__ import annotations

import functools
import json
import typing as t

import moto.backends
import moto.iam.aws_managed_policies
import moto.iam.models

from tests.emulator import policy_evaluation
from tests.emulator.answers import ApiError, LeaveToMotoError
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.paging import page
from tests.emulator.policy_evaluation import Policy

_AWS_OWNED = "arn:aws:iam::aws:policy/"
_SERVED = {
    "PolicySourceArn",
    "PolicyInputList",
    "PermissionsBoundaryPolicyInputList",
    "ActionNames",
    "ResourceArns",
    "ContextEntries",
    "MaxItems",
    "Marker",
}


def _backend(caller: Caller) -> t.Any:
    return moto.backends.get_backend("iam")[caller.state.account]["aws"]


@operation("AttachRolePolicy", "iam")
def attach_role_policy(caller: Caller, params: Params) -> Answer:
    """Have moto know the one policy of AWS's that is attached; by itself it loads all or none, and all take a second."""
    backend, arn = _backend(caller), params["PolicyArn"]
    name = arn.rpartition("/")[2]
    if arn.startswith(_AWS_OWNED) and arn not in backend.managed_policies and name in _aws_owned():
        policy = moto.iam.models.AWSManagedPolicy.from_data(name, caller.state.account, "aws", _aws_owned()[name])
        backend.managed_policies[policy.arn] = policy
    raise LeaveToMotoError


@functools.cache
def _aws_owned() -> dict[str, t.Any]:
    policies: dict[str, t.Any] = json.loads(moto.iam.aws_managed_policies.aws_managed_policies_data)
    return policies


@operation("SimulatePrincipalPolicy", "iam")
def simulate_principal_policy(caller: Caller, params: Params) -> Answer:
    """Evaluate what a user, group or role may do; without resources that is all of them, "*", as AWS has it."""
    unserved = sorted(set(params) - _SERVED)
    if unserved:
        raise ApiError("InvalidInput", f"The emulator does not simulate {', '.join(unserved)}.")
    if any("*" in name or ":" not in name for name in params["ActionNames"]):
        raise ApiError("InvalidInput", "Action names are SERVICE:ACTION, without wildcards.")
    policies, boundary = _policies(caller, params["PolicySourceArn"])
    policies += _given("PolicyInputList", params)
    boundary = _given("PermissionsBoundaryPolicyInputList", params) or boundary
    context = {entry["ContextKeyName"].lower(): entry["ContextKeyValues"] for entry in params.get("ContextEntries", [])}
    try:
        results = [
            _result(policies, boundary, action, resource, context)
            for action in params["ActionNames"]
            for resource in params.get("ResourceArns", ["*"])
        ]
    except policy_evaluation.UnknownConditionError as error:
        raise ApiError("PolicyEvaluation", f"The emulator does not know the condition operator {error}.", 500) from None
    rows, marker = page(results, "SimulatePrincipalPolicy", params.get("MaxItems", 100), params.get("Marker"), "InvalidInput")
    return {"EvaluationResults": rows, "IsTruncated": marker is not None, "Marker": marker}


def _policies(caller: Caller, arn: str) -> tuple[list[Policy], list[Policy]]:
    """Return the policies of whom an ARN names, and the one that is his boundary, if any."""
    backend, (kind, _slash, path) = _backend(caller), arn.rpartition(":")[2].partition("/")
    name = path.rpartition("/")[2]
    everybody = {"user": backend.users, "group": backend.groups, "role": backend.roles}.get(kind, {})
    found = next((one for one in everybody.values() if one.arn == arn), None)
    if found is None:
        raise ApiError("NoSuchEntity", f"The {kind} with name {name} cannot be found.", 404)
    policies = _attached(kind, found)
    if kind == "user":
        policies += [policy for group in backend.get_groups_for_user(name) for policy in _attached("group", group)]
    boundary = getattr(found, "permissions_boundary_arn", None)
    if not boundary:
        return policies, []
    if boundary not in backend.managed_policies:
        raise ApiError("NoSuchEntity", f"Policy {boundary} does not exist.", 404)
    return policies, [_managed(backend.managed_policies[boundary])]


def _attached(kind: str, entity: t.Any) -> list[Policy]:
    inline = entity.policies.items() if isinstance(entity.policies, dict) else ()
    own = [Policy.read(f"{kind}_{entity.name}_{name}", kind, document) for name, document in inline]
    return own + [_managed(policy) for policy in entity.managed_policies.values()]


def _managed(policy: t.Any) -> Policy:
    kind = "aws-managed" if policy.arn.startswith(_AWS_OWNED) else "user-managed"
    return Policy.read(policy.name, kind, next(version.document for version in policy.versions if version.is_default))


def _given(member: str, params: Params) -> list[Policy]:
    try:
        return [Policy.read(f"{member}.{index}", "none", text) for index, text in enumerate(params.get(member, []), 1)]
    except (ValueError, KeyError):
        raise ApiError("InvalidInput", f"A policy of {member} is not valid.") from None


def _result(
    policies: list[Policy], boundary: list[Policy], action: str, resource: str, context: policy_evaluation.Context
) -> Answer:
    decision = policy_evaluation.decide(policies, action, resource, context)
    row: Answer = {"EvalActionName": action, "EvalResourceName": resource, "EvalDecision": decision.word}
    row["MatchedStatements"] = [{"SourcePolicyId": policy.name, "SourcePolicyType": policy.kind} for policy in decision.policies]
    row["MissingContextValues"] = decision.missing_keys
    if not boundary:
        return row
    limit = policy_evaluation.decide(boundary, action, resource, context).word
    inside = limit == policy_evaluation.ALLOWED
    if not inside and decision.word != policy_evaluation.EXPLICIT_DENY:
        row["EvalDecision"] = limit
    return {**row, "PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": inside}}
