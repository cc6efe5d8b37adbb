# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Judge what Systems Manager and EC2 say of a node: C2 to C6, C17, C18, C20, C21. Pure."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._activations.usability import is_usable
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.checks import Check, fail, ok, skip, warn

Row = dict[str, t.Any]

ONLINE = "Online"
ACTIVATION_TIER = "/ssm/managed-instance/activation-tier"
UPDATE_DOCUMENT = "AWS-UpdateSSMAgent"
UPDATE = f"Update it with the document {UPDATE_DOCUMENT}."

# AWS's user guide: sessions, the session type InteractiveCommands, default host management.
_SESSIONS, _COMMANDS_IN_SESSIONS, _HOST_MANAGEMENT = (2, 3, 68), (2, 3, 668), (3, 2, 582)
_STANDARD_NODES = 1000


def known(row: Row | None, asked: str, region: str, elsewhere: t.Sequence[str]) -> Check:
    """C2: the node is registered; elsewhere names other regions that know it."""
    if row is not None:
        return ok("C2", f"{row['InstanceId']} is registered in {region}.")
    if elsewhere:
        cause = f"The node is registered in {', '.join(elsewhere)}, not in {region}."
        return fail("C2", f"{region} knows no {asked}.", cause, "Use that region, or register the node in this one.")
    return fail(
        "C2",
        f"{region} knows no {asked}.",
        f"The node is not registered in {region}: it never was, was deregistered, or has not got through to AWS yet.",
        "Run fleet.ssm.agent_doctor on the node. Register it in this region, or look in the region it was registered in.",
    )


def reports(row: Row | None) -> Check:
    """C3: the agent reports."""
    if row is None:
        return skip("C3", "The node is not registered.")
    status, last = row.get("PingStatus", "unknown"), row.get("LastPingDateTime")
    seen = f"PingStatus is {status}" + (f", last ping at {_moment(last)}." if last else ".")
    if status == ONLINE:
        return ok("C3", seen)
    return fail(
        "C3",
        seen,
        f"The agent has not reported since {_moment(last)}." if last else "The agent does not report.",
        "Run fleet.ssm.agent_doctor on the node; see that the machine and its agent run, and restart the agent.",
    )


def session_channel(row: Row | None, status: str | None) -> Check:
    """C4: a session can be opened; status is GetConnectionStatus's, None when it was not asked."""
    if row is None or status is None:
        return skip("C4", "The node is not registered.")
    if status == "connected":
        return ok("C4", "The session channel is connected.")
    return fail(
        "C4",
        f"GetConnectionStatus says {status}; PingStatus is {row.get('PingStatus', 'unknown')}.",
        "The agent has no open channel to ssmmessages, without which there are no sessions.",
        "Allow the node's role ssmmessages:CreateControlChannel, OpenControlChannel, CreateDataChannel and OpenDataChannel, and let"
        " the node reach ssmmessages, websockets included. Then restart the agent.",
    )


def version(row: Row | None, by_host_management: bool) -> Check:
    """C5: the agent is new enough for what it is used for."""
    said = str(row.get("AgentVersion") or "") if row else ""
    numbers = tuple(int(part) for part in said.split(".") if part.isdigit())
    if not numbers:
        return skip("C5", "The agent has not told its version.")
    if numbers < _SESSIONS:
        return fail("C5", f"The agent is {said}.", "Agents before 2.3.68 have no sessions.", UPDATE)
    if by_host_management and numbers < _HOST_MANAGEMENT:
        return fail("C5", f"The agent is {said}.", "Agents before 3.2.582 know no default host management.", UPDATE)
    if numbers < _COMMANDS_IN_SESSIONS:
        return warn("C5", f"The agent is {said}.", "Agents before 2.3.668 know no AWS-StartInteractiveCommand.", UPDATE)
    is_latest = row.get("IsLatestVersion") if row else None
    return ok("C5", f"The agent is {said}{'' if is_latest is None else ', the latest' if is_latest else ', not the latest'}.")


def activation(row: Row | None, activation_id: str, found: Row | None, now: datetime.datetime) -> Check:
    """C6: a machine that is not registered yet could register."""
    if row is not None or not activation_id:
        return skip("C6", "The node is registered." if row is not None else "No activation was named.")
    renew = "Make a new one (fleet.ssm.activation) and register with it."
    if found is None:
        cause = "The activation was deleted, or is one of another region or account."
        return fail("C6", f"There is no activation {activation_id}.", cause, renew)
    count, limit = found.get("RegistrationsCount", 0), found.get("RegistrationLimit", 1)
    seen = f"{count} of {limit} registrations of {activation_id} are used."
    if is_usable(found, now):
        return ok("C6", seen)
    if count >= limit:
        return fail("C6", seen, "As many machines have registered as the activation allows.", renew)
    expiry = _moment(found.get("ExpirationDate"))
    return fail("C6", f"{activation_id} expired at {expiry}.", "The activation has expired.", renew)


def tier(row: Row | None, setting: str, wants_sessions: bool, hybrid_nodes: int | None) -> Check:
    """C17: the tier allows what the hybrid node is for; hybrid_nodes is their number, None when it was not counted."""
    command = f"aws ssm update-service-setting --setting-id {ACTIVATION_TIER} --setting-value advanced"
    switch = f"{command} (AWS bills for it), or use Run Command."
    if setting != "standard":
        return ok("C17", f"The tier is {setting}.")
    if row is None and hybrid_nodes is not None and hybrid_nodes >= _STANDARD_NODES:
        seen = f"The tier is standard, and {hybrid_nodes} hybrid nodes are registered."
        return fail("C17", seen, "The standard-instances tier takes no more than 1000 hybrid nodes.", switch)
    cause = "Hybrid nodes of the standard-instances tier have no sessions."
    return (fail if wants_sessions else warn)("C17", "The tier is standard.", cause, switch)


def duplicates(row: Row | None, everybody: t.Sequence[Row]) -> Check:
    """C18: no other hybrid node is the same machine."""
    if row is None or not row.get("ComputerName") or not row.get("IPAddress"):
        return skip("C18", "The node is not registered, or tells neither name nor address.")
    same = [one for one in everybody if one["InstanceId"] != row["InstanceId"] and _machine(one) == _machine(row)]
    awake = [one["InstanceId"] for one in same if one.get("PingStatus") == ONLINE]
    if not same:
        return ok("C18", "No other hybrid node has its name and address.")
    seen = (
        f"{', '.join(one['InstanceId'] for one in same)} has the name {row['ComputerName']} and the address {row['IPAddress']} too."
    )
    if awake and row.get("PingStatus") != ONLINE:
        cause = f"The machine was registered anew, and is {awake[0]} now."
        return fail("C18", seen, cause, f"Use {awake[0]}, and deregister {row['InstanceId']}.")
    if awake:
        cause = "Two machines have one identity, or one machine has two agents."
        return warn("C18", seen, cause, "Where they are copies, give each a machine id of its own and register it anew.")
    return ok("C18", seen + " It is not online.")


def updates(associations: t.Sequence[Row]) -> Check:
    """C20: what updates the agent works; having nothing that does is no fault."""
    found = [one for one in associations if one.get("Name") == UPDATE_DOCUMENT]
    if not found:
        return skip("C20", f"No association of {UPDATE_DOCUMENT} keeps the agent up to date (agent_auto_update makes one).")
    status = str(found[0].get("Status") or found[0].get("DetailedStatus") or "unknown")
    seen = f"The association {found[0].get('AssociationId', '')} of {UPDATE_DOCUMENT} has the status {status}."
    if status == "Failed":
        reason = found[0].get("ExecutionSummary") or "it does not say why"
        return warn("C20", seen, f"The agent was not updated: {reason}.", "Look at the association's last execution.")
    return ok("C20", seen)


def state(instance: Row | None, instance_id: str, region: str, status: Row | None, is_online: bool) -> Check:
    """C21: the EC2 instance runs."""
    if instance is None:
        cause = f"There is no such instance in {region}, or it is another account's."
        return fail("C21", f"EC2 knows no {instance_id}.", cause, "Check id, region and account.")
    name = instance.get("State", {}).get("Name", "unknown")
    if name != "running":
        return fail(
            "C21",
            f"{instance_id} is {name}.",
            "The instance does not run.",
            f"aws ec2 start-instances --instance-ids {instance_id}",
        )
    checks = {kind: (status or {}).get(kind, {}).get("Status", "") for kind in ("SystemStatus", "InstanceStatus")}
    impaired = [kind for kind, value in checks.items() if value == "impaired"]
    if impaired:
        cause = "EC2's status checks fail: the machine hangs, or has no network."
        seen = f"{instance_id} is running, {' and '.join(impaired)} impaired."
        return (warn if is_online else fail)("C21", seen, cause, "Look at its console output; stop and start it.")
    return ok("C21", f"{instance_id} is running.")


def _machine(row: Row) -> tuple[t.Any, t.Any]:
    return row.get("ComputerName"), row.get("IPAddress")


def _moment(when: t.Any) -> str:
    return when.strftime("%Y-%m-%d %H:%M:%S UTC") if isinstance(when, datetime.datetime) else str(when)
