# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets do not come through, and what helps does."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.redaction import readable, redact

KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("using AKIAIOSFODNN7EXAMPLE now", "AKIAIOSFODNN7EXAMPLE"),
        ("using ASIAIOSFODNN7EXAMPLE now", "ASIAIOSFODNN7EXAMPLE"),
        (f"aws_secret_access_key = {KEY}", KEY),
        (f'{{"SecretAccessKey": "{KEY}", "x": 1}}', KEY),
        (f"the key {KEY} was refused", KEY),
        ("aws_session_token=IQoJb3JpZ2luX2VjE", "IQoJb3JpZ2luX2VjE"),
        ("GET /?X-Amz-Signature=0badc0de&X-Amz-Date=1", "0badc0de"),
        ("amazon-ssm-agent -register -code aB3dE5gH7jK9mN1pQ3sT -id 1", "aB3dE5gH7jK9mN1pQ3sT"),
        ("activation_code: aB3dE5gH7jK9mN1pQ3sT", "aB3dE5gH7jK9mN1pQ3sT"),
        ("Activation code aB3dE5gH7jK9mN1pQ3sT is wrong", "aB3dE5gH7jK9mN1pQ3sT"),
        ("http_proxy: http://user:swordfish@proxy:3128", "swordfish"),
        ("Proxy-Authorization: Basic dXNlcjpzd29yZGZpc2g=", "dXNlcjpzd29yZGZpc2g="),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----", "MIIB"),
        ('"privateKey":"MIIEvgIBADANBgkqhkiG"', "MIIEvgIBADANBgkqhkiG"),
    ],
)
def test_a_secret_is_blacked_out(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert "(secret)" in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "lookup ssm.eu-west-1.amazonaws.com: no such host",
        "User: arn:aws:sts::123456789012:assumed-role/AmazonSSMManagedInstanceCoreRole/mi-0123456789abcdef0 is not authorized",
        "The hardware ID (3f2c0a9b8d7e4f6a9b1c2d3e4f5a6b7c) has changed",
        "status code: 400, request id: 5743558d-563b-4457-8682-d16c3example",
        "/var/lib/amazon/ssm/mi-0123456789abcdef0/document/orchestration/5743558d-563b-4457-8682-d16c3example",
    ],
)
def test_what_helps_stays(text: str) -> None:
    assert redact(text) == text


def test_what_is_too_long_is_cut() -> None:
    assert len(redact("word " * 1000)) == 300


@hypothesis.given(st.binary())
def test_any_bytes_are_readable_and_can_be_redacted(content: bytes) -> None:
    assert len(redact(readable(content))) <= 300


@hypothesis.given(st.text(), st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", min_size=16, max_size=16))
def test_a_key_is_blacked_out_wherever_it_stands(around: str, key: str) -> None:
    assert f"AKIA{key}" not in redact(f"{around} AKIA{key} {around}")
