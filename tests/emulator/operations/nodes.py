# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed nodes: the two ways to list them, and whether one is connected."""

from __future__ import annotations

import datetime
import re
import typing as t

import moto.backends

from tests.emulator.answers import ApiError
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.paging import page
from tests.emulator.service_models import service_model
from tests.emulator.state import Node, now

_LOST_AFTER = datetime.timedelta(minutes=30)
_PAGE_LIMITS = {"DescribeInstanceInformation": (5, 50, 10), "DescribeInstanceProperties": (5, 1000, 50)}
"""Least, most, default MaxResults. Source: AWS's API reference; botocore's model says 5-50 and 5-1000."""


def ping_status(caller: Caller, node: Node) -> str:
    """Say what the console calls a node's state."""
    if node.ping_status:
        return node.ping_status
    silent = node.last_ping is None or now() - node.last_ping > _LOST_AFTER
    return "ConnectionLost" if silent or not caller.service.is_connected(node.instance_id) else "Online"


_FILTERS: dict[str, t.Callable[[Caller, Node], str]] = {
    "InstanceIds": lambda _caller, node: node.instance_id,
    "AgentVersion": lambda _caller, node: node.agent_version,
    "PingStatus": ping_status,
    "PlatformTypes": lambda _caller, node: node.platform_type,
    "ActivationIds": lambda _caller, node: node.activation_id,
    "IamRole": lambda _caller, node: node.iam_role,
    "ResourceType": lambda _caller, node: node.resource_type,
    "AssociationStatus": lambda _caller, _node: "",
    "SourceIds": lambda _caller, node: node.source_id or node.instance_id,
    "SourceTypes": lambda _caller, node: _source_type(node),
}
_ENUMERATED = {"PingStatus": "PingStatus", "PlatformTypes": "PlatformType", "ResourceType": "ResourceType"}
"""Filters whose values the model enumerates, with the shapes that do."""


@operation("DescribeInstanceInformation")
def describe_instance_information(caller: Caller, params: Params) -> Answer:
    """List nodes, at most 50 a page."""
    if params.get("InstanceInformationFilterList") and params.get("Filters"):
        raise ApiError("ValidationException", "Specify either InstanceInformationFilterList or Filters, not both.")
    given = [*_old_filters(params), *_new_filters(params, "Filters")]
    nodes = _filtered(caller, given, "InvalidInstanceInformationFilterValue")
    rows, token = _paged("DescribeInstanceInformation", nodes, params)
    latest = max((_version(node) for node in caller.state.nodes.values()), default=())
    return {
        "InstanceInformationList": [{**information(caller, node), "IsLatestVersion": _version(node) == latest} for node in rows],
        "NextToken": token,
    }


def _version(node: Node) -> tuple[int, ...]:
    """Give a version to compare; the latest that AWS has released is the newest that a node has."""
    return tuple(int(number) for number in re.findall(r"\d+", node.agent_version))


@operation("DescribeInstanceProperties")
def describe_instance_properties(caller: Caller, params: Params) -> Answer:
    """List nodes with what EC2 knows of them, up to a thousand a page."""
    given = [(item["key"], item["valueSet"], "Equal") for item in params.get("InstancePropertyFilterList", [])]
    given += _new_filters(params, "FiltersWithOperator")
    nodes = _filtered(caller, given, "InvalidInstancePropertyFilterValue")
    rows, token = _paged("DescribeInstanceProperties", nodes, params)
    return {"InstanceProperties": [_properties(caller, node) for node in rows], "NextToken": token}


@operation("GetConnectionStatus")
def get_connection_status(caller: Caller, params: Params) -> Answer:
    """Say whether a session could be started."""
    connected = caller.service.is_connected(params["Target"])
    return {"Target": params["Target"], "Status": "connected" if connected else "notconnected"}


def _old_filters(params: Params) -> list[tuple[str, list[str], str]]:
    return [(item["key"], item["valueSet"], "Equal") for item in params.get("InstanceInformationFilterList", [])]


def _new_filters(params: Params, member: str) -> list[tuple[str, list[str], str]]:
    return [(item["Key"], item["Values"], item.get("Operator", "Equal")) for item in params.get(member, [])]


def _filtered(caller: Caller, filters: list[tuple[str, list[str], str]], bad_value: str) -> list[Node]:
    tags = [key for key, _values, _operator in filters if key.startswith("tag")]
    if tags and len(tags) < len(filters):
        raise ApiError(bad_value, "Tag filters cannot be combined with other filters.")
    for key, values, _operator in filters:
        _check_filter(key, values, bad_value)
    nodes = sorted(caller.state.nodes.values(), key=lambda node: node.instance_id)
    for key, values, operator in filters:
        if key == "ResourceType" and len(values) > 1:  # the words of boto3's issue 3027
            raise ApiError(bad_value, "ResourceType filter may contain only one value.")
        if key == "InstanceIds" and operator == "Equal":
            unknown = [value for value in values if value not in caller.state.nodes]
            if unknown:
                raise ApiError("InvalidInstanceId", f"The following instance IDs are not valid: {', '.join(unknown)}")
        nodes = [node for node in nodes if _meets(caller, node, key, values, operator)]
    return nodes


def _check_filter(key: str, values: list[str], bad_value: str) -> None:
    if key not in _FILTERS and key != "tag-key" and not key.startswith("tag:"):
        raise ApiError("InvalidFilterKey", f"{key} is not a valid filter key.")
    if key in _ENUMERATED:
        known = service_model("ssm").shape_for(_ENUMERATED[key]).metadata["enum"]
        wrong = [value for value in values if value not in known]
        if wrong:
            raise ApiError(bad_value, f"{', '.join(wrong)}: not a value of {key}; these are: {', '.join(known)}.")


def _meets(caller: Caller, node: Node, key: str, values: list[str], operator: str) -> bool:
    if key == "tag-key":
        return any(value in tags_of(caller, node) for value in values)
    if key.startswith("tag:"):
        return tags_of(caller, node).get(key[4:]) in values
    value = _FILTERS[key](caller, node)
    if operator == "BeginWith":
        return any(value.startswith(start) for start in values)
    return (value in values) != (operator == "NotEqual")


def _paged(name: str, nodes: list[Node], params: Params) -> tuple[list[Node], str | None]:
    least, most, default = _PAGE_LIMITS[name]
    size = params.get("MaxResults", default)
    if not least <= size <= most:
        raise ApiError("ValidationException", f"MaxResults must be between {least} and {most}, not {size}.")
    return page(nodes, name, size, params.get("NextToken"))


def ec2_instance(caller: Caller, node: Node) -> t.Any:
    """Return moto's instance behind an EC2 node, None when there is none."""
    backend: t.Any = moto.backends.get_backend("ec2")[caller.state.account][caller.state.region]
    return next((found for found in backend.all_instances() if found.id == node.instance_id), None)


def tags_of(caller: Caller, node: Node) -> dict[str, str]:
    """Return a node's tags, wherever they live."""
    if node.resource_type == "ManagedInstance":
        return node.tags
    if node.instance_id in caller.state.instances:
        return caller.state.instances[node.instance_id].tags
    instance = ec2_instance(caller, node)
    return {tag["key"]: tag["value"] for tag in instance.get_tags()} if instance is not None else {}


def _source_type(node: Node) -> str:
    return node.source_type or "AWS::SSM::ManagedInstance" if node.resource_type == "ManagedInstance" else "AWS::EC2::Instance"


def information(caller: Caller, node: Node) -> Answer:
    """Return what all operations that list nodes know of one."""
    hybrid = node.resource_type == "ManagedInstance"
    associations = [row["Status"] for row in caller.state.associations.get(node.instance_id, [])]
    return {
        "InstanceId": node.instance_id,
        "PingStatus": ping_status(caller, node),
        "LastPingDateTime": node.last_ping,
        "AgentVersion": node.agent_version or None,
        "PlatformType": node.platform_type or None,
        "PlatformName": node.platform_name or None,
        "PlatformVersion": node.platform_version or None,
        "ActivationId": node.activation_id or None,
        "IamRole": node.iam_role or None,
        "RegistrationDate": node.registration_date if hybrid else None,
        "ResourceType": node.resource_type,
        "Name": node.name or None if hybrid else None,
        "IPAddress": node.ip_address or None,
        "ComputerName": node.computer_name or None,
        "SourceId": node.source_id or node.instance_id,
        "SourceType": _source_type(node),
        "AssociationStatus": ("Failed" if "Failed" in associations else "Success") if associations else None,
    }


def _properties(caller: Caller, node: Node) -> Answer:
    row = information(caller, node)
    if node.resource_type == "ManagedInstance":
        return row
    if node.instance_id in caller.state.instances:
        record = caller.state.instances[node.instance_id]
        facts = {"InstanceType": record.instance_type, "InstanceState": record.state, "AvailabilityZone": record.availability_zone}
        return {**row, "Name": record.tags.get("Name"), **facts}
    instance = ec2_instance(caller, node)
    if instance is None:
        return row
    return {
        **row,
        "Name": tags_of(caller, node).get("Name"),
        "InstanceType": instance.instance_type,
        "InstanceState": instance.state,
        "KeyName": instance.key_name,
        "Architecture": instance.architecture,
    }
