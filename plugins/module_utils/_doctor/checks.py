# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Hold what one check of the doctor found. Pure; runs on nodes, with Python 3.6."""

import typing as t

OK = "ok"
WARN = "warn"
FAIL = "fail"
SKIP = "skip"
UNKNOWN = "unknown"
STATUSES = (FAIL, UNKNOWN, WARN, OK, SKIP)
"""In the order in which a reader wants to see them."""


class NotACheckError(Exception):
    """What was handed in as a check is none; the text says why."""


class Check(t.NamedTuple):
    """What a check found: evidence is what was seen, cause why it is wrong, remedy what to do about it."""

    id: str
    status: str
    evidence: str
    cause: str = ""
    remedy: str = ""


def ok(check_id: str, evidence: str) -> Check:
    """Say that it is as it should be."""
    return Check(check_id, OK, evidence)


def warn(check_id: str, evidence: str, cause: str, remedy: str) -> Check:
    """Say that it does not keep the node from being managed now, but may."""
    return Check(check_id, WARN, evidence, cause, remedy)


def fail(check_id: str, evidence: str, cause: str, remedy: str) -> Check:
    """Say that it is wrong."""
    return Check(check_id, FAIL, evidence, cause, remedy)


def skip(check_id: str, evidence: str) -> Check:
    """Say that it does not apply here, or that an earlier step was not reached."""
    return Check(check_id, SKIP, evidence)


def unknown(check_id: str, evidence: str, cause: str, remedy: str) -> Check:
    """Say that it could not be found out, and what is missing for that; never to be taken for ok."""
    return Check(check_id, UNKNOWN, evidence, cause, remedy)


def denied(check_id: str, actions: "t.Sequence[str]", evidence: str = "") -> Check:
    """Say that it could not be found out because our own identity lacks IAM actions."""
    names = ", ".join(actions)
    return unknown(
        check_id,
        evidence or "AWS denied {}.".format(names),
        "This identity may not call {}.".format(names),
        "Allow {}.".format(names),
    )


def from_result(result: "t.Any") -> Check:
    """Read a check that a module returned."""
    if not isinstance(result, dict):
        raise NotACheckError("a check is a dictionary, not {!r}".format(result))
    fields = [result.get(name, "") for name in Check._fields]
    if not fields[0] or not all(isinstance(field, str) for field in fields):
        raise NotACheckError("a check has the texts {}, not {!r}".format(", ".join(Check._fields), result))
    if fields[1] not in STATUSES:
        raise NotACheckError(
            "the status of check {} is {!r}, which is none of {}".format(fields[0], fields[1], ", ".join(STATUSES))
        )
    return Check(*fields)
