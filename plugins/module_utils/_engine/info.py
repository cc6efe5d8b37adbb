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
        listed = self.api.items(operation, member, **self._request(operation))
        return [shapes.to_result(shape, entry, option_name) for entry in listed if self.keep(entry)]

    def _request(self, operation: str) -> dict[str, t.Any]:
        said = {key: _as_list(self.options[option]) for option, key in self.filters.items() if self.options.get(option)}
        if not said:
            return {}
        shape = self.api.request_shape(operation).members[self.filters_member]
        return {self.filters_member: shapes.filters(shape, said)}


def _as_list(value: t.Any) -> t.Sequence[str]:
    return value if isinstance(value, list) else [value]
