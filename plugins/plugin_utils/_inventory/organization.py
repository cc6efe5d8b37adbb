# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""List the nodes of a whole organisation, as the resource data sync of Systems Manager's unified console collects them."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.joining import plain
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.place import Place
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.query import BadQuery, Query

# botocore's model of ListNodes.
_NODES_A_PAGE = 50
_VALUES_A_FILTER = 5

Rows = list[dict[str, t.Any]]


def nodes(place: Place, sync_name: str, query: Query, regions: t.Sequence[str]) -> Rows:
    """List them; plain JSON, as ListNodes gives it."""
    wanted = filters(query, regions)
    request = {"Filters": [{"Key": key, "Values": list(values), "Type": "Equal"} for key, values in wanted.items()]}
    pages = place.pages("ssm", "list_nodes", SyncName=sync_name, **request, PageSize=_NODES_A_PAGE)
    rows = (plain(row) for page in pages for row in page["Nodes"])
    return [row for row in rows if not regions or row["Region"] in regions]


def filters(query: Query, regions: t.Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
    """Give the filters by ListNodes' keys; BadQuery when it cannot answer."""
    if query.ping_status or query.unmanaged:
        raise BadQuery(
            "An organisation's list knows neither ping_status nor unmanaged; give regions and roles instead of sync_name."
        )
    said = query.filters()
    wanted = {
        "ManagedStatus": ("Managed",),
        "PlatformType": said.get("PlatformTypes", ()),
        "ResourceType": said.get("ResourceType", ()),
        "Region": tuple(regions) if len(regions) <= _VALUES_A_FILTER else (),
    }
    return {key: values for key, values in wanted.items() if values}


def by_place(rows: t.Iterable[dict[str, t.Any]]) -> dict[tuple[str, str], Rows]:
    """Sort nodes by account and region."""
    found: dict[tuple[str, str], Rows] = {}
    for row in rows:
        found.setdefault((row["Owner"]["AccountId"], row["Region"]), []).append(row)
    return found
