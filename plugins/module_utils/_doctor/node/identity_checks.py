# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Judge who the node is and whether AWS takes it: N9 to N14. Pure; runs on nodes, with Python 3.6."""

import configparser
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent.configuration import SHARED_CREDENTIALS
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.checks import Check, fail, ok, skip, unknown, warn
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.agent_checks import AS_ROOT
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.agent_facts import AgentFacts
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.identity_facts import IdentityFacts
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.symptoms import RESTART, Symptom, recognise

Symptoms = t.Mapping[str, Symptom]

_NO_COMPARISON = -1
_GRACE_SECONDS = 300
_REGISTER = "Make an activation (fleet.ssm.activation) and register: amazon-ssm-agent -register -code CODE -id ID -region REGION"


def fingerprint(who: IdentityFacts, told: Symptoms) -> Check:
    """N9: this is the machine that was registered."""
    if not who.is_hybrid:
        return skip("N9", "Only hybrid nodes have a fingerprint.")
    remembered = who.fingerprint
    if remembered.threshold == _NO_COMPARISON:
        return ok("N9", "The comparison is turned off.")
    if remembered.machine_id and who.machine_id and remembered.machine_id != who.machine_id:
        return fail(
            "N9",
            "/etc/machine-id is {}, at registration it was {}.".format(who.machine_id, remembered.machine_id),
            "This is a copy of the machine that was registered, or its machine id was made anew.",
            "Register it anew (amazon-ssm-agent -register -clear, then -register with a new activation). " + RESTART,
        )
    return _as_told("N9", told) or ok("N9", "The machine id is that of the registration.")


def registered(who: IdentityFacts, told: Symptoms, asked: str) -> Check:
    """N10: the agent has an identity, and AWS knows it; asked is the region where the user expects it, empty for any."""
    if who.unreadable:
        return unknown("N10", "{} cannot be read.".format(who.unreadable), "The registration is root's.", AS_ROOT)
    found = _as_told("N10", told)
    if found:
        return found
    if who.vault.complete:
        if asked and asked != who.vault.region:
            return fail(
                "N10",
                "The agent is {} in {}.".format(who.vault.instance_id, who.vault.region),
                "The node is registered in {}, not in {}.".format(who.vault.region, asked),
                "Look for it there, or register it in {} with an activation of that region.".format(asked),
            )
        if who.file.instance_id and who.file.instance_id != who.vault.instance_id:
            return warn(
                "N10",
                "The agent is {}, /var/lib/amazon/ssm/registration says {}.".format(who.vault.instance_id, who.file.instance_id),
                "The file is of an older registration; programs that read it take the node for another.",
                "Register anew, or correct the file.",
            )
        return ok("N10", "The agent is {} in {}.".format(who.vault.instance_id, who.vault.region))
    if who.is_ec2:
        return ok("N10", "An EC2 instance needs none.")
    if who.file.instance_id:
        return fail(
            "N10",
            "The agent's vault is empty, /var/lib/amazon/ssm/registration still says {}.".format(who.file.instance_id),
            "The registration was cleared: -register deletes the old one before it asks AWS for a new one, and failed then.",
            _REGISTER,
        )
    return fail("N10", "The agent's vault is empty.", "The machine is no EC2 instance, and was never registered.", _REGISTER)


def activation(who: IdentityFacts, agent: AgentFacts, told: Symptoms, now: float) -> Check:
    """N11: registration was not refused."""
    if who.is_hybrid and "N11" not in told:
        return ok("N11", "The machine is registered.")
    # Registering is done by another process than the service, often before its last start.
    everything = [*agent.earlier_log, *agent.log]
    found = _as_told("N11", told if "N11" in told or who.is_ec2 else recognise(everything, now))
    return found or skip("N11", "The log tells of no registration that was refused.")


def credentials(who: IdentityFacts, agent: AgentFacts, told: Symptoms, now: float) -> Check:
    """N12: the agent has credentials that are valid."""
    found = _as_told("N12", told)
    if found:
        return found
    if who.is_hybrid and _ini_error(who.credentials):
        return fail(
            "N12",
            "{}: {}".format(SHARED_CREDENTIALS, _ini_error(who.credentials)),
            "The agent cannot write its credentials to the file, which is no valid ini file.",
            "Correct or remove the file. " + RESTART,
        )
    expires = who.identity.expires
    if expires and agent.pids and now - expires > _GRACE_SECONDS:
        return fail(
            "N12",
            "The credentials expired {:.0f} minutes ago.".format((now - expires) / 60),
            "The agent could not renew its credentials.",
            "Remove what keeps it from AWS. " + RESTART,
        )
    if who.is_ec2 and not who.is_hybrid and who.metadata.profile == "" and expires <= now:
        return fail(
            "N12",
            "The metadata service names no instance profile, and the agent has no credentials of default host management.",
            "The instance has no role.",
            "Attach an instance profile with AmazonSSMManagedInstanceCore, or turn default host management on. " + RESTART,
        )
    if expires:
        return ok("N12", "They are valid for another {:.0f} minutes.".format(max(0.0, expires - now) / 60))
    return skip("N12", "The agent keeps none in its files.")


def rights(agent: AgentFacts, told: Symptoms) -> Check:
    """N13: AWS denies the agent nothing."""
    if agent.log_unreadable:
        return unknown("N13", "{} cannot be read.".format(agent.log_unreadable), "The agent's log is root's.", AS_ROOT)
    return _as_told("N13", told) or (ok("N13", "The log tells of no denial.") if agent.log else skip("N13", "There is no log."))


def metadata_service(who: IdentityFacts, told: Symptoms) -> Check:
    """N14: the metadata service answers on EC2, and only there."""
    if not who.is_ec2:
        if who.metadata.instance_id and not who.is_hybrid:
            return fail(
                "N14",
                "http://169.254.169.254 says that this is {}.".format(who.metadata.instance_id[:60]),
                "This is no EC2 instance, but something in the network answers as its metadata service, and the agent believes it.",
                "ip route add blackhole 169.254.169.254, then register the machine.",
            )
        return (
            ok("N14", "It does not answer, as it should be outside EC2.")
            if who.metadata.error
            else ok("N14", "It is of no importance.")
        )
    if who.metadata.error and who.is_hybrid:
        return ok("N14", "It does not answer, which a hybrid node does not need.")
    if who.metadata.error:
        return fail(
            "N14",
            "http://169.254.169.254: {}.".format(who.metadata.error),
            "This is an EC2 instance, but its metadata service does not answer.",
            "Turn it on (aws ec2 modify-instance-metadata-options --http-endpoint enabled), look at routes and firewall to it, and"
            " raise the hop limit to 2 where the agent runs in a container. " + RESTART,
        )
    return _as_told("N14", told, "warn") or ok("N14", "It says that this is {}.".format(who.metadata.instance_id))


def _as_told(check_id: str, told: Symptoms, status: str = "fail") -> "t.Optional[Check]":
    symptom = told.get(check_id)
    return symptom and Check(check_id, status, symptom.evidence, symptom.cause, symptom.remedy)


def _ini_error(text: str) -> str:
    try:
        configparser.RawConfigParser(strict=False).read_string(text)
    except configparser.Error as error:
        # The message would quote lines of the file, which hold keys.
        return type(error).__name__
    return ""
