# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Recognise in the agent's log what is wrong. One table. Pure; runs on nodes, with Python 3.6."""

import re
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.agent_log import Line
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.redaction import redact

RESTART = "Then restart the agent, which otherwise tries again after up to 30 minutes only."

# core/app/credentialrefresher, common/identity/credentialproviders and agent/messageservice log these when they get through.
_CREDENTIALS = r"Credentials ready|Successfully connected with .* role credentials|Set up control channel successfully"
_CHANNEL = r"Set up control channel successfully|Successfully opened websocket connection"
_ANY = _CREDENTIALS + "|" + _CHANNEL
_NEVER = r"(?!)"


class Symptom(t.NamedTuple):
    """A line of the log that tells of a fault that, as far as the log says, still is there."""

    check_id: str
    evidence: str
    cause: str
    remedy: str
    when: float


class _Entry(t.NamedTuple):
    """What a line says (words), and what a later line says when the fault is gone; minutes: a fault older than that has gone too.

    Groups of words can be named in cause and remedy.
    """

    check_id: str
    words: str
    healed_by: str
    cause: str
    remedy: str
    minutes: int = 0
    names_host: bool = False
    """Whether the line must name a host of the agent's; sessions that forward ports meet with the same errors elsewhere."""


# The first that matches counts. Sources of the words: the agent's sources, and the issues named in the collection's documentation.
_TABLE = (
    _Entry(
        "N8",
        r"status code:? 407|Proxy Authentication Required",
        _ANY,
        "The proxy wants a user and password that the agent does not send.",
        "Put them into the proxy's URL in the agent's unit, or let these hosts through without. " + RESTART,
    ),
    _Entry(
        "N8",
        r"proxyconnect|failed to connect to http proxy",
        _ANY,
        "The agent does not get through its proxy.",
        "Check the proxy's address in the agent's unit. " + RESTART,
    ),
    _Entry(
        "N14",
        r"IMDS request timeout|EC2MetadataError|169\.254\.169\.254[^ ]*: (?:dial|context|net/http|read)",
        _CREDENTIALS,
        "The agent gets no answer of the instance metadata service.",
        "Turn it on for the instance (modify-instance-metadata-options), and keep 169.254.169.254 from proxies and firewalls. "
        + RESTART,
    ),
    _Entry(
        "N9",
        r"hardware ID \(.*?\) has changed from the registered value",
        _CREDENTIALS,
        "The machine id is another than at registration: this is a copy of another machine, or /etc/machine-id was made anew.",
        "Give a copy a machine id of its own and register it anew (amazon-ssm-agent -register -clear, then -register with a new"
        " activation). " + RESTART,
    ),
    _Entry(
        "N9",
        r"Machine configuration has changed more than the allowed|MachineFingerprintDoesNotMatch|[Ff]ingerprint does not match",
        _CREDENTIALS,
        "The machine's hardware differs too much from what it was at registration.",
        "If it is the same machine, lower the threshold (amazon-ssm-agent -fingerprint -similarityThreshold 1); if it is a copy,"
        " register it anew. " + RESTART,
    ),
    _Entry(
        "N5",
        r"Signature expired|Signature not yet current|[Nn]ot yet current|RequestTimeTooSkewed",
        _CREDENTIALS,
        "The machine's clock is wrong: AWS refuses signatures that are more than five minutes off.",
        "Set the clock right (chrony, or another NTP client that is started before the agent). " + RESTART,
    ),
    _Entry(
        "N6",
        r"x509: (?P<what>[^\"\n]{1,120})",
        _ANY,
        "The agent does not trust the certificate that it is shown: {what}.",
        "Exempt AWS's hosts from TLS inspection, or add the inspecting authority to the system's bundle. " + RESTART,
        names_host=True,
    ),
    _Entry(
        "N3",
        r"no such host|server misbehaving|Temporary failure in name resolution|ssm\.xn--",
        _ANY,
        "The agent could not resolve the names of AWS's endpoints.",
        "Check the resolver of the machine. " + RESTART,
        names_host=True,
    ),
    _Entry(
        "N4",
        r"i/o timeout|connection refused|network is unreachable|no route to host",
        _ANY,
        "The agent could not connect to AWS's endpoints.",
        "Check firewall, routes and proxy. " + RESTART,
        names_host=True,
    ),
    _Entry(
        "N7",
        r"Failed to dial websocket, status: (?P<status>\d+)",
        _CHANNEL,
        "The websocket of sessions was refused with status {status}, by a proxy that lets no websockets through, or because"
        " ssmmessages is not allowed.",
        "Let websockets to ssmmessages through, and allow the node's role ssmmessages:OpenControlChannel. " + RESTART,
    ),
    _Entry(
        "N10",
        r"Not existing InstanceId|InvalidInstanceId",
        _CREDENTIALS,
        "AWS does not know the node any more: it was deregistered.",
        "Register it anew with a new activation. " + RESTART,
    ),
    _Entry(
        "N10",
        r"RegistrationKey does not exist|[Ff]ailed to find agent identity",
        _CREDENTIALS,
        "The agent has no registration, and found no other identity.",
        "Register the machine with an activation, or give the EC2 instance its metadata service. " + RESTART,
    ),
    _Entry(
        "N11",
        r"ActivationExpired",
        r"Successfully registered the instance|" + _CREDENTIALS,
        "The activation has expired.",
        "Make a new one (fleet.ssm.activation) and register with it. " + RESTART,
    ),
    _Entry(
        "N11",
        r"InvalidActivation",
        r"Successfully registered the instance|" + _CREDENTIALS,
        "Activation id and code do not belong together, or belong to another region.",
        "Register with the id, code and region of one activation. " + RESTART,
    ),
    _Entry(
        "N11",
        r"[Rr]egistration limit",
        r"Successfully registered the instance|" + _CREDENTIALS,
        "As many machines have registered with the activation as it allows.",
        "Make a new one (fleet.ssm.activation) with a higher registration_limit. " + RESTART,
    ),
    _Entry(
        "N13",
        r"management role is not configured for account",
        _CREDENTIALS,
        "The instance has no profile, and default host management is off in this account and region.",
        "Attach an instance profile with AmazonSSMManagedInstanceCore, or turn default host management on. " + RESTART,
    ),
    _Entry(
        "N13",
        # What else is denied, to S3 or logs for instance, keeps no node from being managed; see C9 and C19.
        r"not authorized to perform: (?P<action>ssm:(?:UpdateInstanceInformation|RegisterManagedInstance|"
        r"RequestManagedInstanceRoleToken)|ssmmessages:\w+)",
        _NEVER,
        "AWS denied the agent {action}.",
        "Allow the node's role {action}, as AmazonSSMManagedInstanceCore does; look at policies of VPC endpoints and service"
        " control policies too. " + RESTART,
        minutes=70,  # hibernation backs off to an hour, agent/hibernation/hibernation.go
    ),
    _Entry(
        "N13",
        r"(?:[Cc]redential|RoleProvider|HealthCheck|Health ping|hibernate|ControlChannel|control channel).*AccessDenied",
        _CREDENTIALS,
        "AWS denied the agent what it asked for.",
        "Give the node's role AmazonSSMManagedInstanceCore. " + RESTART,
        minutes=70,
    ),
    _Entry(
        "N12",
        r"no EC2 instance role found",
        _CREDENTIALS,
        "The instance has no instance profile.",
        "Attach one with AmazonSSMManagedInstanceCore, or turn default host management on. " + RESTART,
    ),
    _Entry(
        "N12",
        r"failed to load shared credentials file",
        _CREDENTIALS,
        "The file with shared credentials cannot be read: it is no valid ini file, or another profile is in its place.",
        "Correct ~root/.aws/credentials, or set Profile.ForceUpdateCreds in amazon-ssm-agent.json. " + RESTART,
    ),
    _Entry(
        "N12",
        r"shared credentials are already expired",
        _CREDENTIALS,
        "The agent's workers have credentials that have expired.",
        "Restart the agent; where it comes again, set Profile.ShareProfile to a profile that nothing else writes.",
    ),
    _Entry(
        "N16",
        r"no space left on device|[Rr]ead-only file system",
        _NEVER,
        "The agent could not write its files.",
        "Make room below /var, or mount it writable. " + RESTART,
        minutes=60,
    ),
)

_HIBERNATION = re.compile(r"Entering SSM Agent hibernate - ?(.*)", re.DOTALL)
_AWS_HOST = re.compile(r"\b[\w-]+(?:\.[\w-]+)*\.(?:amazonaws\.com|api\.aws)")
# vpce-0123.ssm.eu-west-1.vpce.amazonaws.com too
_AGENT_HOST = re.compile(r"\b(?:ssm|ssmmessages|ec2messages)\.[\w.-]+")


def recognise(log: "t.Sequence[Line]", now: float) -> "t.Dict[str, Symptom]":
    """Give for each check the last fault that the log tells of and no later line takes back."""
    found = {}  # type: t.Dict[str, Symptom]
    for place, line in enumerate(log):
        entry, match = _entry(line.message)
        if entry is None or match is None or _has_healed(entry, line, log[place + 1 :], now):
            continue
        named = {name: redact(value or "") for name, value in match.groupdict().items()}
        evidence = "The agent's log: " + redact(line.message)
        found[entry.check_id] = Symptom(
            entry.check_id, evidence, entry.cause.format(**named), entry.remedy.format(**named), line.when
        )
    return found


def hibernation(log: "t.Sequence[Line]", hibernate_log: "t.Sequence[Line]") -> "t.Optional[str]":
    """Give the reason of a hibernation that has not ended; None when the agent is awake.

    Where the log has been rotated away, hibernate.log still tells of it, without the reason.
    """
    reason, awake_at = None, log[0].when if log else 0.0
    for line in log:
        match = _HIBERNATION.search(line.message)
        if match:
            reason = redact(match.group(1).strip()) or "no reason given"
        elif re.search(_CHANNEL, line.message):
            reason, awake_at = None, line.when
    if reason is None and any(awake_at and line.when > awake_at for line in hibernate_log):
        return "hibernate.log says so, without the reason"
    return reason


def is_well(log: "t.Sequence[Line]") -> bool:
    """Say whether the last the log tells of the agent's way to AWS is that it got through."""
    for line in reversed(log):
        if re.search(_CHANNEL, line.message):
            return True
        if _entry(line.message)[0] is not None or _HIBERNATION.search(line.message):
            return False
    return False


def _entry(message: str) -> "t.Tuple[t.Optional[_Entry], t.Optional[t.Match[str]]]":
    if not _is_about_agent(message):
        return None, None
    for entry in _TABLE:
        match = re.search(entry.words, message)
        if match and (not entry.names_host or _AGENT_HOST.search(message)):
            return entry, match
    return None, None


def _is_about_agent(message: str) -> bool:
    """Leave out what happens to other services: logs, metrics and the commands that a user had run."""
    return not _AWS_HOST.search(message) or bool(_AGENT_HOST.search(message))


def _has_healed(entry: _Entry, line: Line, later: "t.Sequence[Line]", now: float) -> bool:
    if entry.minutes and line.when and now - line.when > entry.minutes * 60:
        return True
    return any(re.search(entry.healed_by, one.message) for one in later)
