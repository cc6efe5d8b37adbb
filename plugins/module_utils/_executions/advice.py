# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Say what to do about a failure, by what AWS and the node say of it. A table; pure."""

from __future__ import annotations

import re
import typing as t


class Advice(t.NamedTuple):
    """What to do where the status, the exit code and the text are such; an empty one is any."""

    remedy: str
    statuses: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    text: str = ""


_REACH = "fleet.ssm.node_doctor says why the node is not reached."

# The first that applies counts. Statuses: https://docs.aws.amazon.com/systems-manager/latest/userguide/monitor-commands.html.
# Codes from 126 on are the shell's; 194 is Run Command's own for a reboot (userguide/send-commands-reboot.html).
TABLE = (
    Advice(f"The command never reached the node. {_REACH}", ("Undeliverable", "DeliveryTimedOut")),
    Advice("It took longer than its executionTimeout: raise that, or see what it waits for.", ("ExecutionTimedOut",)),
    Advice("The document is not for this platform: choose other targets, or another document.", ("InvalidPlatform",)),
    Advice("No node matches the targets: correct the tag or resource group, or register the nodes.", ("NoInstancesInTag",)),
    Advice("Other nodes failed, and max_errors was reached: mend those first.", ("Terminated", "Incomplete")),
    Advice("The account runs too many at once: run fewer, or later.", ("LimitExceeded", "RateExceeded")),
    Advice("Somebody cancelled it, or rejected it: run it again.", ("Cancelled", "Rejected", "ChangeCalendarOverrideRejected")),
    Advice("Allow {0} for the role named in the message.", text=r"not authorized to perform:? ([\w-]+:\w+)"),
    Advice(
        f"Systems Manager does not know the node as online. {_REACH}", text=r"not in a valid state|InvalidInstanceId|ConnectionLost"
    ),
    Advice("Make room on the node's disk, and run it again.", text=r"No space left on device"),
    Advice(
        "Another installation holds the lock of the package manager: run it again when that has ended.",
        text=r"Could not get lock|Unable to acquire the dpkg|another process is using it|Waiting for process with pid|yum\.pid",
    ),
    Advice(
        "Give the node name resolution for that host: its resolver, or a VPC endpoint with private DNS.",
        text=r"Could not resolve|Temporary failure (?:in name resolution|resolving)|no such host|Name or service not known",
    ),
    Advice(
        "The node does not trust the certificate of that server: install the authority of what intercepts TLS, or set the clock.",
        text=r"certificate signed by unknown authority|CERTIFICATE_VERIFY_FAILED|certificate verify failed|certificate problem",
    ),
    Advice(
        "The node has no way to that server: open it in security groups, firewall or proxy, or add a VPC endpoint.",
        text=r"i/o timeout|Connection timed out|Connection refused|Network is unreachable|Failed to connect to",
    ),
    Advice(
        "Let the node's role, and the bucket's or server's policy, allow the download.",
        text=r"AccessDenied|Access Denied|403 Forbidden|status code: 403",
    ),
    Advice("AWS throttled it: run it later, or on fewer nodes at once.", text=r"Rate exceeded|ThrottlingException|Throttling:"),
    Advice("Run it as a user who may do that; Run Command itself runs as root.", text=r"Permission denied"),
    Advice("The agent did not start it on the node. " + _REACH, codes=(-1,)),
    Advice("The node waits for a reboot: reboot it, and the command goes on.", codes=(194,)),
    Advice("The shell did not find a program: install it, or give its whole path.", codes=(127,)),
    Advice("The shell may not execute the program: look at its mode, and at noexec of its file system.", codes=(126,)),
    Advice("It was killed, for want of memory as a rule: journalctl -k on the node says so.", codes=(137,)),
    Advice("It was asked to end (SIGTERM), as at a shutdown of the machine: run it again.", codes=(143,)),
    Advice("It took too long: raise the step's timeoutSeconds, or see what it waits for.", ("TimedOut",)),
)

_OTHERWISE = "See its output, mend that on the node, and run it again."


def remedy(status: str, code: int | None, text: str) -> str:
    """Say what to do next; text is all that was said and printed."""
    for advice in TABLE:
        if advice.statuses and status not in advice.statuses:
            continue
        if advice.codes and code not in advice.codes:
            continue
        found = re.search(advice.text, text)
        if found:
            return advice.remedy.format(*found.groups())
    return _OTHERWISE
