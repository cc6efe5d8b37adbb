# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes and instances that are only records, for inventories of any size; ordered by ``POST /_emulator/records``.

The body is an object; each order adds to what is there, and ``{"clear": true}`` forgets all earlier orders first::

    {
        "roles": [{"arn": "arn:aws:iam::111122223333:role/fleet", "external_id": "id"}],
        "nodes": [
            {
                "count": 6000,
                "kind": "ec2",                       ec2, hybrid, or unmanaged: an EC2 instance that is no managed node
                "name": "web",                       of the first web-1; the tag Name has it
                "account": "111122223333",           the account with machines unless given
                "region": "eu-west-1",               the region with machines unless given
                "tags": {"env": ["prod", "test"]},   a list goes round: the first node has prod, the second test, the third prod
                "members": {"ping_status": "ConnectionLost", "platform_type": "Windows"},      of tests.emulator.state.Node
                "answers": [{"stdout": "up\\n", "stderr": "", "code": 0, "seconds": 1}],    to commands, going round; else to none
                "reports": true                      patch state, compliance, inventory and an association
            }
        ]
    }

A region whose EC2 instances are records has no other instances.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import typing as t

from tests.emulator import query_protocol
from tests.emulator.accounts import Accounts, Role
from tests.emulator.service_models import service_model
from tests.emulator.state import Instance, Node, State

_KINDS = ("ec2", "hybrid", "unmanaged")
_LAUNCHED = datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)
_PING = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)


class BadRecordsError(ValueError):
    """The order cannot be understood; the text is a sentence for whoever gave it."""


@dataclasses.dataclass(frozen=True)
class Order:
    """Some nodes that are alike."""

    count: int = 1
    kind: str = "ec2"
    name: str = "node"
    account: str = ""
    region: str = ""
    tags: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    members: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    answers: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    reports: bool = False

    def __post_init__(self) -> None:
        """Refuse what no node can be."""
        if self.kind not in _KINDS:
            raise BadRecordsError(f"kind is one of {', '.join(_KINDS)}, not {self.kind!r}.")


def add(accounts: Accounts, body: t.Any) -> dict[str, int]:
    """Add records and roles; return how many nodes each account and region has now."""
    try:
        orders = [Order(**order) for order in body.get("nodes", [])]
        roles = [Role(**role) for role in body.get("roles", [])]
    except (AttributeError, TypeError) as error:
        raise BadRecordsError(f"This is no order: {error}.") from None
    if body.get("clear"):
        _clear(accounts)
    accounts.roles.update({role.arn: role for role in roles})
    for order in orders:
        state = accounts.state(order.account or accounts.first.account, order.region or accounts.first.region)
        with state.lock:
            for number in range(1, order.count + 1):
                _add(state, order, number)
    return {f"{state.account}/{state.region}": len(state.nodes) for state in accounts.all()}


def _clear(accounts: Accounts) -> None:
    accounts.roles.clear()
    for state in accounts.all():
        with state.lock:
            for node_id in [node_id for node_id, node in state.nodes.items() if node.record]:
                del state.nodes[node_id]
            for kept in (
                state.instances,
                state.patch_states,
                state.patching,
                state.packages,
                state.package_scripts,
                state.associations,
                state.inventory,
                state.compliance,
            ):
                kept.clear()


def _add(state: State, order: Order, number: int) -> None:
    name = f"{order.name}-{number}"
    digest = hashlib.sha256(f"{state.account}/{state.region}/{order.kind}/{name}".encode()).hexdigest()
    node_id = f"{'mi' if order.kind == 'hybrid' else 'i'}-{digest[:17]}"
    address = f"10.{int(digest[:2], 16)}.{number // 250}.{number % 250 + 1}"
    tags = {"Name": name} | {key: _value(value, number) for key, value in order.tags.items()}
    if order.kind != "hybrid":
        state.instances[node_id] = _instance(state, node_id, address, tags)
    if order.kind != "unmanaged":
        node = state.nodes[node_id] = _node(order, node_id, name, address, tags)
        node.answers = order.answers[(number - 1) % len(order.answers)] if order.answers else {}
    if order.reports:
        _report(state, node_id, number)


def _value(value: t.Any, number: int) -> str:
    return str(value[(number - 1) % len(value)] if isinstance(value, list) else value)


def _node(order: Order, node_id: str, name: str, address: str, tags: dict[str, str]) -> Node:
    hybrid = order.kind == "hybrid"
    members = {
        "instance_id": node_id,
        "resource_type": "ManagedInstance" if hybrid else "EC2Instance",
        "name": name if hybrid else "",
        "activation_id": "00000000-0000-0000-0000-000000000000" if hybrid else "",
        "iam_role": "SSMServiceRole" if hybrid else "",
        "registration_date": _LAUNCHED if hybrid else None,
        "last_ping": _PING,
        "agent_version": "3.3.987.0",
        "platform_name": "Debian GNU/Linux",
        "platform_version": "12",
        "ip_address": address,
        "computer_name": f"{name}.example.com",
        "ping_status": "Online",
        "tags": tags if hybrid else {},
        "record": True,
    }
    return Node(**{**members, **order.members})


def _report(state: State, node_id: str, number: int) -> None:
    missing = number % 3
    state.patch_states[node_id] = {
        "InstanceId": node_id,
        "PatchGroup": "early",
        "BaselineId": "pb-00000000000000000",
        "OperationStartTime": _PING,
        "OperationEndTime": _PING,
        "Operation": "Scan",
        "InstalledCount": 100,
        "MissingCount": missing,
        "FailedCount": 0,
    }
    for kind, bad in (("Patch", missing), ("Association", 0)):
        state.compliance.append(
            {
                "ComplianceType": kind,
                "ResourceType": "ManagedInstance",
                "ResourceId": node_id,
                "Status": "NON_COMPLIANT" if bad else "COMPLIANT",
                "OverallSeverity": "HIGH" if bad else "UNSPECIFIED",
                "CompliantSummary": {"CompliantCount": 100},
                "NonCompliantSummary": {"NonCompliantCount": bad},
            }
        )
    state.inventory[node_id] = {
        "AWS:Application": [{"Name": "openssl", "Version": "3.0.15"}, {"Name": "nginx", "Version": f"1.{number % 5}.0"}],
        "AWS:Network": [{"Name": "eth0", "MacAddress": "02:00:00:00:00:01"}],
    }
    state.associations[node_id] = [
        {
            "AssociationId": "00000000-0000-0000-0000-000000000001",
            "AssociationName": "inventory",
            "Name": "AWS-GatherSoftwareInventory",
            "AssociationVersion": "1",
            "InstanceId": node_id,
            "ExecutionDate": _PING,
            "Status": "Failed" if missing == 2 else "Success",
        }
    ]


def _instance(state: State, instance_id: str, address: str, tags: dict[str, str]) -> Instance:
    """Make an instance with about as many members as AWS tells of one, and write its XML once."""
    shape: t.Any = service_model("ec2").operation_model("DescribeInstances").output_shape
    placement = {"AvailabilityZone": f"{state.region}a", "GroupName": "", "Tenancy": "default"}
    groups = [{"GroupId": "sg-00000000000000001", "GroupName": "web"}, {"GroupId": "sg-00000000000000002", "GroupName": "base"}]
    host = f"ip-{address.replace('.', '-')}.{state.region}.compute.internal"
    described = {
        "InstanceId": instance_id,
        "ImageId": "ami-00000000000000001",
        "State": {"Code": 16, "Name": "running"},
        "PrivateDnsName": host,
        "KeyName": "fleet",
        "AmiLaunchIndex": 0,
        "InstanceType": "t3.micro",
        "LaunchTime": _LAUNCHED,
        "Placement": placement,
        "Monitoring": {"State": "disabled"},
        "SubnetId": "subnet-00000000000000001",
        "VpcId": "vpc-00000000000000001",
        "PrivateIpAddress": address,
        "SourceDestCheck": True,
        "SecurityGroups": groups,
        "Architecture": "x86_64",
        "RootDeviceType": "ebs",
        "RootDeviceName": "/dev/xvda",
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/xvda",
                "Ebs": {
                    "VolumeId": instance_id.replace("i-", "vol-"),
                    "Status": "attached",
                    "AttachTime": _LAUNCHED,
                    "DeleteOnTermination": True,
                },
            }
        ],
        "VirtualizationType": "hvm",
        "ClientToken": instance_id,
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        "Hypervisor": "xen",
        "NetworkInterfaces": [
            {
                "NetworkInterfaceId": instance_id.replace("i-", "eni-"),
                "SubnetId": "subnet-00000000000000001",
                "VpcId": "vpc-00000000000000001",
                "OwnerId": state.account,
                "Status": "in-use",
                "MacAddress": "02:00:00:00:00:01",
                "PrivateIpAddress": address,
                "PrivateDnsName": host,
                "SourceDestCheck": True,
                "Groups": groups,
                "Attachment": {"AttachmentId": instance_id.replace("i-", "eni-attach-"), "DeviceIndex": 0, "Status": "attached"},
                "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": address, "PrivateDnsName": host}],
            }
        ],
        "EbsOptimized": False,
        "IamInstanceProfile": {"Arn": f"arn:aws:iam::{state.account}:instance-profile/ssm", "Id": "AIPAEMULATOR"},
        "CpuOptions": {"CoreCount": 1, "ThreadsPerCore": 2},
        "HibernationOptions": {"Configured": False},
        "MetadataOptions": {"State": "applied", "HttpTokens": "required", "HttpPutResponseHopLimit": 2, "HttpEndpoint": "enabled"},
        "EnclaveOptions": {"Enabled": False},
    }
    reservation = {"ReservationId": instance_id.replace("i-", "r-"), "OwnerId": state.account, "Instances": [described]}
    item = query_protocol.element(shape.members["Reservations"].member, reservation, "item")
    return Instance(
        instance_id=instance_id,
        state="running",
        tags=tags,
        instance_type="t3.micro",
        availability_zone=placement["AvailabilityZone"],
        reservation=query_protocol.Written(item.removeprefix("<item>").removesuffix("</item>")),
    )
