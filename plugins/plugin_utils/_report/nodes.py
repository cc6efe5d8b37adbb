# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make nodes of what managed_node_info and patch_info return, and judge each. Pure."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._patching.counting import state_name

Row = t.Mapping[str, t.Any]

_ONLINE = "Online"
# AWS allows names of 256 characters; the page has each several times.
_LONGEST_NAME = 64


@dataclasses.dataclass(frozen=True)
class State:
    """How a node is patched: the letter it has on the map, and what is said of it."""

    key: str
    letter: str
    title: str


COMPLIANT = State("compliant", "", "compliant")
UNSCANNED = State("unscanned", "?", "never scanned")
# A node is what the first of these says that it has any of.
_COUNTED = {
    "failed": State("failed", "F", "a patch could not be installed"),
    "missing": State("missing", "M", "patches are missing"),
    "installed_rejected": State("rejected", "X", "a rejected patch is installed"),
    "installed_pending_reboot": State("reboot", "R", "a reboot is waited for"),
}
#: all of them, the worst first
STATES = (*_COUNTED.values(), UNSCANNED, COMPLIANT)


@dataclasses.dataclass(frozen=True)
class Patch:
    """A patch that something is to be done about."""

    title: str
    severity: str
    state: str


@dataclasses.dataclass(frozen=True)
class Node:
    """A managed node, as far as the report tells of it."""

    instance_id: str
    name: str
    place: str
    platform: str
    agent_version: str
    is_latest: bool | None
    ping: str
    last_ping: str
    patch_group: str
    scanned: str
    state: State
    counts: t.Mapping[str, int]
    levels: t.Mapping[str, int]
    patches: tuple[Patch, ...]

    @property
    def is_silent(self) -> bool:
        """Whether AWS hears no more of it."""
        return self.ping != _ONLINE

    @property
    def needs_patching(self) -> bool:
        """Whether something is to be done about its patches."""
        return self.state is not COMPLIANT


def joined(place: str, listed: t.Iterable[Row], patched: t.Iterable[Row]) -> list[Node]:
    """Make nodes of a place's two lists."""
    states = {row["instance_id"]: row for row in patched}
    return [_node(place, row, states.get(row["instance_id"])) for row in listed]


def by_name(node: Node) -> tuple[t.Any, ...]:
    """Sort nodes as people count: web-2 is before web-10."""
    parts = re.split(r"(\d+)", node.name)
    return tuple(int(part) if place % 2 else part.lower() for place, part in enumerate(parts)), node.instance_id


def counts_of(row: Row) -> dict[str, int]:
    """Give how many patches of each state that matters a node has."""
    return {name: int(row.get(f"{name}_count") or 0) for name in _COUNTED}


def shortened(text: str, most: int = _LONGEST_NAME) -> str:
    """Cut a text that is longer than it may be."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _node(place: str, row: Row, patched: Row | None) -> Node:
    node_id = str(row["instance_id"])
    counts = counts_of(patched or {})
    system = " ".join(str(row[name]) for name in ("platform_name", "platform_version") if row.get(name))
    return Node(
        instance_id=node_id,
        name=shortened(str(row.get("name") or row.get("computer_name") or node_id)),
        place=place,
        platform=shortened(system or str(row.get("platform_type") or "not known")),
        agent_version=str(row.get("agent_version") or "not known"),
        is_latest=row.get("is_latest_version"),
        ping=str(row.get("ping_status") or "not known"),
        last_ping=str(row.get("last_ping_date_time") or ""),
        patch_group=str((patched or {}).get("patch_group") or ""),
        scanned=str((patched or {}).get("operation_end_time") or ""),
        state=UNSCANNED if patched is None else next((_COUNTED[name] for name in _COUNTED if counts[name]), COMPLIANT),
        counts=counts,
        levels={
            level: int((patched or {}).get(f"{level}_non_compliant_count") or 0) for level in ("critical", "security", "other")
        },
        patches=tuple(map(_patch, (patched or {}).get("patches", ()))),
    )


def _patch(row: Row) -> Patch:
    title = shortened(str(row.get("title") or row.get("kb_id") or "not known"))
    return Patch(title, str(row.get("severity") or "Unspecified"), state_name(str(row["state"])))
