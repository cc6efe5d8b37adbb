# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Examine one node from the controller: ask AWS, then judge; what may not be asked is unknown. I/O."""

from __future__ import annotations

import datetime
import functools
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account import (
    network_checks,
    node_checks,
    right_checks,
    surroundings,
)
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.asking import Account, DeniedError, NoAnswerError
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.facts import Facts, Question
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.network_checks import Network
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.checks import FAIL, Check, denied, fail, ok, skip, unknown

_NETWORK = {
    "C12": network_checks.endpoints,
    "C13": network_checks.open_ports,
    "C14": network_checks.endpoint_policies,
    "C15": network_checks.route,
    "C16": network_checks.names,
}
_MOST = 300
_OF_HYBRID_NODES = ("C6", "C7", "C17", "C18")
_OF_INSTANCES = ("C8", "C10", "C11", *_NETWORK, "C21")
_REST = tuple(f"C{number}" for number in range(2, 22))


class Findings(t.NamedTuple):
    """The checks, and the node's id where it is known."""

    checks: list[Check]
    instance_id: str


def examine(account: Account, question: Question) -> Findings:
    """Do all checks that apply to the node."""
    facts = Facts(account, question)
    identity = _identity(facts)
    if identity.status != "ok":
        return _only(identity, question)
    wrong = _OF_INSTANCES if facts.is_hybrid else _OF_HYBRID_NODES
    kind = "EC2 instances" if facts.is_hybrid else "hybrid nodes"
    checks = [
        skip(check_id, f"Only {kind} have this.") if check_id in wrong else _attempt(check_id, functools.partial(check, facts))
        for check_id, check in _checks(account).items()
    ]
    return Findings([identity, *checks], _instance_id(facts))


def without_aws(question: Question, said: str) -> Findings:
    """Give what is left to say where AWS cannot be asked at all."""
    return _only(_refused(said), question)


def _only(identity: Check, question: Question) -> Findings:
    reason = "Our own identity, region or account is wrong, see C1."
    return Findings([identity, *(skip(check_id, reason) for check_id in _REST)], question.instance_id)


def _refused(said: str) -> Check:
    return fail("C1", said, "AWS does not take our own credentials or region.", "Correct credentials, profile or region.")


def _identity(facts: Facts) -> Check:
    """C1: we are who we should be."""
    try:
        identity = facts.identity
    except DeniedError as error:
        return denied("C1", [error.action], str(error))
    except NoAnswerError as error:
        return _refused(str(error))
    account, asked = str(identity["Account"]), facts.question.account_id
    if asked and asked != account:
        cause = f"The credentials are for the account {account}, the node belongs to {asked}."
        return fail("C1", f"We are {identity.get('Arn', '')}.", cause, "Use another profile, or assume a role of that account.")
    return ok("C1", f"We are {identity.get('Arn', '')}, in {facts.region}.")


def _attempt(check_id: str, check: t.Callable[[], Check]) -> Check:
    try:
        return check()
    except DeniedError as error:
        return denied(check_id, [error.action], str(error))
    except NoAnswerError as error:
        # A page of a proxy may be in it.
        said = " ".join(str(error).split())[:_MOST]
        return unknown(check_id, said, "AWS did not answer.", "See what AWS said, and try again.")


def _instance_id(facts: Facts) -> str:
    try:
        return str((facts.row or {}).get("InstanceId", "")) or facts.question.instance_id
    except NoAnswerError:
        return facts.question.instance_id


def _checks(account: Account) -> dict[str, t.Callable[[Facts], Check]]:
    @functools.cache
    def network(facts: Facts) -> Network | None:
        instance = facts.instance
        return surroundings.gather(account, instance) if instance and instance.get("SubnetId") else None

    def around(check_id: str, check: t.Callable[[Network], Check]) -> t.Callable[[Facts], Check]:
        def judge(facts: Facts) -> Check:
            if facts.is_open:
                return skip(check_id, "The node reports and has its session channel: its way to AWS is open.")
            found = network(facts)
            return check(found) if found else skip(check_id, "The instance is in no VPC.")

        return judge

    return {**_CHECKS, **{check_id: around(check_id, check) for check_id, check in _NETWORK.items()}}


def _known(facts: Facts) -> Check:
    row = facts.row
    return _with_console(facts, node_checks.known(row, str(facts.question), facts.region, [] if row else facts.elsewhere))


def _reports(facts: Facts) -> Check:
    return _with_console(facts, node_checks.reports(facts.row))


def _with_console(facts: Facts, check: Check) -> Check:
    """Add what the console shows where an instance does not report: nobody may be able to look at the machine itself."""
    if check.status != FAIL or facts.is_hybrid or not facts.question.instance_id or not facts.instance:
        return check
    return check._replace(evidence=f"{check.evidence} {facts.console}")


def _activation(facts: Facts) -> Check:
    needed = facts.row is None and facts.question.activation_id
    now = datetime.datetime.now(datetime.timezone.utc)
    return node_checks.activation(facts.row, facts.question.activation_id, facts.activation if needed else None, now)


def _version(facts: Facts) -> Check:
    return node_checks.version(facts.row, not facts.is_hybrid and facts.row is not None and not facts.has_profile)


def _hybrid_role(facts: Facts) -> Check:
    if not facts.role_name:
        return skip("C7", "It is not known which role the node has.")
    return right_checks.hybrid_role(facts.role_name, facts.role, str(facts.identity["Account"]))


def _instance_profile(facts: Facts) -> Check:
    if facts.instance is None:
        return skip("C8", "There is no instance.")
    management = None if facts.has_profile else facts.host_management
    attached = facts.instance.get("IamInstanceProfile")
    return right_checks.instance_profile(attached, facts.profile, management, str(facts.identity["Account"]))


def _actions(facts: Facts) -> Check:
    if facts.role is None:
        return skip("C9", "The node has no role to look at.")
    return right_checks.actions(facts.role_name, facts.simulation, facts.is_online)


def _host_management(facts: Facts) -> Check:
    name = facts.host_management
    needed = name not in right_checks.OFF and not facts.has_profile
    return right_checks.host_management(name, facts.role if needed else None, facts.has_profile)


def _metadata_options(facts: Facts) -> Check:
    if facts.instance is None:
        return skip("C11", "There is no instance.")
    return right_checks.metadata_options(facts.instance.get("MetadataOptions", {}))


def _tier(facts: Facts) -> Check:
    setting = facts.setting(node_checks.ACTIVATION_TIER)
    count = len(facts.hybrid_nodes) if facts.row is None and setting == "standard" else None
    return node_checks.tier(facts.row, setting, facts.question.sessions, count)


def _duplicates(facts: Facts) -> Check:
    return node_checks.duplicates(facts.row, facts.hybrid_nodes if facts.row else [])


def _preferences(facts: Facts) -> Check:
    inputs = {name: value for name, value in facts.preferences.items() if value}
    actions = [action for name, needed in _PREFERENCES.items() if inputs.get(name) for action in needed]
    if not actions:
        return right_checks.preferences(inputs, None)
    if facts.role is None:
        return skip("C19", "The node has no role to look at.")
    return right_checks.preferences(inputs, facts.simulate(actions))


# What the agent does with a preference (agent/session, agent/s3util, agent/agentlogstocloudwatch).
_PREFERENCES = {
    "kmsKeyId": ("kms:Decrypt",),
    "s3BucketName": ("s3:PutObject", "s3:GetEncryptionConfiguration"),
    "cloudWatchLogGroupName": ("logs:CreateLogStream", "logs:DescribeLogGroups", "logs:DescribeLogStreams", "logs:PutLogEvents"),
}


def _state(facts: Facts) -> Check:
    running = (facts.instance or {}).get("State", {}).get("Name") == "running"
    status = facts.instance_status if running else None
    return node_checks.state(facts.instance, facts.question.instance_id, facts.region, status, facts.is_online)


_CHECKS: dict[str, t.Callable[[Facts], Check]] = {
    "C2": _known,
    "C3": _reports,
    "C4": lambda facts: node_checks.session_channel(facts.row, facts.connection),
    "C5": _version,
    "C6": _activation,
    "C7": _hybrid_role,
    "C8": _instance_profile,
    "C9": _actions,
    "C10": _host_management,
    "C11": _metadata_options,
    "C17": _tier,
    "C18": _duplicates,
    "C19": _preferences,
    "C20": lambda facts: node_checks.updates(facts.associations),
    "C21": _state,
}
