# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a registration was refused, from what the agent printed."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._agent.refusals import explain

# As core/agent_parser.go prints it, around what AWS or Go say.
_LINE = "2026-01-01 12:00:00 ERROR Registration failed due to error registering the instance with AWS SSM. {0}\n"


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("ActivationExpired: null\n\tstatus code: 400, request id: x", "The activation has expired."),
        ("InvalidActivation: \n\tstatus code: 400", "its code is wrong, it was deleted, or it is another region's"),
        ("RegistrationLimitExceeded: The limit is reached", "The activation is used up."),
        (
            'RequestError: send request failed\ncaused by: Post "https://ssm.r/": dial tcp: lookup ssm.r: no such host',
            "not resolved",
        ),
        (
            'caused by: Post "https://ssm.r/": x509: certificate signed by unknown authority',
            "does not trust the certificate of ssm.r",
        ),
        ('caused by: Post "https://ssm.r/": dial tcp 10.0.0.1:443: i/o timeout', "cannot be reached at port 443"),
        ("caused by: dial tcp 10.0.0.1:443: connect: connection refused", "cannot be reached at port 443"),
        ("proxyconnect tcp: failed with status code 407", "The proxy wants other credentials."),
        (
            "InvalidSignatureException: Signature expired: 1 is now earlier than 2 (3 - 5 min.)",
            "The clock of the machine is wrong.",
        ),
        ("write /var/lib/amazon/ssm/Vault: no space left on device", "The disk of the machine is full."),
        ("AccessDeniedException: no", "the activation's role may be assumed by ssm.amazonaws.com"),
        ("something else", "The agent could not register."),
    ],
)
def test_a_cause_is_told_in_a_sentence_with_the_agents_own_line(said: str, sentence: str) -> None:
    told = explain(_LINE.format(said), "r", "secret")
    assert sentence in told
    assert "The agent said: " in told


def test_the_activation_code_is_not_told() -> None:
    told = explain(_LINE.format("bad code c0de"), "r", "c0de")
    assert "c0de" not in told
    assert "bad code ***" in told


def test_an_agent_that_says_nothing_is_not_quoted() -> None:
    assert explain("", "r", "") == "The agent could not register."
