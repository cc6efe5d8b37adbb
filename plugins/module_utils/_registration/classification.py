# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Say of each machine, from its own words and from AWS's, whether it is a managed node, and whether it must be registered."""

from __future__ import annotations

import collections
import dataclasses
import enum
import typing as t

HYBRID = "mi-"
_ONLINE = "Online"


class State(enum.Enum):
    """What a machine is to Systems Manager."""

    NEW = "new"
    REGISTERED = "registered"
    ORPHANED = "orphaned"
    CLONE = "clone"
    ELSEWHERE = "elsewhere"
    EC2 = "ec2"
    NO_AGENT = "no_agent"


class Reregister(enum.Enum):
    """Which registrations may be replaced."""

    NEVER = "never"
    ORPHANED = "orphaned"
    ALWAYS = "always"


@dataclasses.dataclass(frozen=True)
class Machine:
    """What a machine says of itself; ``node_id`` and ``region`` are its agent's words, empty when it is not registered."""

    has_agent: bool
    node_id: str = ""
    region: str = ""
    hostname: str = ""
    addresses: t.Sequence[str] = ()
    on_ec2: bool = False

    def is_the_computer_of(self, record: Record) -> bool:
        """Say whether AWS heard last from this machine: the agent reports a name, with or without domain, and an address."""
        return _short(self.hostname) == _short(record.get("ComputerName", "")) or record.get("IPAddress") in self.addresses


Record = t.Mapping[str, t.Any]
"""A managed node as DescribeInstanceInformation lists it."""


@dataclasses.dataclass(frozen=True)
class Wishes:
    """What the user wants to be done about them; ``region`` is the one to register in."""

    region: str
    reregister: Reregister = Reregister.ORPHANED
    new_identity: bool = False
    allow_ec2: bool = False


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether a machine is to be registered, or why it must not be: ``refusal`` is a sentence for the user, or empty."""

    state: State
    register: bool = False
    refusal: str = ""


def classify(machines: t.Mapping[str, Machine], records: t.Mapping[str, Record], wishes: Wishes) -> dict[str, Verdict]:
    """Judge machines by name; ``records`` are AWS's by node id, in the region to register in."""
    sharing = collections.defaultdict(list)
    for name, machine in machines.items():
        if machine.node_id:
            sharing[machine.node_id].append(name)
    verdicts = {}
    for name, machine in machines.items():
        namesakes = [other for other in sharing.get(machine.node_id, ()) if other != name]
        state = _state(machine, [machines[other] for other in namesakes], records.get(machine.node_id), wishes.region)
        verdicts[name] = _verdict(state, machine, namesakes, wishes)
    return verdicts


def _state(machine: Machine, namesakes: t.Sequence[Machine], record: Record | None, region: str) -> State:
    if not machine.has_agent:
        return State.NO_AGENT
    if machine.node_id.startswith(HYBRID):
        return _hybrid_state(machine, namesakes, record, region)
    return State.EC2 if machine.node_id or machine.on_ec2 else State.NEW


def _hybrid_state(machine: Machine, namesakes: t.Sequence[Machine], record: Record | None, region: str) -> State:
    if machine.region != region:
        return State.ELSEWHERE
    if record is None:
        return State.ORPHANED
    return State.CLONE if _is_clone(machine, namesakes, record) else State.REGISTERED


def _is_clone(machine: Machine, namesakes: t.Sequence[Machine], record: Record) -> bool:
    """Say whether the identity is another machine's: of several that have it, the one that AWS hears from keeps it."""
    ours = machine.is_the_computer_of(record)
    if namesakes:
        return not ours or any(other.is_the_computer_of(record) for other in namesakes)
    # A machine that was renamed and moved since its last report looks the same for up to five minutes, which is worth a question.
    return not ours and record.get("PingStatus") == _ONLINE


def _verdict(state: State, machine: Machine, namesakes: t.Sequence[str], wishes: Wishes) -> Verdict:
    known = {"node": machine.node_id, "there": machine.region, "here": wishes.region, "others": ", ".join(sorted(namesakes))}
    if _may_register(state, wishes):
        return Verdict(state, register=True)
    refusal = _REFUSALS.get(state, "") if state is not State.CLONE or not namesakes else _REFUSAL_OF_A_TWIN
    return Verdict(state, refusal=refusal.format(**known))


def _may_register(state: State, wishes: Wishes) -> bool:
    return {
        State.NEW: True,
        State.REGISTERED: wishes.reregister is Reregister.ALWAYS,
        State.ORPHANED: wishes.reregister is not Reregister.NEVER,
        State.ELSEWHERE: wishes.reregister is Reregister.ALWAYS,
        State.CLONE: wishes.new_identity,
        State.EC2: wishes.allow_ec2,
        State.NO_AGENT: False,
    }[state]


_REFUSALS = {
    State.ORPHANED: "The machine is registered as {node}, which AWS does not know in {here}. Set reregister to orphaned.",
    State.ELSEWHERE: (
        "The machine is registered as {node} in {there} and not in {here}. Ask for {there}, or set reregister to always; then"
        " {node} stays behind in {there} until somebody deregisters it."
    ),
    State.CLONE: (
        "The machine calls itself {node}, but AWS hears of that node from another computer: one is a copy of the other."
        " Set new_identity for this one."
    ),
    State.EC2: (
        "The machine is an EC2 instance, which needs an instance profile and no activation. Set allow_ec2 if it is to be a"
        " hybrid node nevertheless."
    ),
    State.NO_AGENT: "The machine has no SSM Agent. Install it by the role fleet.ssm.agent.",
}
_REFUSAL_OF_A_TWIN = (
    "The machine calls itself {node}, as {others} does too: they are copies of one another. Set new_identity for the copy."
)


def _short(name: str) -> str:
    return name.partition(".")[0].lower()
