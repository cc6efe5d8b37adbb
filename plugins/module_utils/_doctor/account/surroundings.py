# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Gather what EC2 knows of the network around an instance, in about six calls. I/O."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.asking import Account, Answer
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.network_checks import SERVICES, Network

_CONSIDERED = (*SERVICES, "ec2messages")


def gather(account: Account, instance: Answer) -> Network:
    """Ask for endpoints, routes, security groups, network ACL, DNS attributes and DHCP options."""
    vpc, subnet = str(instance["VpcId"]), str(instance["SubnetId"])
    endpoints = _endpoints(account, vpc)
    tables = account.ask("ec2", "DescribeRouteTables", Filters=[_filter("vpc-id", vpc)]).get("RouteTables", [])
    routes = _routes(tables, subnet)
    gateways = _nat_gateways(account, routes)
    groups = {one["GroupId"] for one in instance.get("SecurityGroups", [])}
    groups |= {one["GroupId"] for endpoint in endpoints.values() for one in endpoint.get("Groups", [])}
    return Network(
        instance=instance,
        endpoints=endpoints,
        routes=routes,
        nat_gateways=gateways,
        nat_routes={name: _routes(tables, str(one.get("SubnetId", ""))) for name, one in gateways.items()},
        groups=_groups(account, sorted(groups)),
        entries=_entries(account, subnet),
        has_dns=_attribute(account, vpc, "enableDnsSupport", "EnableDnsSupport"),
        has_host_names=_attribute(account, vpc, "enableDnsHostnames", "EnableDnsHostnames"),
        name_servers=_name_servers(account, vpc),
    )


def _filter(name: str, *values: str) -> dict[str, t.Any]:
    return {"Name": name, "Values": list(values)}


def _endpoints(account: Account, vpc: str) -> dict[str, Answer]:
    found = account.ask("ec2", "DescribeVpcEndpoints", Filters=[_filter("vpc-id", vpc)]).get("VpcEndpoints", [])
    by_service: dict[str, Answer] = {}
    for one in found:
        # com.amazonaws.eu-west-1.ssm; in China cn.com.amazonaws.cn-north-1.ssm
        service = str(one.get("ServiceName", "")).rpartition(".")[2]
        if service in _CONSIDERED and one.get("VpcEndpointType", "Interface") == "Interface":
            by_service.setdefault(service, one)
    return by_service


def _routes(tables: t.Sequence[Answer], subnet: str) -> list[Answer]:
    """Give the routes of a subnet: those of the table it is associated with, or of the VPC's main one."""
    main: list[Answer] = []
    for table in tables:
        for association in table.get("Associations", []):
            if association.get("SubnetId") == subnet:
                return list(table.get("Routes", []))
            if association.get("Main"):
                main = list(table.get("Routes", []))
    return main


def _nat_gateways(account: Account, routes: t.Sequence[Answer]) -> dict[str, Answer]:
    names = [route["NatGatewayId"] for route in routes if route.get("NatGatewayId")]
    if not names:
        return {}
    found = account.ask("ec2", "DescribeNatGateways", Filter=[_filter("nat-gateway-id", *names)]).get("NatGateways", [])
    return {one["NatGatewayId"]: one for one in found}


def _groups(account: Account, names: t.Sequence[str]) -> dict[str, Answer]:
    if not names:
        return {}
    found = account.ask("ec2", "DescribeSecurityGroups", Filters=[_filter("group-id", *names)]).get("SecurityGroups", [])
    return {one["GroupId"]: one for one in found}


def _entries(account: Account, subnet: str) -> list[Answer]:
    found = account.ask("ec2", "DescribeNetworkAcls", Filters=[_filter("association.subnet-id", subnet)]).get("NetworkAcls", [])
    return [entry for one in found for entry in one.get("Entries", [])]


def _attribute(account: Account, vpc: str, name: str, member: str) -> bool:
    return bool(account.ask("ec2", "DescribeVpcAttribute", VpcId=vpc, Attribute=name).get(member, {}).get("Value", True))


def _name_servers(account: Account, vpc: str) -> list[str]:
    found = account.ask("ec2", "DescribeVpcs", VpcIds=[vpc]).get("Vpcs", [])
    options = next((str(one.get("DhcpOptionsId", "")) for one in found), "")
    if options in ("", "default"):
        return []
    described = account.ask("ec2", "DescribeDhcpOptions", DhcpOptionsIds=[options]).get("DhcpOptions", [])
    configurations = [entry for one in described for entry in one.get("DhcpConfigurations", [])]
    return [value["Value"] for one in configurations if one.get("Key") == "domain-name-servers" for value in one.get("Values", [])]
