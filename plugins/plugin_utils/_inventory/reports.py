# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read what Systems Manager reports of nodes: patch state, compliance, inventory and associations."""

from __future__ import annotations

import concurrent.futures
import functools
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.crew import Crew
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.joining import Reports
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.place import Answer, Place
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.query import Query

#: the choice of the option compliance that asks for the nodes that are not compliant only
NON_COMPLIANT = "non_compliant"

# The most AWS takes and gives at once (botocore's model).
_PATCH_STATES_A_CALL = 50
_ROWS_A_PAGE = 50
_IDS_A_FILTER = 40

_Rows = t.Iterable[tuple[str, t.Any]]


def read(place: Place, query: Query, crew: Crew, nodes: t.Sequence[Answer]) -> Reports:
    """Read what the query asks for, as AWS gives it: by report and node id."""
    node_ids = [node["InstanceId"] for node in nodes]
    asked: list[tuple[str, concurrent.futures.Future[list[tuple[str, t.Any]]]]] = [
        (report, crew.submit(functools.partial(_all, rows)))
        for report, rows in (
            *_patch_states(place, query, node_ids),
            *_compliance(place, query),
            *_inventory(place, query, node_ids),
            *_associations(place, query, nodes),
        )
    ]
    found: Reports = {report: {} for report in query.reports}
    wanted = frozenset(node_ids)
    for report, future in asked:
        for node_id, row in future.result():
            if node_id in wanted:
                found[report].setdefault(node_id, []).append(row)
    return found


def _all(rows: t.Callable[[], _Rows]) -> list[tuple[str, t.Any]]:
    return list(rows())


_Tasks = t.Iterator[tuple[str, t.Callable[[], _Rows]]]


def _patch_states(place: Place, query: Query, node_ids: t.Sequence[str]) -> _Tasks:
    def rows(batch: t.Sequence[str]) -> _Rows:
        pages = place.pages("ssm", "describe_instance_patch_states", InstanceIds=list(batch), PageSize=2 * _PATCH_STATES_A_CALL)
        return ((row["InstanceId"], row) for page in pages for row in page["InstancePatchStates"])

    if query.patch_state:
        for start in range(0, len(node_ids), _PATCH_STATES_A_CALL):
            batch = node_ids[start : start + _PATCH_STATES_A_CALL]
            yield "patch", functools.partial(rows, batch)


def _compliance(place: Place, query: Query) -> _Tasks:
    def rows() -> _Rows:
        only = {"Key": "Status", "Values": ["NON_COMPLIANT"], "Type": "EQUAL"}
        request = {"Filters": [only]} if query.compliance == NON_COMPLIANT else {}
        pages = place.pages("ssm", "list_resource_compliance_summaries", **request, PageSize=_ROWS_A_PAGE)
        return ((row["ResourceId"], row) for page in pages for row in page["ResourceComplianceSummaryItems"])

    if query.compliance:
        yield "compliance", rows


def _inventory(place: Place, query: Query, node_ids: t.Sequence[str]) -> _Tasks:
    """Ask for one type at a time, which is all that GetInventory takes; a few nodes by their ids."""
    few = {"Filters": [{"Key": "AWS:InstanceInformation.InstanceId", "Values": list(node_ids), "Type": "Equal"}]}
    request = few if len(node_ids) <= _IDS_A_FILTER else {}

    def rows(kind: str) -> _Rows:
        attributes = [{"TypeName": kind}]
        pages = place.pages("ssm", "get_inventory", **request, ResultAttributes=attributes, PageSize=_ROWS_A_PAGE)
        entities = (entity for page in pages for entity in page["Entities"] if kind in entity.get("Data", {}))
        return ((entity["Id"], entity["Data"][kind]) for entity in entities)

    for kind in query.inventory_types if node_ids else ():
        yield "inventory", functools.partial(rows, kind)


def _associations(place: Place, query: Query, nodes: t.Sequence[Answer]) -> _Tasks:
    """Ask node by node, there is no other way; but not of those that are known to have none."""

    def rows(node_id: str) -> _Rows:
        pages = place.pages("ssm", "describe_instance_associations_status", InstanceId=node_id, PageSize=_ROWS_A_PAGE)
        return ((node_id, row) for page in pages for row in page["InstanceAssociationStatusInfos"])

    for node in nodes if query.associations else ():
        if node.get("AssociationStatus") or not _tells_of_associations(node):
            yield "associations", functools.partial(rows, node["InstanceId"])


def _tells_of_associations(node: Answer) -> bool:
    """Whether the operation that listed the node would have said that it has associations; ListNodes would not."""
    return "PingStatus" in node
