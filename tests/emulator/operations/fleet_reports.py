# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Systems Manager knows of nodes besides: compliance, inventory, associations, and whose organisation they are in."""

from __future__ import annotations

import typing as t

from tests.emulator.answers import ApiError
from tests.emulator.operations import associations
from tests.emulator.operations.nodes import information
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.paging import page
from tests.emulator.state import Node, State, now

_ORGANIZATION = "AWS-QuickSetup-ManagedNode"
"""The sync that the unified console's set-up makes."""


@operation("ListResourceComplianceSummaries")
def list_resource_compliance_summaries(caller: Caller, params: Params) -> Answer:
    """List a row for each node and compliance type."""
    found = caller.state.compliance
    for given in params.get("Filters", []):
        if given["Key"] not in ("Status", "ComplianceType", "OverallSeverity"):
            raise ApiError("InvalidFilter", f"{given['Key']} is not a valid filter.")
        wanted = [row for row in found if row[given["Key"]] in given["Values"]]
        found = [row for row in found if row not in wanted] if given.get("Type") == "NOT_EQUAL" else wanted
    rows, token = page(found, "ListResourceComplianceSummaries", params.get("MaxResults", 50), params.get("NextToken"))
    return {"ResourceComplianceSummaryItems": rows, "NextToken": token}


@operation("GetInventory")
def get_inventory(caller: Caller, params: Params) -> Answer:
    """List nodes with their inventory of one type, at most 50 a page."""
    kind = params.get("ResultAttributes", [{"TypeName": "AWS:InstanceInformation"}])[0]["TypeName"]
    found = sorted(caller.state.inventory.items())
    for given in params.get("Filters", []):
        if given["Key"] != "AWS:InstanceInformation.InstanceId":
            raise ApiError("InvalidFilter", f"{given['Key']} is not a filter that the emulator knows.")
        found = [(node_id, items) for node_id, items in found if node_id in given["Values"]]
    rows, token = page(found, "GetInventory", params.get("MaxResults", 50), params.get("NextToken"))
    entities = [{"Id": node_id, "Data": {kind: _item(kind, items[kind])} if kind in items else {}} for node_id, items in rows]
    return {"Entities": entities, "NextToken": token}


def _item(kind: str, content: list[dict[str, str]]) -> Answer:
    return {"TypeName": kind, "SchemaVersion": "1.0", "CaptureTime": "2030-01-01T00:00:00Z", "Content": content}


@operation("DescribeInstanceAssociationsStatus")
def describe_instance_associations_status(caller: Caller, params: Params) -> Answer:
    """List the associations of one node."""
    node = caller.state.nodes.get(params["InstanceId"])
    if node is None:
        raise ApiError("InvalidInstanceId", f"{params['InstanceId']} is not valid.")
    found = [*caller.state.associations.get(node.instance_id, []), *associations.of_node(caller, node)]
    rows, token = page(found, "DescribeInstanceAssociationsStatus", params.get("MaxResults", 50), params.get("NextToken"))
    return {"InstanceAssociationStatusInfos": rows, "NextToken": token}


@operation("ListNodes")
def list_nodes(caller: Caller, params: Params) -> Answer:
    """List the nodes of this account and region, or by a sync those of all accounts and regions."""
    sync = params.get("SyncName")
    if sync not in (None, _ORGANIZATION):
        raise ApiError("ResourceDataSyncNotFoundException", f"{sync} was not found.")
    found = [
        (state, node)
        for state in (caller.accounts.all() if sync else [caller.state])
        for node in state.nodes.values()
        if all(_meets(state, node, given) for given in params.get("Filters", []))
    ]
    found.sort(key=lambda pair: pair[1].instance_id)
    rows, token = page(found, "ListNodes", params.get("MaxResults", 50), params.get("NextToken"))
    return {"Nodes": [_node(caller, state, node) for state, node in rows], "NextToken": token}


_NODE_FILTERS: dict[str, t.Callable[[State, Node], str]] = {
    "AccountId": lambda state, _node: state.account,
    "Region": lambda state, _node: state.region,
    "InstanceId": lambda _state, node: node.instance_id,
    "PlatformType": lambda _state, node: node.platform_type,
    "ResourceType": lambda _state, node: node.resource_type,
    "ManagedStatus": lambda _state, _node: "Managed",
}


def _meets(state: State, node: Node, given: dict[str, t.Any]) -> bool:
    if given["Key"] not in _NODE_FILTERS:
        raise ApiError("InvalidFilter", f"{given['Key']} is not a filter that the emulator knows.")
    return (_NODE_FILTERS[given["Key"]](state, node) in given["Values"]) != (given.get("Type") == "NotEqual")


def _node(caller: Caller, state: State, node: Node) -> Answer:
    known = information(caller, node)
    names = ("AgentVersion", "ComputerName", "PlatformType", "PlatformName", "PlatformVersion", "ResourceType", "SourceType")
    return {
        "CaptureTime": now(),
        "Id": node.instance_id,
        "Owner": {
            "AccountId": state.account,
            "OrganizationalUnitId": "ou-test-00000000",
            "OrganizationalUnitPath": "o-test/r-test",
        },
        "Region": state.region,
        "NodeType": {
            "Instance": {
                **{name: known[name] for name in (*names, "SourceId")},
                "AgentType": "Amazon SSM Agent",
                "IpAddress": known["IPAddress"],
                "ManagedStatus": "Managed",
            }
        },
    }
