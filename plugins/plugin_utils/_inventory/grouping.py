# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say which groups a node belongs to when the user has said nothing, and under which name it is listed."""

from __future__ import annotations

import functools
import re
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.joining import Record

# Tags with which Patch Manager knows a patch group; without a space where instance metadata shows tags.
_PATCH_GROUP_TAGS = ("Patch Group", "PatchGroup")
# One group for each machine's own name would be no group.
_TAGS_WITHOUT_GROUP = frozenset({"Name"})

_UNMANAGED = "unmanaged"

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9]+")
_PLATFORM_SUFFIX = re.compile(r"\s+GNU/Linux$")


def group_names(record: Record, families: t.Container[str]) -> list[str]:
    """Name the groups of a record, of the families wanted; an instance that is no node is in a group of its own anyway."""
    named = [
        group_name(*parts)
        for family, parts_of in _FAMILIES.items()
        if family in families
        for parts in parts_of(record)
        if parts[-1]
    ]
    return named if record["managed"] else [_UNMANAGED, *named]


@functools.lru_cache(maxsize=65536)
def group_name(*parts: str) -> str:
    """Make a name that Ansible takes as it is: letters, digits and single underscores."""
    return _NOT_IN_A_NAME.sub("_", "_".join(parts)).strip("_")


def host_names(candidates: t.Mapping[str, t.Sequence[str]]) -> dict[str, str]:
    """Choose a name for each node id: its first candidate that no other node is to have, in the end the id itself."""
    queues = {node_id: iter((*names, node_id)) for node_id, names in candidates.items()}
    chosen = {node_id: next(queue) for node_id, queue in queues.items()}
    while clashing := _clashing(chosen):
        # The id is the last candidate and nobody else's, so this ends; one that is named like another's id gives way.
        for node_id in clashing:
            chosen[node_id] = next(queues[node_id])
    return chosen


def _clashing(chosen: t.Mapping[str, str]) -> list[str]:
    holders: dict[str, list[str]] = {}
    for node_id, name in chosen.items():
        holders.setdefault(name, []).append(node_id)
    return [node_id for name, node_ids in holders.items() if len(node_ids) > 1 for node_id in node_ids if node_id != name]


def _kinds(record: Record) -> list[tuple[str, ...]]:
    return [(record["kind"],)] if record["managed"] else []


def _pings(record: Record) -> list[tuple[str, ...]]:
    return [("ping", record.get("ping_status", "").lower())]


def _platforms(record: Record) -> list[tuple[str, ...]]:
    name = _PLATFORM_SUFFIX.sub("", record.get("platform_name", ""))
    return [("platform", text) for text in dict.fromkeys((record.get("platform_type", "").lower(), name.lower()))]


def _regions(record: Record) -> list[tuple[str, ...]]:
    return [("region", record["region"])]


def _accounts(record: Record) -> list[tuple[str, ...]]:
    return [("account", record.get("account_id", ""))]


def _tags(record: Record) -> list[tuple[str, ...]]:
    named = ((key, value) for key, value in record["tags"].items() if key not in _TAGS_WITHOUT_GROUP)
    return [("tag", key, value) if value else ("tag", key) for key, value in named]


def _patch_groups(record: Record) -> list[tuple[str, ...]]:
    return [("patch_group", record["tags"].get(key, "")) for key in _PATCH_GROUP_TAGS]


# The families of groups, by the name that the option default_groups has for them.
_FAMILIES: dict[str, t.Callable[[Record], list[tuple[str, ...]]]] = {
    "kind": _kinds,
    "ping": _pings,
    "platform": _platforms,
    "region": _regions,
    "account": _accounts,
    "tag": _tags,
    "patch_group": _patch_groups,
}
