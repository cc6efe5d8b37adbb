# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Judge the way of an EC2 instance to AWS, as the VPC is set up: C12 to C16. Pure."""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.policies import DENIED, decide
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.right_checks import NEEDED
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.checks import Check, fail, ok, skip, warn

Row = dict[str, t.Any]

SERVICES = ("ssm", "ssmmessages")
_HTTPS = 443
_EVERYWHERE = "0.0.0.0/0"
# Linux's ephemeral ports, to which answers come back.
_ANSWERS = (32768, 60999)


@dataclasses.dataclass(frozen=True)
class Network:
    """What EC2 says of the instance's surroundings.

    endpoints are interface endpoints by service, ssm for instance; nats maps a NAT gateway to the routes of its own subnet.
    """

    instance: Row
    endpoints: dict[str, Row]
    routes: list[Row]
    nat_gateways: dict[str, Row]
    nat_routes: dict[str, list[Row]]
    groups: dict[str, Row]
    entries: list[Row]
    """Of the network ACL of the instance's subnet."""
    has_dns: bool
    has_host_names: bool
    name_servers: list[str]

    @property
    def has_all_endpoints(self) -> bool:
        """Say whether all services can be reached inside of the VPC."""
        return all(service in self.endpoints for service in SERVICES)


def way_out(network: Network) -> str:
    """Say why there is no way to the internet; empty when there is one."""
    route = next((one for one in network.routes if one.get("DestinationCidrBlock") == _EVERYWHERE), None)
    if route is None:
        return "the subnet has no default route"
    if route.get("State") == "blackhole":
        return f"the default route leads to {_target(route)}, which is no more"
    if str(route.get("GatewayId", "")).startswith("igw-") and not network.instance.get("PublicIpAddress"):
        return "the default route leads to an internet gateway, but the instance has no public address"
    return _through_nat(network, route["NatGatewayId"]) if route.get("NatGatewayId") else ""


def _through_nat(network: Network, gateway_id: str) -> str:
    gateway = network.nat_gateways.get(gateway_id, {})
    if gateway.get("State", "available") != "available":
        return f"{gateway_id} is {gateway['State']}"
    beyond = network.nat_routes.get(gateway_id)
    if beyond is None or gateway.get("ConnectivityType") == "private":
        return ""
    found = any(one.get("DestinationCidrBlock") == _EVERYWHERE and one.get("State") != "blackhole" for one in beyond)
    return "" if found else f"{gateway_id} is in a subnet without a way out"


def endpoints(network: Network) -> Check:
    """C12: the VPC endpoints that are there work, and none is missing where they are the only way."""
    if not network.endpoints:
        return skip("C12", "The VPC has no endpoint of Systems Manager.")
    for service, one in network.endpoints.items():
        if str(one.get("State", "available")).lower() != "available":
            cause = f"The endpoint of {service} does not work."
            return fail("C12", f"{one['VpcEndpointId']} is {one['State']}.", cause, "Make it again.")
    blocked = way_out(network)
    missing = [service for service in SERVICES if service not in network.endpoints]
    if missing and blocked:
        seen = f"The VPC has endpoints of {', '.join(network.endpoints)}; {blocked}."
        return fail(
            "C12", seen, f"The endpoint of {', '.join(missing)} is missing.", f"Make an interface endpoint of {', '.join(missing)}."
        )
    hidden = [one["VpcEndpointId"] for one in network.endpoints.values() if one.get("PrivateDnsEnabled") is False]
    if hidden and blocked:
        cause = "The agent does not find the endpoints: their private DNS is off."
        return fail("C12", f"{', '.join(hidden)}: PrivateDnsEnabled is false.", cause, "Enable private DNS of the endpoints.")
    return ok("C12", f"The endpoints of {', '.join(network.endpoints)} are available.")


def route(network: Network) -> Check:
    """C15: there is a way out of the subnet, where there are no endpoints."""
    blocked = way_out(network)
    if network.has_all_endpoints:
        return skip("C15", "The VPC has endpoints.")
    if not blocked:
        return ok("C15", "The subnet has a default route.")
    if network.endpoints:
        return skip("C15", f"The internet is not the way ({blocked}); endpoints are, see C12.")
    return fail(
        "C15",
        f"There is no way out, {blocked}; and the VPC has no endpoints of ssm and ssmmessages.",
        "The instance has no way to AWS.",
        "Make interface endpoints of ssm and ssmmessages, or give the subnet a NAT gateway.",
    )


def open_ports(network: Network) -> Check:
    """C13: security groups and network ACLs let HTTPS through."""
    own = [network.groups[one["GroupId"]] for one in network.instance.get("SecurityGroups", []) if one["GroupId"] in network.groups]
    if own and not any(_has_port(rule) for group in own for rule in group.get("IpPermissionsEgress", [])):
        names = ", ".join(group["GroupId"] for group in own)
        remedy = f"Allow TCP 443 out of {names}."
        return fail("C13", f"{names} allows no TCP 443 out.", "The instance's security group keeps it from AWS.", remedy)
    closed = next((told for told in (_closed(network, one) for one in network.endpoints.values()) if told), "")
    if closed:
        return fail(
            "C13", closed, "The security group of a VPC endpoint keeps the instance out.", "Allow TCP 443 from the instance there."
        )
    blocked = _blocked_by_acl(network)
    if blocked:
        remedy = "Allow TCP 443 out, and TCP 1024-65535 in, in the subnet's network ACL."
        return fail("C13", blocked, "The network ACL of the subnet keeps the instance from AWS.", remedy)
    return ok("C13", "Security groups and network ACL let TCP 443 through.")


def _closed(network: Network, endpoint: Row) -> str:
    names = [one["GroupId"] for one in endpoint.get("Groups", [])]
    groups = [network.groups[name] for name in names if name in network.groups]
    if not groups or any(_lets_in(network, rule) for group in groups for rule in group.get("IpPermissions", []) if _has_port(rule)):
        return ""
    return f"{', '.join(names)} of {endpoint['VpcEndpointId']} lets {network.instance.get('PrivateIpAddress')} not in at TCP 443."


def _lets_in(network: Network, rule: Row) -> bool:
    own = {one["GroupId"] for one in network.instance.get("SecurityGroups", [])}
    if rule.get("PrefixListIds") or any(pair.get("GroupId") in own for pair in rule.get("UserIdGroupPairs", [])):
        return True
    address = network.instance.get("PrivateIpAddress", "")
    return any(_contains(one.get("CidrIp", ""), address) for one in rule.get("IpRanges", []))


def _has_port(rule: Row, port: int = _HTTPS) -> bool:
    if rule.get("IpProtocol") == "-1":
        return True
    return rule.get("IpProtocol") in ("tcp", "6") and rule.get("FromPort", 0) <= port <= rule.get("ToPort", 65535)


def _blocked_by_acl(network: Network) -> str:
    """Look at the rules that hold for everywhere; what narrower ones do depends on where AWS is."""
    if network.has_all_endpoints:
        return ""
    out, back = _decision(network, True, (_HTTPS, _HTTPS)), _decision(network, False, _ANSWERS)
    if out == "deny":
        return "Its outbound rules deny TCP 443."
    return "Its inbound rules deny the answers." if back == "deny" else ""


def _decision(network: Network, egress: bool, ports: tuple[int, int]) -> str:
    rules = sorted((one for one in network.entries if one.get("Egress") is egress), key=lambda one: one.get("RuleNumber", 0))
    for rule in rules:
        if rule.get("CidrBlock") != _EVERYWHERE or rule.get("Protocol") not in ("-1", "6"):
            # An allowance for part of the internet may be just where AWS is.
            if rule.get("RuleAction") == "allow" and rule.get("CidrBlock") != _EVERYWHERE:
                return "allow"
            continue
        known = rule.get("PortRange") or {"From": 0, "To": 65535}
        overlaps = known.get("From", 0) <= ports[1] and known.get("To", 65535) >= ports[0]
        covers = known.get("From", 0) <= ports[0] and known.get("To", 65535) >= ports[1]
        if covers or (overlaps and rule.get("RuleAction") == "allow"):
            return str(rule.get("RuleAction"))
    return ""


def endpoint_policies(network: Network) -> Check:
    """C14: the policies of the VPC endpoints let the agent's actions through."""
    if not network.endpoints:
        return skip("C14", "The VPC has no endpoint of Systems Manager.")
    for service, one in network.endpoints.items():
        policy = one.get("PolicyDocument")
        denied = [action for action in NEEDED if action.startswith(service + ":") and policy and decide(policy, action) == DENIED]
        if denied:
            seen = f"The policy of {one['VpcEndpointId']} denies {', '.join(denied)}."
            cause = f"The policy of the endpoint of {service} denies it; to the agent that looks like a denial of IAM."
            return fail("C14", seen, cause, f"Allow {', '.join(denied)} in the policy of {one['VpcEndpointId']}.")
    return ok("C14", "The policies of the endpoints let the agent's actions through.")


def names(network: Network) -> Check:
    """C16: the VPC resolves the names of its endpoints."""
    custom = [one for one in network.name_servers if one != "AmazonProvidedDNS"]
    if not network.has_dns and not custom:
        cause = "The VPC has no resolver: the instance cannot resolve AWS's names."
        return fail("C16", "enableDnsSupport is false.", cause, "Enable DNS support of the VPC.")
    private = [one["VpcEndpointId"] for one in network.endpoints.values() if one.get("PrivateDnsEnabled")]
    if private and not (network.has_dns and network.has_host_names) and way_out(network):
        seen = f"{', '.join(private)} needs enableDnsSupport and enableDnsHostnames, which are not both on."
        return fail("C16", seen, "The names of the endpoints are not resolved to them.", "Turn both on for the VPC.")
    if private and custom and way_out(network):
        seen = f"The DHCP options name {', '.join(custom)}."
        return warn(
            "C16",
            seen,
            "A resolver of your own may not know the VPC's endpoints.",
            "Have it forward amazonaws.com to the VPC's resolver.",
        )
    return ok("C16", "The VPC resolves names.")


def _target(route: Row) -> str:
    keys = ("GatewayId", "NatGatewayId", "TransitGatewayId", "NetworkInterfaceId", "VpcPeeringConnectionId", "InstanceId")
    return str(next((route[key] for key in keys if route.get(key)), "nowhere"))


def _contains(network: str, address: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
