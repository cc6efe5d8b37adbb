# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""List what AWS keeps, filtered by the user's options."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import option_name
from ansible_collections.fleet.ssm.plugins.module_utils._engine import shapes
from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api


class Info:
    """A listing. A module declares the facts below."""

    service: t.ClassVar[str] = "ssm"
    noun: t.ClassVar[str]
    """The name of the return value."""
    item: t.ClassVar[tuple[str, str]]
    """The operation that lists, and the list in its answer."""
    filters: t.ClassVar[dict[str, str]] = {}
    """The options that AWS filters by, and the filter's key."""
    filters_member: t.ClassVar[str] = "Filters"
    members: t.ClassVar[dict[str, str]] = {}
    """The options that are members of the request itself, and the member."""
    renamed: t.ClassVar[dict[str, str]] = {}
    """The members that are not called after AWS's, by member, as with Resource."""
    rules: t.ClassVar[dict[str, t.Any]] = {}
    secrets: t.ClassVar[frozenset[str]] = frozenset()

    def __init__(self, api: Api, options: t.Mapping[str, t.Any]) -> None:
        self.api = api
        self.options = options

    def keep(self, item: dict[str, t.Any]) -> bool:
        """Say whether an entry is wanted, by what AWS cannot filter."""
        return True

    def entries(self) -> list[dict[str, t.Any]]:
        """Ask AWS for all of it."""
        operation, member = self.item
        shape = self.api.answer_shape(operation).members[member].member
        listed = (entry for request in self._requests(operation) for entry in self.api.items(operation, member, **request))
        names = {option_name(one): name for one, name in self.renamed.items()}
        return [shapes.renamed(shapes.to_result(shape, entry, option_name), names) for entry in listed if self.keep(entry)]

    def also(self, entries: t.Sequence[dict[str, t.Any]]) -> dict[str, t.Any]:
        """Give what else to return."""
        return {}

    def _requests(self, operation: str) -> t.Iterator[dict[str, t.Any]]:
        asked = {member: self.options[option] for option, member in self.members.items() if self.options.get(option)}
        said = {key: _as_list(self.options[option]) for option, key in self.filters.items() if self.options.get(option)}
        if not said:
            yield asked
            return
        shape = self.api.request_shape(operation).members[self.filters_member]
        for some in shapes.batches(shape, said):
            yield {**asked, self.filters_member: shapes.filters(shape, some)}


def _as_list(value: t.Any) -> t.Sequence[str]:
    return value if isinstance(value, list) else [value]
