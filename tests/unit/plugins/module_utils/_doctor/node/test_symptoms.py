# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines of the agent's log tell what is wrong, and when it no longer is. (Each line's cause: test_identity_faults.)"""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node import symptoms
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.agent_log import Line
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.redaction import readable

NOW = 1_000_000.0
URL = 'Post "https://ssm.eu-west-1.amazonaws.com/": '


def told(*messages: str) -> dict[str, symptoms.Symptom]:
    return symptoms.recognise([Line(NOW, "ERROR", message) for message in messages], NOW)


@pytest.mark.parametrize(
    ("message", "check_id"),
    [
        (URL + "dial tcp: lookup ssm.eu-west-1.amazonaws.com on 10.0.0.2:53: no such host", "N3"),
        ("dial tcp: lookup ssm.xn--eu-west-1-1b0a.amazonaws.com", "N3"),
        (URL + "dial tcp 10.0.0.1:443: i/o timeout", "N4"),
        (URL + "dial tcp 10.0.0.1:443: connect: connection refused", "N4"),
        ("InvalidSignatureException: Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z", "N5"),
        ("Signature not yet current: 20260101T000000Z is still later than", "N5"),
        (URL + "x509: certificate signed by unknown authority", "N6"),
        ("Failed to dial websocket, status: 502 Bad Gateway, err: websocket: bad handshake", "N7"),
        ("failed to connect to http proxy with status code 407", "N8"),
        (URL + "proxyconnect tcp: dial tcp 10.0.0.9:3128: i/o timeout", "N8"),
        ("EC2MetadataError: failed to make EC2Metadata request", "N14"),
        ('Put "http://169.254.169.254/latest/api/token": dial tcp 169.254.169.254:80: i/o timeout', "N14"),
        ("write /var/log/amazon/ssm/x: no space left on device", "N16"),
    ],
)
def test_a_line_is_recognised(message: str, check_id: str) -> None:
    assert list(told(message)) == [check_id]


def test_the_cause_of_an_untrusted_certificate_is_quoted() -> None:
    assert "certificate signed by unknown authority" in told(URL + "x509: certificate signed by unknown authority")["N6"].cause


@pytest.mark.parametrize(
    "message",
    [
        'Post "https://logs.eu-west-1.amazonaws.com/": dial tcp: i/o timeout',
        'Post "https://monitoring.eu-west-1.amazonaws.com/": x509: certificate signed by unknown authority',
        "lookup s3.eu-west-1.amazonaws.com: no such host",
        "Health ping",
    ],
)
def test_what_happens_to_other_services_is_not_the_agents(message: str) -> None:
    assert told(message) == {}


@pytest.mark.parametrize(
    "message",
    [
        "Failed to upload output to S3: AccessDenied: Access Denied status code: 403",
        "AccessDeniedException: User: x is not authorized to perform: logs:CreateLogStream on resource: y",
        "dial tcp 127.0.0.1:3306: connect: connection refused",
        "[port plugin] dial tcp: lookup db.example.com: no such host",
    ],
)
def test_what_keeps_no_node_from_being_managed_is_not_told(message: str) -> None:
    assert told(message) == {}


def test_an_endpoint_of_a_vpc_is_the_agents() -> None:
    assert list(told("dial tcp: lookup vpce-1.ssm.eu-west-1.vpce.amazonaws.com: no such host")) == ["N3"]


def test_a_later_success_takes_an_error_back() -> None:
    assert told(URL + "i/o timeout", "Credentials ready") == {}


def test_an_earlier_success_does_not() -> None:
    assert list(told("Credentials ready", URL + "i/o timeout")) == ["N4"]


def test_credentials_do_not_take_back_what_denies_the_websocket() -> None:
    assert list(told("Failed to dial websocket, status: 403 Forbidden", "Credentials ready")) == ["N7"]
    assert told("Failed to dial websocket, status: 403 Forbidden", "Set up control channel successfully") == {}


def test_what_it_shows_has_no_secrets() -> None:
    shown = repr(told("AccessDeniedException: ASIAIOSFODNN7EXAMPLE is not authorized to perform: ssmmessages:X"))
    assert "ASIAIOSFODNN7EXAMPLE" not in shown
    assert "ssmmessages:X" in shown


def test_the_last_word_tells_whether_the_agent_is_well() -> None:
    def is_well(*messages: str) -> bool:
        return symptoms.is_well([Line(NOW, "INFO", message) for message in messages])

    assert is_well("Set up control channel successfully", "something")
    assert not is_well("Set up control channel successfully", URL + "i/o timeout")
    assert not is_well("something")


@hypothesis.given(
    st.lists(st.binary().map(readable) | st.sampled_from(["Entering SSM Agent hibernate - ", "x509: ", "AccessDenied"]))
)
def test_any_bytes_can_be_in_a_log(messages: list[str]) -> None:
    log = [Line(NOW, "ERROR", message) for message in messages]
    for symptom in symptoms.recognise(log, NOW).values():
        assert symptom.cause
        assert symptom.remedy
    symptoms.hibernation(log, log)
    symptoms.is_well(log)
