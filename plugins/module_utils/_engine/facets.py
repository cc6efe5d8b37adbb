# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read and set what AWS keeps of a thing by operations of its own, such as its tags."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api
from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import Thing

# What the names of AWS's own tags begin with, which nobody else may remove.
_OF_AWS = "aws:"


class Facet:
    """One such. A resource lists those it has in facets()."""

    name: t.ClassVar[str]
    """The option, which is also what it is called in the result."""
    free: t.ClassVar[bool] = False
    """Whether it takes no call to read it; else it is read only when the user says what it is to be."""

    def __init__(self, api: Api, options: t.Mapping[str, t.Any]) -> None:
        self.api = api
        self.options = options

    @property
    def is_wanted(self) -> bool:
        """Say whether the user wants it to be something."""
        return self.options.get(self.name) is not None

    def read(self, thing: Thing) -> t.Any:
        """Give what it is now."""
        raise NotImplementedError

    def new(self) -> t.Any:
        """Give what it is when the thing has just been created."""
        raise NotImplementedError

    def goal(self, have: t.Any) -> t.Any:
        """Give what it is to be."""
        return self.options[self.name] if self.is_wanted else have

    def write(self, thing: Thing, have: t.Any, goal: t.Any) -> None:
        """Make it so."""
        raise NotImplementedError

    def written(self, goal: t.Any) -> t.Any:
        """Give what it is once it is written, where AWS has added to it."""
        return goal


class Tags(Facet):
    """The tags of a thing of Systems Manager; those it gets when it is created are in that request."""

    name = "tags"

    def __init__(self, api: Api, options: t.Mapping[str, t.Any], resource_type: str, id_member: str) -> None:
        super().__init__(api, options)
        self._resource_type = resource_type
        self._id_member = id_member

    def read(self, thing: Thing) -> dict[str, str]:
        """Ask for them."""
        answer = self.api.call("ListTagsForResource", **self._subject(thing))
        return {tag["Key"]: tag["Value"] for tag in answer["TagList"]}

    def new(self) -> dict[str, str]:
        """Give those of the request."""
        return self._wanted()

    def goal(self, have: t.Any) -> dict[str, str]:
        """Add those wanted; leave the others unless they are to be purged."""
        kept = {key: value for key, value in have.items() if key.startswith(_OF_AWS) or not self.options.get("purge_tags")}
        return {**kept, **self._wanted()}

    def write(self, thing: Thing, have: t.Any, goal: t.Any) -> None:
        """Set those that differ, and remove those that are not to be."""
        added = [{"Key": key, "Value": value} for key, value in goal.items() if have.get(key) != value]
        removed = [key for key in have if key not in goal]
        if added:
            self.api.call("AddTagsToResource", **self._subject(thing), Tags=added)
        if removed:
            self.api.call("RemoveTagsFromResource", **self._subject(thing), TagKeys=removed)

    def _wanted(self) -> dict[str, str]:
        return {str(key): str(value) for key, value in (self.options["tags"] or {}).items()}

    def _subject(self, thing: Thing) -> dict[str, str]:
        return {"ResourceType": self._resource_type, "ResourceId": thing[self._id_member]}
