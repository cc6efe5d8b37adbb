# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say what to list: filters, and what to fetch besides."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.joining import EC2, HYBRID

#: a tag's key, and the values it may have; none: any
TagFilter = tuple[str, tuple[str, ...]]

_RESOURCE_TYPES = {EC2: "EC2Instance", HYBRID: "ManagedInstance"}
# What the tagging API takes; EC2 takes 200.
_VALUES_A_TAG = 20


class BadQuery(ValueError):
    """The options cannot be answered together; the text is a sentence for the user."""


@dataclasses.dataclass(frozen=True)
class Query:
    """What to list; an empty filter lets all nodes pass."""

    ping_status: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    tag_filters: tuple[TagFilter, ...] = ()
    tags: bool = True
    ec2_facts: bool = False
    unmanaged: bool = False
    patch_state: bool = False
    compliance: str = ""
    inventory_types: tuple[str, ...] = ()
    associations: bool = False

    def check(self) -> None:
        """Refuse what would give a wrong answer."""
        if self.unmanaged and (self.ping_status or self.platforms or HYBRID in self.kinds):
            raise BadQuery(
                "unmanaged cannot be combined with ping_status, platforms or hybrid nodes:"
                " the instances that those leave out would look unmanaged."
            )
        for key, values in self.tag_filters:
            if len(values) > _VALUES_A_TAG:
                raise BadQuery(f"tag_filters: {key} has {len(values)} values, and AWS takes {_VALUES_A_TAG}.")

    @property
    def wants_tags(self) -> bool:
        """Whether tags must be known."""
        return self.tags or bool(self.tag_filters)

    @property
    def wants_instances(self) -> bool:
        """Whether EC2 is to be asked."""
        return self.includes(EC2) and (self.wants_tags or self.ec2_facts or self.unmanaged)

    @property
    def wants_hybrid_tags(self) -> bool:
        """Whether the tagging API is to be asked."""
        return self.includes(HYBRID) and self.wants_tags

    @property
    def reports(self) -> tuple[str, ...]:
        """Name the reports that are wanted, as records have them."""
        wanted = {
            "patch": self.patch_state,
            "compliance": self.compliance,
            "inventory": self.inventory_types,
            "associations": self.associations,
        }
        return tuple(report for report, said in wanted.items() if said)

    @property
    def asks_more(self) -> bool:
        """Whether a list of nodes alone is not enough."""
        return self.wants_instances or self.wants_hybrid_tags or bool(self.reports)

    def includes(self, kind: str) -> bool:
        """Whether nodes of a kind may be in the answer."""
        return not self.kinds or kind in self.kinds

    def filters(self) -> dict[str, tuple[str, ...]]:
        """Give the filters by the keys that both operations have, which take one resource type and no more."""
        types = tuple(_RESOURCE_TYPES[kind] for kind in self.kinds) if len(self.kinds) == 1 else ()
        said = {"PingStatus": self.ping_status, "PlatformTypes": self.platforms, "ResourceType": types}
        return {key: values for key, values in said.items() if values}

    def accepts(self, tags: t.Mapping[str, str]) -> bool:
        """Whether tags are those wanted; asked of all nodes, for in EC2's filters a star is a wildcard."""
        return all(tags.get(key) in values if values else key in tags for key, values in self.tag_filters)


def tag_filters(given: t.Any) -> tuple[TagFilter, ...]:
    """Take the option: a value, a list of values, or nothing for each key; or the text of an environment variable."""
    found = _from_text(given) if isinstance(given, str) else given or {}
    if not isinstance(found, dict):
        raise BadQuery(f"tag_filters is a dictionary of tags, not {given!r}.")
    return tuple((str(key), _values(value)) for key, value in found.items())


def _values(value: t.Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(item) for item in value) if isinstance(value, (list, tuple)) else (str(value),)


def _from_text(text: str) -> t.Any:
    """Read JSON, or key=value with commas between; a key that comes twice may have either value."""
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except ValueError as error:
            raise BadQuery(f"tag_filters is no JSON: {error}.") from None
    found: dict[str, list[str] | None] = {}
    for entry in (entry.strip() for entry in text.split(",") if entry.strip()):
        key, sign, value = entry.partition("=")
        found[key] = [*(found.get(key) or ()), value] if sign else None
    return found
