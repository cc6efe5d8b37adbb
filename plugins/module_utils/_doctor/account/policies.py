# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read IAM policies: whom a role trusts, and what the policy of a VPC endpoint lets through. Pure."""

from __future__ import annotations

import fnmatch
import json
import typing as t

Statement = t.Mapping[str, t.Any]

ALLOWED, DENIED, DEPENDS = "allowed", "denied", "depends"


def statements(policy: t.Any) -> list[Statement]:
    """Give the statements of a policy document, which AWS gives as text or parsed."""
    if isinstance(policy, str):
        try:
            policy = json.loads(policy)
        except ValueError:
            return []
    found = policy.get("Statement", []) if isinstance(policy, dict) else []
    return [one for one in _as_list(found) if isinstance(one, dict)]


def trusts(policy: t.Any, service: str, account: str) -> bool:
    """Say whether a role's trust policy lets a service (ssm, ec2) assume it for an account."""
    return any(_is_trust(one, service, account) for one in statements(policy) if one.get("Effect") == "Allow")


def decide(policy: t.Any, action: str) -> str:
    """Say whether the policy of a VPC endpoint lets an action through; it depends where conditions or principals are named."""
    matching = [one for one in statements(policy) if _has_action(one, action)]
    denials = [one for one in matching if one.get("Effect") == "Deny"]
    if any(_is_unconditional(one) for one in denials):
        return DENIED
    allows = [one for one in matching if one.get("Effect") == "Allow"]
    if not allows:
        return DENIED
    return ALLOWED if not denials and any(_is_unconditional(one) for one in allows) else DEPENDS


def _is_trust(statement: Statement, service: str, account: str) -> bool:
    principal = statement.get("Principal")
    services = _as_list(principal.get("Service", [])) if isinstance(principal, dict) else []
    if not _has_action(statement, "sts:AssumeRole"):
        return False
    # In the partition aws-cn EC2 calls itself ec2.amazonaws.com.cn.
    if not any(str(one).startswith(f"{service}.amazonaws.com") for one in services):
        return False
    return all(account in wanted for wanted in _source_accounts(statement))


def _source_accounts(statement: Statement) -> t.Iterator[list[str]]:
    conditions = statement.get("Condition")
    for operator, pairs in conditions.items() if isinstance(conditions, dict) else ():
        for key, values in pairs.items() if isinstance(pairs, dict) and str(operator).startswith("StringEquals") else ():
            if str(key).lower() == "aws:sourceaccount":
                yield [str(value) for value in _as_list(values)]


def _has_action(statement: Statement, action: str) -> bool:
    if "NotAction" in statement:
        return not any(_matches(action, one) for one in _as_list(statement["NotAction"]))
    return any(_matches(action, one) for one in _as_list(statement.get("Action", [])))


def _matches(action: str, pattern: t.Any) -> bool:
    return fnmatch.fnmatchcase(action.lower(), str(pattern).lower())


def _is_unconditional(statement: Statement) -> bool:
    principal = statement.get("Principal", "*")
    everybody = principal == "*" or (isinstance(principal, dict) and "*" in _as_list(principal.get("AWS", [])))
    everything = "*" in _as_list(statement.get("Resource", "*"))
    return everybody and everything and not statement.get("Condition") and "NotPrincipal" not in statement


def _as_list(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else [value]
