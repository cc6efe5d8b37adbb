# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Judge the agent's proxy: N8. Pure; runs on nodes, with Python 3.6."""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent.configuration import METADATA
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.checks import Check, fail, ok, skip
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node import dialling, unit_environment
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.agent_facts import UNITS, AgentFacts
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.dialling import Journey
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.network_facts import NetworkFacts, told
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.symptoms import RESTART


def proxy(facts: NetworkFacts) -> Check:
    """N8: the agent's proxy is the right one, and lets it through."""
    agent = facts.agent
    if facts.bad_proxy:
        return fail("N8", facts.bad_proxy, "The proxy's URL cannot be read.", _SET_PROXY.format(unit=UNITS[agent.kind]))
    refused = facts.failed_at(dialling.PROXY)
    if refused:
        return _refused_by_proxy(refused)
    if _is_cut_off(facts):
        return _forgotten(agent) or skip("N8", "The agent has none.")
    via = next((journey.via for journey in facts.journeys if journey.via), None)
    imds = unit_environment.is_exempt(agent.variables, METADATA)
    if facts.is_ec2 and agent.variables.get("HTTP_PROXY", agent.variables.get("http_proxy")) and not imds:
        return fail(
            "N8",
            "http_proxy is set, no_proxy does not name {}.".format(METADATA),
            "The agent asks the proxy for the instance metadata service.",
            "Add no_proxy={} to {}. ".format(METADATA, UNITS[agent.kind]) + RESTART,
        )
    return ok(
        "N8", "The agent's proxy {} lets it through.".format(via) if via and facts.reached(dialling.TLS) else "The agent has none."
    )


_SET_PROXY = (
    "Set https_proxy and no_proxy=169.254.169.254 in a drop-in of {unit}, then: systemctl daemon-reload; systemctl restart {unit}"
)


def _refused_by_proxy(refused: "t.Sequence[Journey]") -> Check:
    seen, status = told(refused), refused[0].proxy_status
    if status == 407:
        remedy = "Put user and password into https_proxy of the agent's unit, or let these hosts through without. " + RESTART
        return fail("N8", seen, "The proxy wants a user and password, and the agent sends none, or wrong ones.", remedy)
    if status in (401, 403):
        return fail(
            "N8", seen, "The proxy does not let the node through to this host.", "Put these hosts on the proxy's list. " + RESTART
        )
    if status:
        return fail(
            "N8", seen, "The proxy does not reach AWS itself.", "Look at the proxy's own resolver, routes and log. " + RESTART
        )
    return fail(
        "N8", seen, "What is named as proxy is none, or does not answer.", "Check the address and port of https_proxy. " + RESTART
    )


def _is_cut_off(facts: NetworkFacts) -> bool:
    direct = [journey for journey in facts.journeys if facts.is_required(journey) and journey.via is None]
    return bool(direct) and all(journey.error and not journey.passed(dialling.CONNECT) for journey in direct)


def _forgotten(agent: AgentFacts) -> "t.Optional[Check]":
    """Find a proxy that was meant for the agent and has not come to it."""
    unit = UNITS[agent.kind]
    restart = "systemctl daemon-reload; systemctl restart {}".format(unit)
    if agent.environment is not None and unit_environment.names_a_proxy(agent.unit_variables):
        cause = "The unit has a proxy that the running agent does not have yet."
        return fail("N8", "{} names a proxy, the process's environment does not.".format(unit), cause, restart)
    if unit_environment.names_a_proxy(agent.other_unit_variables):
        cause = "The proxy is set for another unit than the agent's."
        return fail("N8", "The agent's unit is {}, which names none.".format(unit), cause, _SET_PROXY.format(unit=unit))
    if unit_environment.names_a_proxy(agent.machine_variables):
        cause = "The machine has a proxy, but the agent's unit does not name it."
        return fail("N8", "/etc/environment names a proxy, {} does not.".format(unit), cause, _SET_PROXY.format(unit=unit))
    return None
