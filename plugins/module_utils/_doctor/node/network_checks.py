# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Judge the agent's way to AWS: N3 to N8. Pure; runs on nodes, with Python 3.6."""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._doctor.checks import Check, fail, ok, skip, unknown, warn
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node import clock, dialling
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.dialling import Answer, Journey
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.network_facts import NetworkFacts, host, hosts, server, told
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.proxy_check import proxy
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.redaction import redact
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.symptoms import RESTART, Symptom

# What proxies and gateways answer in place of the server that they do not reach, or do not let one reach.
_FOREIGN_STATUSES = frozenset((407, 451, 502, 503, 504, 511))
_REFUSES_UPGRADE = frozenset((403, 405, 426, 500, 501))

_NAMES = "the names of AWS's endpoints"
_NO_REGION = "Give the option region, as the node has no registration yet that names one."


def all_of(facts: NetworkFacts, symptoms: "t.Mapping[str, Symptom]") -> "t.List[Check]":
    """Give N3 to N8."""
    if not facts.journeys:
        return [
            *(
                unknown(name, "No region is known.", "Nobody said to which region the node belongs.", _NO_REGION)
                for name in _WITHOUT_PROXY
            ),
            proxy(facts),
        ]
    return [
        _recent(check, symptoms)
        for check in (resolved(facts), connected(facts), right_clock(facts), trusted(facts), answered(facts), proxy(facts))
    ]


_WITHOUT_PROXY = ("N3", "N4", "N5", "N6", "N7")


def _recent(check: Check, symptoms: "t.Mapping[str, Symptom]") -> Check:
    """Warn of what the agent still suffers from, although it is well now."""
    symptom = symptoms.get(check.id)
    if symptom is None or check.status not in ("ok", "skip"):
        return check
    remedy = "It is well now: restart the agent, which otherwise tries again after up to 30 minutes only."
    return warn(check.id, "{} {}".format(symptom.evidence, check.evidence).strip(), symptom.cause, remedy)


def resolved(facts: NetworkFacts) -> Check:
    """N3: names of endpoints, or of the proxy, have addresses."""
    failed, rest = facts.failed_at(dialling.RESOLVE), facts.ended_at(dialling.RESOLVE)
    if failed:
        what = "the proxy's name" if failed[0].via else _NAMES
        remedy = (
            "Check /etc/resolv.conf and the resolver it names; in a VPC, enableDnsSupport and private DNS of the endpoints. "
            + RESTART
        )
        return fail("N3", told(failed), "The machine cannot resolve {}.".format(what), remedy)
    if _only_s3(rest):
        return warn("N3", told(rest), "S3 cannot be resolved: there will be no updates and packages.", "Check the resolver.")
    known = [journey for journey in facts.journeys if journey.addresses]
    places = {"{} is {}{}".format(host(journey), ", ".join(journey.addresses[:2]), _kind(journey)) for journey in known}
    return ok("N3", "; ".join(sorted(places)))


def connected(facts: NetworkFacts) -> Check:
    """N4: the endpoints, or the proxy, take connections."""
    failed, rest = facts.failed_at(dialling.CONNECT), facts.ended_at(dialling.CONNECT)
    if failed:
        refused = "refused" in failed[0].error
        who = "The proxy" if failed[0].via else "AWS's endpoint" if len(failed) == 1 else "AWS's endpoints"
        cause = "{} refused the connection.".format(who) if refused else "{} cannot be reached.".format(who)
        remedy = (
            "Check that the proxy runs at that address and port. "
            if failed[0].via
            else "Allow TCP to port 443: security groups, network ACLs, routes, firewalls; or set a proxy in the agent's unit. "
        )
        return fail("N4", told(failed), cause, remedy + RESTART)
    if _only_s3(rest):
        return warn(
            "N4", told(rest), "S3 cannot be reached: there will be no updates and packages.", "Allow TCP to port 443 of S3."
        )
    reached = facts.reached(dialling.PROXY)
    return ok("N4", "{} took a connection.".format(hosts(reached))) if reached else skip("N4", _NOT_REACHED)


_NOT_REACHED = "No endpoint was reached."


def right_clock(facts: NetworkFacts) -> Check:
    """N5: the machine's clock is AWS's."""
    order = sorted((journey for journey in facts.journeys if journey.date), key=lambda journey: journey.endpoint.service != "ssm")
    ahead = [(journey, clock.ahead(journey.date, journey.read_at)) for journey in order]
    known = [(journey, seconds) for journey, seconds in ahead if seconds is not None]
    if not known:
        return skip("N5", "No endpoint told the time.")
    journey, seconds = known[0]
    seen = "By {} the machine's clock is {}.".format(journey.endpoint.host, clock.told(seconds))
    remedy = (
        "Have the clock set by NTP (chrony) before the agent starts: After=time-sync.target in a drop-in of its unit. " + RESTART
    )
    if abs(seconds) > clock.FAIL_SECONDS:
        return fail("N5", seen, "The clock is wrong: AWS refuses what is signed more than five minutes off.", remedy)
    if abs(seconds) > clock.WARN_SECONDS:
        return warn("N5", seen, "The clock drifts: from five minutes on AWS refuses what the agent signs.", remedy)
    return ok("N5", seen)


def trusted(facts: NetworkFacts) -> Check:
    """N6: certificates are those of authorities that the agent trusts."""
    failed, rest = facts.failed_at(dialling.TLS), facts.ended_at(dialling.TLS)
    if failed:
        return _not_trusted(failed)
    if _only_s3(rest):
        return warn("N6", told(rest), "The certificate of S3 is not trusted: there will be no updates and packages.", _EXEMPT)
    secured = [journey for journey in facts.reached(dialling.HTTP) if journey.endpoint.scheme == "https"]
    return ok("N6", "{}: trusted.".format(hosts(secured))) if secured else skip("N6", _NOT_REACHED)


_EXEMPT = (
    "Exempt AWS's hosts from TLS inspection, or add the authority to the system's bundle (update-ca-certificates, update-ca-trust)"
    " and install the newest ca-certificates. "
)


def _not_trusted(failed: "t.Sequence[Journey]") -> Check:
    journey = failed[0]
    found = journey.certificate
    if found is None or not found.issuer:
        cause = "Something between the node and AWS breaks TLS off, by the name of the host perhaps."
        return fail("N6", told(failed), cause, "Let TLS to these hosts through, unchanged. " + RESTART)
    seen = "{} The certificate is issued by {}.".format(told(failed), redact(found.issuer))
    now = journey.read_at
    if found.begins and now and not found.begins <= now <= found.ends:
        what = "has expired" if now > found.ends else "is not valid yet"
        return fail("N6", seen, "By the machine's clock the certificate {}.".format(what), "Set the clock right. " + RESTART)
    if "ostname" in journey.error:
        return fail(
            "N6", seen, "The certificate is another host's.", "Find out who answers in AWS's place: resolver, hosts file, proxy."
        )
    return fail(
        "N6", seen, "The node does not trust {}, who issued the certificate.".format(redact(found.issuer)), _EXEMPT + RESTART
    )


def answered(facts: NetworkFacts) -> Check:
    """N7: AWS itself answers, and lets a websocket be opened."""
    silent = facts.failed_at(dialling.HTTP)
    if silent:
        return fail(
            "N7", told(silent), "The endpoint takes connections, but does not answer.", "Find out what is in between. " + RESTART
        )
    for journey in facts.journeys:
        if facts.is_required(journey) and journey.answer is not None and _is_foreign(journey.answer):
            seen = "{} answered {}{}.".format(journey.endpoint.host, journey.answer.status, server(journey.answer))
            return fail(
                "N7", seen, "Something else answers in AWS's place.", "Put the host on the list of those let through. " + RESTART
            )
    refused = next((seen for seen in map(_refused_upgrade, facts.journeys) if seen), "")
    if refused:
        return fail(
            "N7",
            refused,
            "Something between the node and AWS lets no websocket through, without which there are no sessions and commands.",
            "Let the header Upgrade pass to ssmmessages, or exempt the host from the proxy's inspection. " + RESTART,
        )
    reached = [journey for journey in facts.journeys if journey.answer is not None]
    return ok("N7", "{} answered.".format(hosts(reached))) if reached else skip("N7", _NOT_REACHED)


def _is_foreign(answer: Answer) -> bool:
    if answer.is_of_aws():
        return False
    is_page = answer.status in (200, 403) and "html" in answer.headers.get("content-type", "")
    return answer.status in _FOREIGN_STATUSES or is_page


def _refused_upgrade(journey: Journey) -> str:
    """Say how a websocket was refused by somebody who is not AWS, who would refuse it for want of a signature."""
    host = journey.endpoint.host
    if journey.stopped_at(dialling.UPGRADE):
        return "{}: a websocket is not answered ({}).".format(host, journey.error)
    answer, plain = journey.upgrade, journey.answer
    if answer is None or plain is None or answer.is_of_aws():
        return ""
    refused = answer.status in _REFUSES_UPGRADE and plain.is_of_aws()
    return "{} answered {}{} to a websocket.".format(host, answer.status, server(answer)) if refused or _is_foreign(answer) else ""


def _only_s3(journeys: "t.Sequence[Journey]") -> bool:
    return any(journey.endpoint.service == "s3" for journey in journeys)


def _kind(journey: Journey) -> str:
    return " (private)" if journey.is_private() else ""
