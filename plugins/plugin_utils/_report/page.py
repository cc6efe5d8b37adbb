# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Put together what the page of the fleet shows. Pure; the newest data is the page's time, so that it says the same of the same."""

from __future__ import annotations

import collections
import datetime
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._report import bars, changes, geometry
from ansible_collections.fleet.ssm.plugins.plugin_utils._report.nodes import COMPLIANT, STATES, Node, Row, by_name, joined

Page = dict[str, t.Any]

_MOST_NAMED = 4
_DAY, _HOUR, _MINUTE = 86400, 3600, 60
_UNITS = ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute"))
_GROUPS: dict[str, t.Callable[[Node], str]] = {
    "place": lambda node: node.place,
    "platform": lambda node: node.platform,
    "patch_group": lambda node: node.patch_group or "no patch group",
}
GROUPINGS = tuple(_GROUPS)


def page(
    listed: t.Sequence[Row], patched: t.Sequence[Row], places: t.Sequence[Row], group_by: str, changed: t.Sequence[Row]
) -> Page:
    """Give all figures, of one answer of managed_node_info and patch_info for each place."""
    answers = zip(places, listed, patched, strict=True)
    found = [node for place, one, other in answers for node in joined(place_name(place), one["managed_nodes"], other["nodes"])]
    nodes = sorted(found, key=by_name)
    as_of = _newest(nodes)
    needing = sorted((node for node in nodes if node.needs_patching), key=lambda node: STATES.index(node.state))
    return {
        "as_of": as_of.strftime("%Y-%m-%d %H:%M UTC") if as_of else "",
        "places": [place_name(place) for place in places],
        "totals": _totals(nodes),
        "states": [{"key": state.key, "letter": state.letter, "title": state.title} for state in STATES],
        "map": _map(nodes, group_by),
        "patch_groups": bars.by_patch_group(nodes),
        "severities": bars.by_severity(nodes),
        "patches": bars.most_missing(nodes),
        "agents": bars.by_agent(nodes),
        "platforms": bars.by_platform(nodes),
        "silent": [_silent(node, as_of) for node in sorted(nodes, key=lambda node: node.last_ping) if node.is_silent],
        "needing": [_needing(node) for node in needing],
        "well": [_plain(node) for node in nodes if not node.needs_patching and not node.is_silent],
        "changes": changes.told(changed, nodes) if changed else {},
    }


def place_name(place: Row) -> str:
    """Say what a place is called: as the user says, or by what it is asked with."""
    given = [str(place[name]) for name in ("profile", "assume_role_arn", "region") if place.get(name)]
    return str(place.get("name") or " ".join(given) or "default region")


def _newest(nodes: t.Iterable[Node]) -> datetime.datetime | None:
    return max((_moment(text) for node in nodes for text in (node.last_ping, node.scanned) if text), default=None)


def _moment(text: str) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)


def _totals(nodes: t.Sequence[Node]) -> Page:
    return {
        "nodes": len(nodes),
        "silent": sum(node.is_silent for node in nodes),
        "compliant": sum(node.state is COMPLIANT for node in nodes),
        "states": {state.key: sum(node.state is state for node in nodes) for state in STATES},
        "old_agents": sum(node.is_latest is False for node in nodes),
        "missing": sum(node.counts["missing"] + node.counts["failed"] for node in nodes),
    }


def _map(nodes: t.Sequence[Node], group_by: str) -> list[Page]:
    grouped = collections.defaultdict(list)
    for node in nodes:
        grouped[_GROUPS[group_by](node)].append(node)
    return [_drawn(name, some) for name, some in sorted(grouped.items(), key=lambda pair: (-len(pair[1]), pair[0]))]


def _drawn(name: str, nodes: t.Sequence[Node]) -> Page:
    width, height = geometry.size(len(nodes))
    places = geometry.cells(len(nodes))
    return {
        "name": name,
        "nodes": len(nodes),
        "compliant": sum(node.state is COMPLIANT for node in nodes),
        "width": width,
        "height": height,
        "squares": [_square(node, cell) for node, cell in zip(nodes, places, strict=True)],
    }


def _square(node: Node, cell: geometry.Cell) -> tuple[str, int, int, str, str]:
    """Give a square's symbol, place, text, and the row it leads to."""
    symbol = f"{node.state.key}-silent" if node.is_silent else node.state.key
    row = f"s-{node.instance_id}" if node.is_silent else f"n-{node.instance_id}" if node.needs_patching else ""
    return symbol, *cell, f"{node.name}: {node.ping}, {_patching(node)}", row


def _patching(node: Node) -> str:
    counted = {
        f"{node.counts['missing']} missing": node.counts["missing"],
        f"{node.counts['failed']} failed": node.counts["failed"],
        f"{node.counts['installed_rejected']} rejected": node.counts["installed_rejected"],
        f"{node.counts['installed_pending_reboot']} waiting for a reboot": node.counts["installed_pending_reboot"],
    }
    return ", ".join(text for text, count in counted.items() if count) or node.state.title


def _plain(node: Node) -> Page:
    return {
        "instance_id": node.instance_id,
        "name": node.name,
        "place": node.place,
        "platform": node.platform,
        "agent": node.agent_version,
        "old": node.is_latest is False,
    }


def _silent(node: Node, as_of: datetime.datetime | None) -> Page:
    last = _moment(node.last_ping) if node.last_ping else None
    return {
        **_plain(node),
        "ping": node.ping,
        "since": last.strftime("%Y-%m-%d %H:%M UTC") if last else "never heard of",
        "ago": _ago(as_of - last) if last and as_of else "",
        "patching": _patching(node),
    }


def _ago(span: datetime.timedelta) -> str:
    seconds = span.total_seconds()
    for unit, name in _UNITS:
        count = int(seconds // unit)
        if count:
            return f"{count} {name}{'s' if count > 1 else ''}"
    return "less than a minute"


def _needing(node: Node) -> Page:
    named = [patch.title for patch in node.patches[:_MOST_NAMED]]
    more = len(node.patches) - len(named)
    return {
        **_plain(node),
        "state": node.state.key,
        "letter": node.state.letter,
        "patch_group": node.patch_group,
        "patching": _patching(node),
        "patches": ", ".join(named) + (f" and {more} more" if more else ""),
        "scanned": _moment(node.scanned).strftime("%Y-%m-%d %H:%M UTC") if node.scanned else "never",
    }
