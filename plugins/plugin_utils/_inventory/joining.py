# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Join what the services know of a node into one record of plain JSON."""

from __future__ import annotations

import datetime
import typing as t

Record = dict[str, t.Any]
Answer = t.Mapping[str, t.Any]
Tags = t.Mapping[str, t.Mapping[str, str]]

EC2 = "ec2"
HYBRID = "hybrid"

# What Systems Manager tells of a node, and what it is called in a record. DescribeInstanceInformation lacks some of it.
_NODE_MEMBERS = {
    "InstanceId": "instance_id",
    "Name": "name",
    "ComputerName": "computer_name",
    "IPAddress": "ip_address",
    "PingStatus": "ping_status",
    "LastPingDateTime": "last_ping",
    "AgentVersion": "agent_version",
    "IsLatestVersion": "agent_is_latest",
    "PlatformType": "platform_type",
    "PlatformName": "platform_name",
    "PlatformVersion": "platform_version",
    "ResourceType": "resource_type",
    "SourceType": "source_type",
    "SourceId": "source_id",
    "SourceLocation": "source_location",
    "IamRole": "iam_role",
    "ActivationId": "activation_id",
    "RegistrationDate": "registration_date",
    "AssociationStatus": "association_status",
    "LastAssociationExecutionDate": "last_association_execution",
    "LastSuccessfulAssociationExecutionDate": "last_successful_association_execution",
    "InstanceType": "instance_type",
    "InstanceState": "instance_state",
    "InstanceRole": "instance_role",
    "KeyName": "key_name",
    "Architecture": "architecture",
    "LaunchTime": "launch_time",
    "AvailabilityZone": "availability_zone",
}

# What EC2 tells besides, as a path of members.
_EC2_PATHS = {
    "private_ip_address": ("PrivateIpAddress",),
    "private_dns_name": ("PrivateDnsName",),
    "public_ip_address": ("PublicIpAddress",),
    "public_dns_name": ("PublicDnsName",),
    "image_id": ("ImageId",),
    "instance_type": ("InstanceType",),
    "instance_state": ("State", "Name"),
    "instance_lifecycle": ("InstanceLifecycle",),
    "instance_profile_arn": ("IamInstanceProfile", "Arn"),
    "key_name": ("KeyName",),
    "architecture": ("Architecture",),
    "launch_time": ("LaunchTime",),
    "availability_zone": ("Placement", "AvailabilityZone"),
    "tenancy": ("Placement", "Tenancy"),
    "vpc_id": ("VpcId",),
    "subnet_id": ("SubnetId",),
    "security_groups": ("SecurityGroups",),
}


def join(nodes: t.Iterable[Answer], tags: Tags, instances: t.Mapping[str, Answer], region: str) -> list[Record]:
    """Give one record a node, ordered by node id; the tags and EC2 facts are those that were asked for."""
    records = (_record(node, tags, instances, region) for node in nodes)
    return sorted(records, key=lambda record: str(record["instance_id"]))


def tags_of(entries: t.Iterable[Answer]) -> dict[str, str]:
    """Turn AWS's list of tags into a dictionary."""
    return {entry["Key"]: entry["Value"] for entry in entries}


def is_hybrid(node_id: str) -> bool:
    """Say whether a node id is that of a machine registered by an activation."""
    return node_id.startswith("mi-")


def _record(node: Answer, tags: Tags, instances: t.Mapping[str, Answer], region: str) -> Record:
    node_id = node["InstanceId"]
    record = {name: _plain(node[member]) for member, name in _NODE_MEMBERS.items() if node.get(member) not in (None, "")}
    record |= {"region": region, "kind": HYBRID if is_hybrid(node_id) else EC2, "tags": dict(tags.get(node_id, {}))}
    if node_id in instances:
        record["ec2"] = _facts(instances[node_id])
    return record


def _facts(instance: Answer) -> Record:
    found = ((name, _follow(instance, path)) for name, path in _EC2_PATHS.items())
    return {name: _plain(value) for name, value in found if value not in (None, "")}


def _follow(value: t.Any, path: t.Iterable[str]) -> t.Any:
    for member in path:
        value = value.get(member) if value else None
    return value


def _plain(value: t.Any) -> t.Any:
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat(timespec="seconds")
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
