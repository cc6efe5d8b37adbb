# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Hold how far the ways to the endpoints were gone, and tell it. Pure; runs on nodes, with Python 3.6."""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node import dialling
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.agent_facts import AgentFacts
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.dialling import Answer, Journey
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.endpoints import REQUIRED
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.redaction import redact

# From this version on the agent needs no ec2messages, as AWS's user guide says.
_WITHOUT_EC2MESSAGES = (3, 3, 40)


class NetworkFacts(t.NamedTuple):
    """The journeys to all endpoints, none where no region is known, and the agent's environment and version."""

    journeys: "t.List[Journey]"
    agent: AgentFacts
    version: str
    is_ec2: bool
    bad_proxy: str
    """Why the proxy's URL cannot be read; empty when it can."""

    def ended_at(self, step: str) -> "t.List[Journey]":
        """Give those that ended at a step, the required ones first."""
        found = [journey for journey in self.journeys if journey.stopped_at(step)]
        return sorted(found, key=lambda journey: not self.is_required(journey))

    def is_required(self, journey: Journey) -> bool:
        """Say whether the agent needs the endpoint."""
        service = journey.endpoint.service
        return service in REQUIRED or (service == "ec2messages" and is_older(self.version, _WITHOUT_EC2MESSAGES))

    def failed_at(self, step: str) -> "t.List[Journey]":
        """Give those that ended at a step, and matter."""
        return [journey for journey in self.ended_at(step) if self.is_required(journey)]

    def reached(self, step: str) -> "t.List[Journey]":
        """Give those that came as far as a step."""
        return [journey for journey in self.journeys if dialling.STEPS.index(journey.step) >= dialling.STEPS.index(step)]


def is_older(version: str, than: "t.Tuple[int, ...]") -> bool:
    """Say whether an agent's version is known to be older."""
    numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
    return bool(numbers) and numbers < than


def host(journey: Journey) -> str:
    """Name what a journey connects to."""
    return str(journey.via) if journey.via else journey.endpoint.host


def hosts(journeys: "t.Sequence[Journey]") -> str:
    """Name the endpoints of journeys."""
    return ", ".join(sorted({journey.endpoint.host for journey in journeys}))


def told(journeys: "t.Sequence[Journey]") -> str:
    """Say why journeys ended."""
    return (
        "; ".join(
            "{}{}: {}".format(journey.endpoint.host, " by {}".format(journey.via) if journey.via else "", redact(journey.error))
            for journey in journeys
        )
        + "."
    )


def server(answer: Answer) -> str:
    """Say in parentheses which program answered; empty when it does not tell."""
    name = answer.headers.get("server", "") or answer.headers.get("via", "")
    return " ({})".format(redact(name)) if name else ""
