# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Examine a node: gather at once what takes time, then judge. I/O; runs on nodes, with Python 3.6."""

import time
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent.configuration import METADATA
from ansible_collections.fleet.ssm.plugins.module_utils._agent.regions import is_region
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.checks import Check
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node import (
    agent_checks,
    agent_facts,
    agent_log,
    dialling,
    endpoints,
    excursion,
    identity_checks,
    identity_facts,
    metadata_service,
    network_checks,
    network_facts,
    symptoms,
    system_checks,
    system_facts,
    unit_environment,
)
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.machine import Machine

# What Go's crypto/x509 reads, the first that is there (root_linux.go); the agent is a Go program.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
# The agent trusts this one besides, agent/appconfig/constants_unix.go.
_OWN_CERTIFICATE = "/etc/amazon/ssm/amazon-ssm-agent.crt"
_METADATA_SECONDS = 1.0
# The sections of amazon-ssm-agent.json.
_CONFIGURED = {"Ssm": "ssm", "Mgs": "ssmmessages", "Mds": "ec2messages", "S3": "s3"}


class Question(t.NamedTuple):
    """What the user said: the region ("" if nothing), endpoints by service, seconds for a step and for everything."""

    region: str
    endpoints: "t.Mapping[str, str]"
    timeout: float
    total_timeout: float


class Findings(t.NamedTuple):
    """The checks, and who the node is as far as it knows."""

    checks: "t.List[Check]"
    instance_id: str
    region: str
    agent_version: str


def examine(question: Question, machine: "t.Optional[Machine]" = None, metadata_address: str = METADATA) -> Findings:
    """Do all checks; BadEndpointError when an endpoint cannot be read."""
    until = time.monotonic() + question.total_timeout
    machine = machine or Machine()
    asked = excursion.Later(
        lambda: metadata_service.ask(_METADATA_SECONDS, metadata_address), metadata_service.Metadata(error="no answer in time")
    )
    who, agent = identity_facts.gather(machine), agent_facts.gather(machine)
    region = _region(question, who, agent)
    places = _overrides(question, agent)
    if not region and any(not places.get(service) for service in endpoints.SERVICES):
        who = who._replace(metadata=asked.wait(until))
        region = _region(question, who, agent)
    journeys, bad_proxy = _plan(endpoints.endpoints(region if is_region(region) else "", places), agent)
    traveller = dialling.Traveller(question.timeout, _bundle(machine, agent), _own_certificate(machine))
    under_way = excursion.set_out(journeys, traveller.go)
    system = system_facts.gather(machine)
    who = who._replace(metadata=asked.wait(until))
    network = network_facts.NetworkFacts(
        excursion.come_back(journeys, under_way, until), agent, agent_log.version(agent.log), who.is_ec2, bad_proxy
    )
    checks = _judge(agent, who, network, system, question)
    return Findings(checks, who.instance_id, region or who.region, network.version)


def _judge(
    agent: agent_facts.AgentFacts,
    who: identity_facts.IdentityFacts,
    network: network_facts.NetworkFacts,
    system: system_facts.SystemFacts,
    question: Question,
) -> "t.List[Check]":
    now = time.time()
    told = symptoms.recognise(agent.log, now)
    return [
        agent_checks.installed(agent),
        agent_checks.running(agent),
        *network_checks.all_of(network, told),
        identity_checks.fingerprint(who, told),
        identity_checks.registered(who, told, question.region),
        identity_checks.activation(who, agent, told, now),
        identity_checks.credentials(who, agent, told, now),
        identity_checks.rights(agent, told),
        identity_checks.metadata_service(who, told),
        agent_checks.hibernating(agent),
        system_checks.disk(system, told),
        system_checks.memory_and_locks(system),
        system_checks.sudo(system),
        system_checks.security_modules(system, agent_log.began(agent.log), symptoms.is_well(agent.log)),
        system_checks.cloudwatch_agent(system),
        agent_checks.configured(agent, who.vault.region or _region(question, who, agent)),
    ]


def _region(question: Question, who: identity_facts.IdentityFacts, agent: agent_facts.AgentFacts) -> str:
    return question.region or who.region or agent_facts.setting(agent.settings or {}, "Agent", "Region")


def _overrides(question: Question, agent: agent_facts.AgentFacts) -> "t.Dict[str, str]":
    """Name the endpoints that are not the region's: those that the user said, else those of the agent's configuration."""
    found = dict(question.endpoints)
    for section, service in _CONFIGURED.items():
        configured = agent_facts.setting(agent.settings or {}, section, "Endpoint")
        if configured and not found.get(service) and endpoints.is_endpoint(configured):
            found[service] = configured
    return found


def _plan(places: "t.Sequence[endpoints.Endpoint]", agent: agent_facts.AgentFacts) -> "t.Tuple[t.List[dialling.Journey], str]":
    journeys, bad_proxy = [], ""
    for place in places:
        try:
            via = unit_environment.proxy_of(agent.variables, place.scheme, place.host)
        except unit_environment.BadProxyError as error:
            via, bad_proxy = None, "{}_proxy: {}.".format(place.scheme, error)
        journeys.append(dialling.Journey(place, via))
    return journeys, bad_proxy


def _bundle(machine: Machine, agent: agent_facts.AgentFacts) -> str:
    said = agent.variables.get("SSL_CERT_FILE", "")
    for name in (said, *_BUNDLES):
        if name and machine.exists(name):
            return machine.path(name)
    return ""


def _own_certificate(machine: Machine) -> str:
    return machine.path(_OWN_CERTIFICATE) if machine.exists(_OWN_CERTIFICATE) else ""
