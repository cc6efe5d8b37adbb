# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Say in a sentence why a registration was refused, from what the agent printed. Runs on the node: Python 3.6."""

import re

# What AWS and Go say; the first that is found counts.
_CAUSES = (
    ("ActivationExpired", "The activation has expired. Create another one."),
    (
        "InvalidActivation",
        "AWS does not take this activation: its id or its code is wrong, it was deleted, or it is another region's or account's"
        " than {region}.",
    ),
    (r"Registration ?Limit|limit .*(reached|exceeded)", "The activation is used up. Create one with a higher registration_limit."),
    (r"Signature expired|not yet current|RequestExpired", "The clock of the machine is wrong. Have it set by NTP."),
    (
        r"x509|certificate",
        "The machine does not trust the certificate of ssm.{region}. Add the authority that signs it, or the proxy's.",
    ),
    (r"\b407\b|Proxy Authentication", "The proxy wants other credentials. Give the agent a proxy that lets it through."),
    (
        r"no such host|server misbehaving",
        "The name of ssm.{region} is not resolved. Check the region, the resolver and a VPC endpoint's private DNS.",
    ),
    (
        r"i/o timeout|connection refused|unreachable|context deadline exceeded|Timeout",
        "ssm.{region} cannot be reached at port 443. Check route, firewall, proxy and VPC endpoint.",
    ),
    (r"[Nn]o space left", "The disk of the machine is full."),
    ("AccessDenied", "AWS denies it. Check that the activation's role may be assumed by ssm.amazonaws.com."),
)
_UNKNOWN = "The agent could not register."


def explain(said: str, region: str, code: str) -> str:
    """Return the sentence and the agent's own last line of error, without the activation code."""
    cause = next((sentence for pattern, sentence in _CAUSES if re.search(pattern, said)), _UNKNOWN)
    line = _telling_line(said).replace(code, "***") if code else _telling_line(said)
    return cause.format(region=region) + (" The agent said: {0}".format(line) if line else "")


def _telling_line(said: str) -> str:
    lines = [" ".join(line.split()) for line in said.splitlines() if line.strip()]
    failed = [line for line in lines if "rror" in line or "failed" in line]
    return (failed or lines or [""])[-1][:500]
