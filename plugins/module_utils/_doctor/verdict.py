# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Order what all checks of a node found by cause, and name the first. Pure; runs on nodes, with Python 3.6."""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._doctor.causes import CHECKS, DECISIVE
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.checks import FAIL, STATUSES, UNKNOWN, Check, NotACheckError

_RANKS = {entry.id: rank for rank, entry in enumerate(CHECKS)}
_ENTRIES = {entry.id: entry for entry in CHECKS}


class Verdict(t.NamedTuple):
    """The checks in order as modules return them, the first failing one (None: there is none), and whether all is well."""

    checks: "t.List[t.Dict[str, t.Any]]"
    cause: "t.Optional[t.Dict[str, t.Any]]"
    healthy: bool


def verdict(checks: "t.Iterable[Check]") -> Verdict:
    """Judge the checks of one node, the controller's and the node's together; of two with one id the worse counts."""
    found = _worst(checks)
    failing = {check.id for check in found if check.status == FAIL}
    results = [_result(check, failing) for check in sorted(found, key=_place)]
    first = next((result for result in results if result["status"] == FAIL), None)
    undecided = any(check.status == UNKNOWN and check.id in DECISIVE for check in found)
    return Verdict(results, first, not failing and not undecided)


def roots(check_id: str) -> "t.Set[str]":
    """Name all checks that this one may be a consequence of, at any remove."""
    found = set()  # type: t.Set[str]
    waiting = list(_ENTRIES[check_id].consequence_of)
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting.extend(_ENTRIES[one].consequence_of)
    return found


def _worst(checks: "t.Iterable[Check]") -> "t.List[Check]":
    kept = {}  # type: t.Dict[str, Check]
    for check in checks:
        if check.id not in _ENTRIES:
            raise NotACheckError("there is no check called {}".format(check.id))
        other = kept.get(check.id)
        if other is None or STATUSES.index(check.status) < STATUSES.index(other.status):
            kept[check.id] = check
    return list(kept.values())


def _place(check: Check) -> "t.Tuple[int, int]":
    return STATUSES.index(check.status), _RANKS[check.id]


def _result(check: Check, failing: "t.Set[str]") -> "t.Dict[str, t.Any]":
    result = dict(check._asdict(), title=_ENTRIES[check.id].title)
    if check.status == FAIL:
        causes = sorted(roots(check.id) & failing, key=_RANKS.__getitem__)
        result["consequence_of"] = causes[0] if causes else ""
    return result
