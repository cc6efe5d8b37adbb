# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each machine is to Systems Manager, and what may be done about it."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._registration.classification import (
    Machine,
    Reregister,
    State,
    Verdict,
    Wishes,
    classify,
)

REGION = "eu-west-1"
NODE = "mi-0123456789abcdef0"
RECORD = {"InstanceId": NODE, "ComputerName": "press.example.com", "IPAddress": "10.0.0.7", "PingStatus": "Online"}
ORIGINAL = Machine(True, NODE, REGION, "press", ("10.0.0.7",))
COPY = Machine(True, NODE, REGION, "copy", ("10.0.0.8",))
NEW = Machine(True, hostname="bare")

Records = t.Mapping[str, t.Mapping[str, t.Any]]
KNOWN: Records = {NODE: RECORD}
UNKNOWN: Records = {}


def judge(machine: Machine, records: Records | None = None, **wishes: t.Any) -> Verdict:
    return classify({"one": machine}, KNOWN if records is None else records, Wishes(REGION, **wishes))["one"]


def test_an_agent_without_registration_is_new_and_registered_whatever_is_wished() -> None:
    for reregister in Reregister:
        assert judge(NEW, reregister=reregister) == Verdict(State.NEW, register=True)


def test_a_node_that_aws_hears_from_stays_as_it_is() -> None:
    assert judge(ORIGINAL) == Verdict(State.REGISTERED)


def test_a_registered_node_is_registered_anew_only_when_always_is_wished() -> None:
    assert judge(ORIGINAL, reregister=Reregister.ALWAYS) == Verdict(State.REGISTERED, register=True)
    assert judge(ORIGINAL, reregister=Reregister.NEVER) == Verdict(State.REGISTERED)


def test_a_node_that_aws_does_not_know_is_orphaned_and_registered_unless_that_is_not_wished() -> None:
    assert judge(ORIGINAL, UNKNOWN) == Verdict(State.ORPHANED, register=True)
    refused = judge(ORIGINAL, UNKNOWN, reregister=Reregister.NEVER)
    assert (refused.state, refused.register) == (State.ORPHANED, False)
    assert (
        refused.refusal == f"The machine is registered as {NODE}, which AWS does not know in {REGION}. Set reregister to orphaned."
    )


def test_a_node_of_another_region_is_refused_with_both_regions() -> None:
    elsewhere = Machine(True, NODE, "us-east-1", "press")
    verdict = judge(elsewhere, UNKNOWN)
    assert (verdict.state, verdict.register) == (State.ELSEWHERE, False)
    assert f"is registered as {NODE} in us-east-1 and not in {REGION}" in verdict.refusal
    assert judge(elsewhere, UNKNOWN, reregister=Reregister.ALWAYS).register


@pytest.mark.parametrize("name", ["press", "PRESS", "press.other.domain"])
def test_a_machine_with_another_address_is_known_by_its_name(name: str) -> None:
    assert judge(Machine(True, NODE, REGION, name, ("192.0.2.1",))).state is State.REGISTERED


def test_a_renamed_machine_is_known_by_its_address() -> None:
    assert judge(Machine(True, NODE, REGION, "renamed", ("192.0.2.1", "10.0.0.7"))).state is State.REGISTERED


def test_a_machine_that_aws_does_not_mean_is_a_copy_while_the_other_reports() -> None:
    verdict = judge(COPY)
    assert (verdict.state, verdict.register) == (State.CLONE, False)
    assert "AWS hears of that node from another computer" in verdict.refusal
    assert judge(COPY, {NODE: {**RECORD, "PingStatus": "ConnectionLost"}}).state is State.REGISTERED


def test_a_copy_is_registered_when_it_may_have_an_identity_of_its_own() -> None:
    assert judge(COPY, new_identity=True) == Verdict(State.CLONE, register=True)
    assert judge(ORIGINAL, new_identity=True) == Verdict(State.REGISTERED)


def test_of_two_machines_with_one_identity_the_one_that_aws_hears_from_keeps_it() -> None:
    verdicts = classify({"press": ORIGINAL, "copy": COPY}, KNOWN, Wishes(REGION))
    assert verdicts["press"] == Verdict(State.REGISTERED)
    assert verdicts["copy"].state is State.CLONE
    assert "as press does too" in verdicts["copy"].refusal


def test_of_two_machines_of_which_aws_means_neither_both_are_copies() -> None:
    records = {NODE: {**RECORD, "ComputerName": "gone", "IPAddress": "10.9.9.9", "PingStatus": "ConnectionLost"}}
    verdicts = classify({"press": ORIGINAL, "copy": COPY}, records, Wishes(REGION))
    assert [verdict.state for verdict in verdicts.values()] == [State.CLONE, State.CLONE]


def test_copies_with_the_same_name_are_both_copies() -> None:
    twin = Machine(True, NODE, REGION, "press", ("10.0.0.9",))
    verdicts = classify({"press": ORIGINAL, "twin": twin}, KNOWN, Wishes(REGION))
    assert [verdict.state for verdict in verdicts.values()] == [State.CLONE, State.CLONE]


def test_machines_without_registration_are_no_copies_of_one_another() -> None:
    verdicts = classify({"a": NEW, "b": NEW}, UNKNOWN, Wishes(REGION))
    assert all(verdict == Verdict(State.NEW, register=True) for verdict in verdicts.values())


@pytest.mark.parametrize("machine", [Machine(True, "i-0123456789abcdef0", REGION), Machine(True, on_ec2=True)])
def test_an_ec2_instance_is_refused_unless_allowed(machine: Machine) -> None:
    verdict = judge(machine)
    assert (verdict.state, verdict.register) == (State.EC2, False)
    assert "needs an instance profile" in verdict.refusal
    assert judge(machine, allow_ec2=True).register


def test_an_ec2_instance_that_is_a_hybrid_node_is_judged_as_one() -> None:
    assert judge(Machine(True, NODE, REGION, "press", on_ec2=True)).state is State.REGISTERED


def test_a_machine_without_agent_is_told_the_role_that_installs_it() -> None:
    verdict = judge(Machine(False, on_ec2=True), allow_ec2=True)
    assert (verdict.state, verdict.register) == (State.NO_AGENT, False)
    assert "fleet.ssm.agent" in verdict.refusal
