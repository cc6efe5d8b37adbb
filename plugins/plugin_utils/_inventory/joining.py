# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Join what the services know of a node into one record of plain JSON."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

Record = dict[str, t.Any]
Answer = t.Mapping[str, t.Any]
Tags = t.Mapping[str, t.Mapping[str, str]]
#: what AWS answered, by report and node id
Reports = dict[str, dict[str, list[t.Any]]]

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
    "AssociationOverview": "association_overview",
    # ListNodes only:
    "OrganizationalUnitId": "organizational_unit_id",
    "OrganizationalUnitPath": "organizational_unit_path",
    "InstanceStatus": "instance_status",
    "AvailabilityZoneId": "availability_zone_id",
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


_INSIDE_A_NAME = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclasses.dataclass
class Known:
    """What is known of the nodes of one account in one region besides the nodes; by node id."""

    region: str
    account: str = ""
    tags: Tags = dataclasses.field(default_factory=dict)
    instances: t.Mapping[str, Answer] = dataclasses.field(default_factory=dict)
    unmanaged: t.Sequence[Answer] = ()
    reports: Reports = dataclasses.field(default_factory=dict)


def join(nodes: t.Iterable[Answer], known: Known) -> list[Record]:
    """Give one record a node, ordered by node id; of tags, EC2 facts and reports those that were asked for."""
    records = [_record(node, known, managed=True) for node in nodes]
    records += [_record(_as_node(instance), known, managed=False) for instance in known.unmanaged]
    return sorted(records, key=lambda record: str(record["instance_id"]))


def tags_of(entries: t.Iterable[Answer]) -> dict[str, str]:
    """Turn AWS's list of tags into a dictionary."""
    return {entry["Key"]: entry["Value"] for entry in entries}


def is_hybrid(node_id: str) -> bool:
    """Say whether a node id is that of a machine registered by an activation."""
    return node_id.startswith("mi-")


def node_of_organization(row: Answer) -> Answer:
    """Bring what ListNodes answers into the form of the other operations."""
    instance = row.get("NodeType", {}).get("Instance", {})
    owner = {name: value for name, value in row.get("Owner", {}).items() if name != "AccountId"}
    return {**instance, **owner, "InstanceId": row["Id"], "IPAddress": instance.get("IpAddress")}


def plain(value: t.Any) -> t.Any:
    """Turn times into text, so that a value is JSON."""
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat(timespec="seconds")
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def _as_node(instance: Answer) -> Answer:
    """Bring an EC2 instance into the form of a node; what it runs is not known."""
    facts = {member: instance.get(member) for member in ("InstanceId", "InstanceType", "KeyName", "Architecture", "LaunchTime")}
    return {
        **facts,
        "ResourceType": "EC2Instance",
        "InstanceState": instance["State"]["Name"],
        "IPAddress": instance.get("PrivateIpAddress"),
        "AvailabilityZone": instance.get("Placement", {}).get("AvailabilityZone"),
    }


def _record(node: Answer, known: Known, managed: bool) -> Record:
    node_id = node["InstanceId"]
    record = {name: plain(node[member]) for member, name in _NODE_MEMBERS.items() if node.get(member) not in (None, "")}
    kind = HYBRID if is_hybrid(node_id) else EC2
    record |= {"region": known.region, "kind": kind, "managed": managed, "tags": dict(known.tags.get(node_id, {}))}
    if known.account:
        record["account_id"] = known.account
    if node_id in known.instances:
        record["ec2"] = _facts(known.instances[node_id])
    if managed:
        record |= {report: _REPORTS[report](rows.get(node_id, [])) for report, rows in known.reports.items()}
    return record


def _facts(instance: Answer) -> Record:
    found = ((name, _follow(instance, path)) for name, path in _EC2_PATHS.items())
    return {name: plain(value) for name, value in found if value not in (None, "")}


def _follow(value: t.Any, path: t.Iterable[str]) -> t.Any:
    for member in path:
        value = value.get(member) if value else None
    return value


def _snake(row: t.Any) -> t.Any:
    """Name members as Ansible does: InstalledCount is installed_count."""
    if not isinstance(row, dict):
        return plain(row)
    return {_INSIDE_A_NAME.sub("_", name).lower(): _snake(value) for name, value in row.items() if name not in _SAID_ALREADY}


# Members that say which node a row is of, or nothing.
_SAID_ALREADY = frozenset({"InstanceId", "ResourceId", "ResourceType", "OwnerInformation"})

# What each report is as a variable; a node that nothing was reported of has it empty.
_REPORTS: dict[str, t.Callable[[list[t.Any]], t.Any]] = {
    "patch": lambda rows: _snake(rows[0]) if rows else {},
    "compliance": lambda rows: {row["ComplianceType"]: _snake(row) for row in rows},
    "inventory": lambda rows: {row["TypeName"]: plain(row.get("Content", [])) for row in rows},
    "associations": lambda rows: [_snake(row) for row in rows],
}
