# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Plan how to get from what there is to what is wanted, with the differences to show."""

from __future__ import annotations

import dataclasses
import enum
import typing as t

Thing = t.Mapping[str, t.Any]
Same = t.Callable[[str, t.Any, t.Any], bool]
Refusal = t.Callable[[Thing, Thing, t.Sequence[str]], str]


class Kind(enum.Enum):
    """What a step does to one thing."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class OnDifference(enum.Enum):
    """What to do about a member that AWS cannot change."""

    FAIL = "fail"
    REPLACE = "replace"


class RefusedError(Exception):
    """What the user asked for must not or cannot be done; its text is ready for the user."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One request to make; the subject is None for a thing yet to be."""

    kind: Kind
    subject: Thing | None = None


@dataclasses.dataclass(frozen=True)
class Plan:
    """The steps in order, what there was, and what there will be (None: nothing)."""

    steps: tuple[Step, ...]
    before: Thing | None
    after: Thing | None

    @property
    def changed(self) -> bool:
        """Say whether there is anything to do."""
        return bool(self.steps)


def plain_same(_member: str, have: t.Any, want: t.Any) -> bool:
    """Compare lists of tags and the like whatever their order, everything else as it is."""
    if isinstance(have, list) and isinstance(want, list):
        return sorted(map(_stable, have)) == sorted(map(_stable, want))
    return bool(have == want)


def covers(have: t.Any, want: t.Any, whole: t.Container[str] = ()) -> bool:
    """Say whether all that is wanted of a structure is so, whatever else it has; some of its members are compared as they are."""
    if not isinstance(want, dict):
        return bool(have == want)
    return isinstance(have, dict) and all(
        have.get(name) == value if name in whole else covers(have.get(name), value, whole) for name, value in want.items()
    )


def merged(have: t.Any, want: t.Any, whole: t.Container[str] = ()) -> t.Any:
    """Give a structure with all that is wanted of it, and what else it had."""
    if not isinstance(want, dict) or not isinstance(have, dict):
        return want
    parts = {name: value if name in whole else merged(have.get(name), value, whole) for name, value in want.items()}
    return {**have, **parts}


def plain_refusal(have: Thing, want: Thing, members: t.Iterable[str]) -> str:
    """Say what differs."""
    return ", ".join(f"{member} is {have.get(member)!r} and not {want[member]!r}" for member in members)


def differing(have: Thing, want: Thing, same: Same = plain_same) -> list[str]:
    """Name the members of what is wanted that are otherwise now; members not wanted are left as they are."""
    return [member for member, value in want.items() if not same(member, have.get(member), value)]


def plan_present(
    found: t.Sequence[Thing],
    want: Thing,
    *,
    updatable: t.Container[str] = (),
    on_difference: OnDifference = OnDifference.FAIL,
    same: Same = plain_same,
    refusal: Refusal = plain_refusal,
    deleted_first: bool = False,
) -> Plan:
    """Keep the first that is as wanted; else update or replace the first of all; create when there is none."""
    if not found:
        return Plan((Step(Kind.CREATE),), None, want)
    by_difference = [(thing, differing(thing, want, same)) for thing in found]
    have, differences = next((pair for pair in by_difference if not pair[1]), by_difference[0])
    after = {**have, **want}
    if not differences:
        return Plan((), have, have)
    if all(member in updatable for member in differences):
        return Plan((Step(Kind.UPDATE, have),), have, after)
    if on_difference is OnDifference.FAIL:
        raise RefusedError(refusal(have, want, [member for member in differences if member not in updatable]))
    # The new one first, where there can be both: whoever needs one is never without.
    steps = (Step(Kind.CREATE), Step(Kind.DELETE, have))
    return Plan(steps[::-1] if deleted_first else steps, have, want)


def plan_absent(found: t.Sequence[Thing]) -> Plan:
    """Delete all that is there."""
    before = found[0] if found else None
    return Plan(tuple(Step(Kind.DELETE, thing) for thing in found), before, None)


def _stable(value: t.Any) -> str:
    if isinstance(value, dict):
        return repr(sorted((key, _stable(item)) for key, item in value.items()))
    return repr(value)
