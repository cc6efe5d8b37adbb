# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Say what a managed thing is - how to find, create, update and delete it - and bring it into the state wanted."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import option_name
from ansible_collections.fleet.ssm.plugins.module_utils._engine import shapes
from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api
from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import (
    Kind,
    OnDifference,
    Plan,
    RefusedError,
    Thing,
    plain_same,
    plan_absent,
    plan_present,
)

# The values of the option state, which every module of a resource has.
PRESENT = "present"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a module returns: whether it changed, the thing before and after, and what else it has to tell."""

    changed: bool
    before: dict[str, t.Any]
    after: dict[str, t.Any]
    also: dict[str, t.Any] = dataclasses.field(default_factory=dict)


class Resource:
    """A thing AWS keeps. A module declares the facts below and writes find(); the rest has a default."""

    service: t.ClassVar[str] = "ssm"
    noun: t.ClassVar[str]
    """What to call it; also the name of the return value."""
    title: t.ClassVar[str]
    """The option by which the user tells one from another."""
    ids: t.ClassVar[tuple[str, ...]]
    """The members by which update and delete know it."""
    item: t.ClassVar[tuple[str, str]]
    """The operation that lists it, and the list in its answer."""
    create: t.ClassVar[str]
    delete: t.ClassVar[str]
    update: t.ClassVar[str | None] = None
    """None when AWS has no way to change it."""
    rules: t.ClassVar[dict[str, t.Any]] = {}
    """What AnsibleModule is told besides the options: required_if, mutually_exclusive and so on."""
    secrets: t.ClassVar[frozenset[str]] = frozenset()
    """The options that no log may show."""
    instead_of_no_log: t.ClassVar[str] = ""
    """What else a user can do who has not set no_log on a task that returns a secret."""

    def __init__(self, api: Api, options: t.Mapping[str, t.Any]) -> None:
        self.api = api
        self.options = options

    # What a module may say for itself.

    def find(self) -> list[dict[str, t.Any]]:
        """Give the things that are there under the title, the best first."""
        raise NotImplementedError

    def fit(self, found: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
        """Leave those that can serve as the thing wanted."""
        return found

    def check(self) -> None:
        """Raise RefusedError when the options cannot be right."""

    def wanted(self) -> dict[str, t.Any]:
        """Give the request that would create it."""
        return shapes.to_request(self.api.request_shape(self.create), self.options, option_name)

    def compared(self, want: dict[str, t.Any]) -> dict[str, t.Any]:
        """Leave the members in which a difference counts."""
        return want

    def same(self, member: str, have: t.Any, want: t.Any) -> bool:
        """Compare one member."""
        return plain_same(member, have, want)

    def created(self, answer: dict[str, t.Any]) -> dict[str, t.Any]:
        """Deal with the answer to the creation; give what else to return."""
        return {}

    def deleted(self, thing: Thing) -> None:
        """Deal with what belongs to a thing that has just been deleted."""

    def kept(self, thing: Thing) -> dict[str, t.Any]:
        """Give what else to return when there was nothing to create."""
        return {}

    def secret_in_result(self) -> str:
        """Name the return value that is a secret, so that the task needs no_log; empty when there is none."""
        return ""

    # What the engine does with it.

    def ensure(self, check_mode: bool) -> Outcome:
        """Find, plan, and unless in check mode do it."""
        self.check()
        want = self.wanted() if self.options["state"] == PRESENT else {}
        if want:
            self._check_limits(want)
        plan = self._plan(want)
        if check_mode or not plan.changed:
            also = self.kept(plan.after) if plan.after is not None and not plan.changed else {}
            return Outcome(plan.changed, self._result(plan.before), self._result(plan.after), also)
        return self._carry_out(plan, want)

    def _check_limits(self, want: dict[str, t.Any]) -> None:
        wrong = shapes.problems(self.api.request_shape(self.create), want, option_name)
        if wrong:
            raise RefusedError("; ".join(wrong) + ".")

    def _plan(self, want: dict[str, t.Any]) -> Plan:
        found = self.find()
        if self.options["state"] != PRESENT:
            return plan_absent(found)
        plan = plan_present(
            self.fit(found),
            self.compared(want),
            updatable=self._updatable(),
            on_difference=OnDifference(self.options.get("on_difference", OnDifference.FAIL.value)),
            same=self.same,
            refusal=self._refusal,
        )
        # A thing to be created is shown whole, not only with what counts as a difference.
        return dataclasses.replace(plan, after=want) if plan.steps and plan.steps[0].kind is Kind.CREATE else plan

    def _refusal(self, have: Thing, want: Thing, members: t.Sequence[str]) -> str:
        is_now = self._result({member: have.get(member) for member in members})
        asked = self._result({member: want[member] for member in members})
        listed = ", ".join(f"{name} is {is_now.get(name)!r} and not {value!r}" for name, value in asked.items())
        return (
            f"The {self.noun} {self.options[self.title]!r} is there, but {listed}, and AWS cannot change that."
            " Ask for what is there, or set on_difference=replace."
        )

    def _updatable(self) -> frozenset[str]:
        if self.update is None:
            return frozenset()
        return frozenset(self.api.request_shape(self.update).members) - set(self.ids)

    def _carry_out(self, plan: Plan, want: dict[str, t.Any]) -> Outcome:
        also: dict[str, t.Any] = {}
        after = plan.after
        for step in plan.steps:
            if step.kind is Kind.CREATE:
                answer = self.api.call(self.create, **want)
                also.update(self.created(answer))
                after = self.read_back({**want, **answer})
            elif step.subject is not None and step.kind is Kind.DELETE:
                self.api.call(self.delete, **self._id_of(step.subject))
                self.deleted(step.subject)
            elif step.subject is not None and self.update is not None:
                changes = {member: want[member] for member in self._updatable() if member in want}
                self.api.call(self.update, **self._id_of(step.subject), **changes)
                after = self.read_back({**step.subject, **want})
        return Outcome(True, self._result(plan.before), self._result(after), also)

    def read_back(self, thing: dict[str, t.Any]) -> dict[str, t.Any]:
        """Give the thing as AWS lists it now; as last known when AWS does not list it yet."""
        known = self._id_of(thing)
        return next((item for item in self.find() if self._id_of(item) == known), thing)

    def _id_of(self, thing: Thing) -> dict[str, t.Any]:
        return {member: thing[member] for member in self.ids}

    def _result(self, thing: Thing | None) -> dict[str, t.Any]:
        if thing is None:
            return {}
        operation, member = self.item
        shape = self.api.answer_shape(operation).members[member].member
        return dict(shapes.to_result(shape, thing, option_name))
