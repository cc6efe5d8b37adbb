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
from ansible_collections.fleet.ssm.plugins.module_utils._engine.facets import Facet, Tags

# The values of the option state, which every module of a resource has.
PRESENT = "present"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a module returns: whether it changed, the thing before and after, and what else it has to tell."""

    changed: bool
    before: dict[str, t.Any]
    after: dict[str, t.Any]
    also: dict[str, t.Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class _Wanted:
    """A facet before (None: there was none, or it was not read), as it is once the plan is carried out, and as it is to be."""

    facet: Facet
    before: t.Any
    have: t.Any
    goal: t.Any

    @classmethod
    def of(cls, facet: Facet, plan: Plan) -> _Wanted:
        is_read = facet.free or facet.is_wanted
        before = facet.read(plan.before) if is_read and plan.before is not None else None
        is_new = any(step.kind is Kind.CREATE for step in plan.steps)
        have = (facet.new() if is_new else before) if is_read else None
        return cls(facet, before, have, facet.goal(have) if is_read else None)

    @property
    def name(self) -> str:
        return self.facet.name

    @property
    def differs(self) -> bool:
        return bool(self.have != self.goal)


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
    fixed: t.ClassVar[frozenset[str]] = frozenset()
    """Members that the update takes too, but only as they are."""
    answered: t.ClassVar[str] = ""
    """The member of the answers to create and update that holds the thing itself; empty where they do not tell it."""
    renamed: t.ClassVar[dict[str, str]] = {}
    """The members whose option is not called after them, by member: where AWS calls something else than the thing its Name."""
    tagged_as: t.ClassVar[str] = ""
    """The ResourceType by which its tags are changed after its creation; its module has the options tags and purge_tags."""
    deleted_first: t.ClassVar[bool] = False
    """Whether there cannot be two of a title, so that one that is replaced goes before the new one comes."""
    later: t.ClassVar[frozenset[str]] = frozenset()
    """Members that the creation needs, and that need not be known before it is certain."""
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
        options = {**self.options, **{option_name(member): self.options.get(name) for member, name in self.renamed.items()}}
        return shapes.to_request(self.api.request_shape(self.create), options, option_name)

    def check_limits(self, want: t.Mapping[str, t.Any]) -> None:
        """Raise RefusedError when a member of the request is missing, or too long, or too large."""
        wrong = shapes.problems(self.api.request_shape(self.create), want, self._name, self.later)
        if wrong:
            raise RefusedError("; ".join(wrong) + ".")

    def changes(self, have: Thing, want: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Give the request that would update it, but for its ids."""
        return {member: want[member] for member in self.updatable() if member in want}

    def alter(self, have: Thing, want: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Update it; give the answer."""
        return self.api.call(self.update or "", **self._id_of(have), **self.changes(have, want))

    def told(self, thing: Thing) -> dict[str, t.Any]:
        """Give what is to be told of it besides what its shape has."""
        return {}

    def shape(self) -> t.Any:
        """Give the shape of the things that find() gives."""
        operation, member = self.item
        return self.api.answer_shape(operation).members[member].member

    def compared(self, want: dict[str, t.Any]) -> dict[str, t.Any]:
        """Leave the members in which a difference counts."""
        return want

    def goals(self, want: dict[str, t.Any], have: Thing) -> dict[str, t.Any]:
        """Add what is wanted of the thing that is there and depends on it."""
        return want

    def same(self, member: str, have: t.Any, want: t.Any) -> bool:
        """Compare one member."""
        return plain_same(member, have, want)

    def created(self, answer: dict[str, t.Any]) -> dict[str, t.Any]:
        """Deal with the answer to the creation; give what else to return."""
        return {}

    def refuse_deletion(self, thing: Thing) -> None:
        """Raise RefusedError when AWS would not delete it."""

    def release(self, thing: Thing) -> None:
        """Undo what keeps AWS from deleting it."""

    def deleted(self, thing: Thing) -> None:
        """Deal with what belongs to a thing that has just been deleted."""

    def facets(self) -> list[Facet]:
        """Give what AWS keeps of it by operations of their own."""
        return [Tags(self.api, self.options, self.tagged_as, self.ids[0])] if self.tagged_as else []

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
            self.check_limits(want)
        plan = self.plan(want)
        facets = [_Wanted.of(facet, plan) for facet in self.facets()] if plan.after is not None else []
        before = {one.name: one.before for one in facets if one.before is not None}
        after = {one.name: one.goal for one in facets if one.goal is not None}
        changed = plan.changed or any(one.differs for one in facets)
        thing = plan.after
        also: dict[str, t.Any] = {}
        if changed and not check_mode:
            thing, also = self.carry_out(plan, want)
            if thing is not None:
                after.update(self._write(facets, thing))
        elif not changed and thing is not None:
            also = self.kept(thing)
        return Outcome(changed, {**self._result(plan.before), **before}, {**self._result(thing), **after}, also)

    def plan(self, want: dict[str, t.Any]) -> Plan:
        """Say what there is to do."""
        found = self.find()
        if self.options["state"] != PRESENT:
            for thing in found:
                self.refuse_deletion(thing)
            return plan_absent(found)
        compared = {member: value for member, value in self.compared(want).items() if not (self.tagged_as and member == "Tags")}
        fitting = self.fit(found)
        plan = plan_present(
            fitting,
            self.goals(compared, fitting[0]) if fitting else compared,
            updatable=self.updatable(),
            on_difference=OnDifference(self.options.get("on_difference", OnDifference.FAIL.value)),
            same=self.same,
            refusal=self._refusal,
            deleted_first=self.deleted_first,
        )
        # A thing to be created is shown whole, not only with what counts as a difference.
        is_new = any(step.kind is Kind.CREATE for step in plan.steps)
        return dataclasses.replace(plan, after=want) if is_new else plan

    def _refusal(self, have: Thing, want: Thing, members: t.Sequence[str]) -> str:
        is_now = self._result({member: have.get(member) for member in members})
        asked = self._result({member: want[member] for member in members})
        listed = ", ".join(f"{name} is {is_now.get(name)!r} and not {value!r}" for name, value in asked.items())
        return (
            f"The {self.noun} {self.options[self.title]!r} is there, but {listed}, and AWS cannot change that."
            " Ask for what is there, or set on_difference=replace."
        )

    def updatable(self) -> frozenset[str]:
        """Name the members that AWS can change."""
        if self.update is None:
            return frozenset()
        return frozenset(self.api.request_shape(self.update).members) - set(self.ids) - self.fixed

    def carry_out(self, plan: Plan, want: dict[str, t.Any]) -> tuple[Thing | None, dict[str, t.Any]]:
        """Do it; give the thing as it is then, and what else to return."""
        also: dict[str, t.Any] = {}
        after = plan.after
        for step in plan.steps:
            if step.kind is Kind.CREATE:
                answer = self.api.call(self.create, **want)
                also.update(self.created(answer))
                after = answer[self.answered] if self.answered else self.read_back({**want, **answer})
            elif step.subject is not None and step.kind is Kind.DELETE:
                self.remove(step.subject)
            elif step.subject is not None:
                answer = self.alter(step.subject, want)
                after = answer[self.answered] if self.answered else self.read_back({**step.subject, **want})
        return after, also

    def remove(self, thing: Thing) -> None:
        """Delete one."""
        self.release(thing)
        self.api.call(self.delete, **self._id_of(thing))
        self.deleted(thing)

    def _write(self, facets: t.Sequence[_Wanted], thing: Thing) -> dict[str, t.Any]:
        written = [one for one in facets if one.differs]
        for one in written:
            one.facet.write(thing, one.have, one.goal)
        return {one.name: one.facet.written(one.goal) for one in written}

    def read_back(self, thing: dict[str, t.Any]) -> dict[str, t.Any]:
        """Give the thing as AWS lists it now; as last known when AWS does not list it yet."""
        known = self._id_of(thing)
        return next((item for item in self.find() if self._id_of(item) == known), thing)

    def _id_of(self, thing: Thing) -> dict[str, t.Any]:
        return {member: thing[member] for member in self.ids}

    def _result(self, thing: Thing | None) -> dict[str, t.Any]:
        if thing is None:
            return {}
        return {**shapes.renamed(shapes.to_result(self.shape(), thing, option_name), self._names()), **self.told(thing)}

    def _name(self, member: str) -> str:
        return self.renamed.get(member) or option_name(member)

    def _names(self) -> dict[str, str]:
        return {option_name(member): name for member, name in self.renamed.items()}
