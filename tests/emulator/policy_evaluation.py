# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluates IAM policies as IAM's simulation does: which statements speak of an action, and what they decide.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html. moto has an evaluation too,
which knows no conditions, takes actions by their case, and takes an Allow whose condition is not met for a Deny.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import json
import re
import typing as t

Statement = dict[str, t.Any]
Context = dict[str, list[str]]  # by key, in lower case

ALLOWED, EXPLICIT_DENY, IMPLICIT_DENY = "allowed", "explicitDeny", "implicitDeny"


class UnknownConditionError(Exception):
    """A policy has a condition operator that is not evaluated here; the text names it."""


@dataclasses.dataclass(frozen=True)
class Policy:
    """A policy, as it is attached."""

    name: str
    kind: str  # SourcePolicyType of a Statement in IAM's answer
    statements: list[Statement]

    @classmethod
    def read(cls, name: str, kind: str, document: str) -> Policy:
        """Read a policy's JSON."""
        return cls(name, kind, _as_list(json.loads(document)["Statement"]))


@dataclasses.dataclass(frozen=True)
class Decision:
    """What policies decide: the word for it, the policies that did, and the context keys they would need to know."""

    word: str
    policies: list[Policy]
    missing_keys: list[str]


def decide(policies: collections.abc.Sequence[Policy], action: str, resource: str, context: Context) -> Decision:
    """Decide whether an action on a resource is allowed: any deny wins, and what nobody allows is denied."""
    missing: set[str] = set()
    found: dict[str, list[Policy]] = {"Allow": [], "Deny": []}
    for policy in policies:
        for statement in policy.statements:
            if _speaks_of(statement, action, resource) and _is_met(statement.get("Condition", {}), context, missing):
                found[statement["Effect"]].append(policy)
    if found["Deny"]:
        return Decision(EXPLICIT_DENY, found["Deny"], sorted(missing))
    return Decision(ALLOWED if found["Allow"] else IMPLICIT_DENY, found["Allow"], sorted(missing))


def _speaks_of(statement: Statement, action: str, resource: str) -> bool:
    return _names(statement, "Action", action.lower()) and _names(statement, "Resource", resource)


def _names(statement: Statement, element: str, value: str) -> bool:
    """Say whether an element names a value; its Not form names everything else."""
    wanted = element if element in statement else f"Not{element}"
    # Actions are the same in any case, resources are not.
    patterns = [one.lower() if element == "Action" else one for one in _as_list(statement.get(wanted, []))]
    return any(_is_like(value, pattern) for pattern in patterns) is (wanted == element)


def _is_like(value: str, pattern: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), value, re.DOTALL) is not None


_OPERATORS: dict[str, t.Callable[[str, str], bool]] = {
    "StringEquals": lambda value, wanted: value == wanted,
    "StringEqualsIgnoreCase": lambda value, wanted: value.lower() == wanted.lower(),
    "StringLike": _is_like,
    "ArnEquals": _is_like,
    "ArnLike": _is_like,
    "Bool": lambda value, wanted: value.lower() == wanted.lower(),
}
_OPPOSITES = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}


def _is_met(conditions: dict[str, dict[str, t.Any]], context: Context, missing: set[str]) -> bool:
    """Say whether all conditions are met; the keys that nobody gave are added to those missing."""
    met = True
    for operator, pairs in conditions.items():
        name, optional = operator.removesuffix("IfExists"), operator.endswith("IfExists")
        base = _OPPOSITES.get(name, name)
        if base not in _OPERATORS:
            raise UnknownConditionError(operator)
        for key, wanted in pairs.items():
            values = context.get(key.lower())
            if values is None:
                missing.add(key)
                met = met and (optional or name in _OPPOSITES)
                continue
            equal = any(_OPERATORS[base](value, str(one)) for value in values for one in _as_list(wanted))
            met = met and equal is (name not in _OPPOSITES)
    return met


def _as_list(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else [value]
