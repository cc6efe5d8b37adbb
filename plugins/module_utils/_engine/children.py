# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Keep things that belong to another, such as the tasks of a maintenance window, which are known by their names in it."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api
from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import OnDifference, RefusedError, Thing
from ansible_collections.fleet.ssm.plugins.module_utils._engine.facets import Facet
from ansible_collections.fleet.ssm.plugins.module_utils._engine.resource import PRESENT, Resource

_NAME = "Name"


class Child(Resource):
    """One of them. What it belongs to is a member that it learns later; what AWS cannot change of it is replaced."""

    title = "name"
    siblings: t.Sequence[dict[str, t.Any]] = ()
    """All that there are in the same thing, as AWS describes them."""

    def find(self) -> list[dict[str, t.Any]]:
        """Give those of the name."""
        return [one for one in self.siblings if one.get(_NAME) == self.options["name"]]

    def read_back(self, thing: dict[str, t.Any]) -> dict[str, t.Any]:
        """Give what is known now: the siblings were read before."""
        return thing

    def id_of(self, thing: Thing) -> tuple[str, ...]:
        """Give what tells it from its siblings."""
        return tuple(self._id_of(thing).values())

    def result(self, thing: Thing) -> dict[str, t.Any]:
        """Give it in the words of the options."""
        return self._result(thing)


class Children(Facet):
    """All of a kind in one thing: those of the option are there in the end, and no others."""

    kind: t.ClassVar[type[Child]]
    parent: t.ClassVar[str]
    """The member that says to what they belong."""

    def __init__(self, api: Api, options: t.Mapping[str, t.Any]) -> None:
        super().__init__(api, options)
        self._thing: Thing | None = None
        self._there: t.Sequence[dict[str, t.Any]] = ()
        self._after: list[dict[str, t.Any]] = []

    def listed(self, thing: Thing) -> list[dict[str, t.Any]]:
        """Ask AWS for all there are."""
        return list(self.api.items(*self.kind.item, **{self.parent: thing[self.parent]}))

    def entry(self, given: t.Mapping[str, t.Any], thing: Thing | None) -> t.Mapping[str, t.Any]:
        """Give an entry of the option as the child's own options; the thing is None when it is yet to be."""
        return given

    def read(self, thing: Thing) -> list[dict[str, t.Any]]:
        """Ask for all of them."""
        self._there, self._thing = self.listed(thing), thing
        return self._told(self._there)

    def new(self) -> list[dict[str, t.Any]]:
        """Give none."""
        self._there, self._thing = (), None
        return []

    def goal(self, have: t.Any) -> list[dict[str, t.Any]]:
        """Plan for each."""
        names = [given["name"] for given in self.options[self.name]]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise RefusedError(f"Two of {self.name} are called {twice[0]!r}. They are known by their names, so give each its own.")
        plans = [child.plan(want) for child, want in self._children(self._thing)]
        return self._told([plan.after for plan in plans if plan.after is not None])

    def write(self, thing: Thing, have: t.Any, goal: t.Any) -> None:
        """Create, update and replace what is wanted, and remove all else."""
        # Anew: another facet may have made what these refer to.
        self._there = self.listed(thing) if self._there else ()
        self._after = []
        left = {self._any.id_of(one): one for one in self._there}
        for child, want in self._children(thing):
            plan = child.plan(want)
            after, _also = child.carry_out(plan, {**want, self.parent: thing[self.parent]})
            self._after.append(dict(after or {}))
            for subject in (after, *(step.subject for step in plan.steps)):
                if subject is not None:
                    left.pop(child.id_of(subject), None)
        for one in left.values():
            self._any.remove(one)

    def written(self, goal: t.Any) -> t.Any:
        """Give them with the ids that AWS has given."""
        return self._told(self._after)

    @functools.cached_property
    def _any(self) -> Child:
        """One that stands for each, where it does not matter which."""
        return self.kind(self.api, self.options)

    def _children(self, thing: Thing | None) -> t.Iterator[tuple[Child, dict[str, t.Any]]]:
        for given in self.options[self.name]:
            options = {**self.entry(given, thing), "state": PRESENT, "on_difference": OnDifference.REPLACE.value}
            child = self.kind(self.api, options)
            child.siblings = self._there
            child.check()
            want = child.wanted()
            child.check_limits(want)
            yield child, want

    def _told(self, things: t.Sequence[Thing]) -> list[dict[str, t.Any]]:
        return sorted((self._any.result(one) for one in things), key=lambda one: str(one.get("name", "")))
