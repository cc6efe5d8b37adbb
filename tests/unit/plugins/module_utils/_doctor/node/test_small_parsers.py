# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Registration files, endpoints, dates, certificates, heads of HTTP answers and mounts are read, whatever they hold."""

from __future__ import annotations

import contextlib
import json
import ssl
import time

import hypothesis
import hypothesis.strategies as st
import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node import certificate, clock, dialling, endpoints, registration
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.redaction import readable
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.system_checks import mount_options

from tests.unit.plugins.module_utils._doctor.node.stand_ins import Authority

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["instanceID", "hardwareHash", "machine-id", "Region", "x"]), inner)
    ),
).map(json.dumps)


def test_a_registration_needs_all_three_parts() -> None:
    whole = {"instanceID": "mi-1", "region": "eu-west-1", "privateKey": "key"}
    assert registration.vault_registration(json.dumps(whole)) == ("mi-1", "eu-west-1", True)
    for name in whole:
        assert not registration.vault_registration(json.dumps({**whole, name: ""})).complete


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        ("2026-01-02T03:04:05Z", 1767323045.0),
        ("2026-01-02T03:04:05.123456789Z", 1767323045.0),
        ("2026-01-02T05:04:05+02:00", 1767323045.0),
        ("2026-01-02T01:04:05-02:00", 1767323045.0),
        ("0001-01-01T00:00:00Z", 0.0),
        ("2026-99-02T03:04:05Z", 0.0),
        ("soon", 0.0),
    ],
)
def test_credentials_have_an_end(moment: str, seconds: float) -> None:
    assert registration.identity(json.dumps({"CredentialsExpiresAt": moment})).expires == seconds


@hypothesis.given(st.binary().map(readable) | JSON)
def test_any_bytes_can_be_in_the_files_of_a_registration(text: str) -> None:
    registration.vault_registration(text)
    registration.registration_file(text)
    registration.fingerprint(text)
    registration.identity(text)


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-1", "ssm.eu-west-1.amazonaws.com"),
        ("us-gov-west-1", "ssm.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "ssm.cn-north-1.amazonaws.com.cn"),
        ("us-iso-east-1", "ssm.us-iso-east-1.c2s.ic.gov"),
        ("us-isob-east-1", "ssm.us-isob-east-1.sc2s.sgov.gov"),
        ("eusc-de-east-1", "ssm.eusc-de-east-1.amazonaws.eu"),
    ],
)
def test_an_endpoint_is_named_as_botocore_names_it(region: str, host: str) -> None:
    import botocore.session

    assert endpoints.endpoints(region)[0] == endpoints.Endpoint("ssm", host)
    client = botocore.session.Session().create_client("ssm", region, aws_access_key_id="a", aws_secret_access_key="b")
    assert client.meta.endpoint_url == "https://" + host
    assert endpoints.region_of(host) == region


def test_what_was_said_takes_an_endpoints_place() -> None:
    found = endpoints.endpoints("eu-west-1", {"ssm": "vpce-1.example", "s3": "http://[::1]:8080/x"})
    assert [(place.service, place.host, place.port, place.scheme) for place in found if place.service in ("ssm", "s3")] == [
        ("ssm", "vpce-1.example", 443, "https"),
        ("s3", "::1", 8080, "http"),
    ]


@pytest.mark.parametrize("text", ["https://", "ftp://x", "https://x:y", "https://[::1"])
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(endpoints.BadEndpointError, match="ssm"):
        endpoints.endpoints("", {"ssm": text})


@hypothesis.given(st.text())
def test_any_text_is_an_endpoint_or_refused(text: str) -> None:
    endpoints.region_of(text)
    with contextlib.suppress(endpoints.BadEndpointError):
        endpoints.endpoints(text, {"ssm": text})


def test_a_clock_is_compared_with_a_date() -> None:
    assert clock.ahead("Fri, 02 Jan 2026 03:04:05 GMT", 1767323045.5 + 10) == 10


@pytest.mark.parametrize(
    ("seconds", "words"), [(3, "3 seconds ahead"), (-400, "7 minutes behind"), (7200, "2 hours ahead"), (-864000, "10 days behind")]
)
def test_a_difference_is_told_in_words(seconds: float, words: str) -> None:
    assert clock.told(seconds) == words


@hypothesis.given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ .*"))
def test_any_text_is_a_date_or_none(text: str) -> None:
    found = clock.ahead(text, time.time())
    assert found is None or isinstance(found, float)


def test_a_certificate_names_issuer_and_dates(authority: Authority) -> None:
    der = ssl.PEM_cert_to_DER_cert(authority.path.read_text(encoding="ascii"))
    found = certificate.parse(der)
    assert found.issuer == "Trusted, Example"
    assert found.ends - found.begins == 7200
    assert abs((found.ends + found.begins) / 2 - time.time()) < 600


@hypothesis.given(damage=st.lists(st.tuples(st.integers(0, 10000), st.integers(0, 255)), min_size=1, max_size=5))
def test_a_damaged_certificate_is_read_as_far_as_it_can_be(damage: list[tuple[int, int]], authority: Authority) -> None:
    der = bytearray(ssl.PEM_cert_to_DER_cert(authority.path.read_text(encoding="ascii")))
    for place, value in damage:
        der[place % len(der)] = value
    assert isinstance(certificate.parse(bytes(der)), certificate.Certificate)


@hypothesis.given(st.binary())
def test_any_bytes_are_a_certificate_that_says_nothing(content: bytes) -> None:
    assert isinstance(certificate.parse(content), certificate.Certificate)


def test_the_head_of_an_answer_is_read() -> None:
    answer = dialling.parse_head(b"HTTP/1.1 404 Not Found\r\nX-Amzn-RequestId: 1\r\nDate : x:y\r\n\r\nbody")
    assert (answer.status, answer.headers) == (404, {"x-amzn-requestid": "1", "date": "x:y"})
    assert answer.is_of_aws()


@hypothesis.given(st.binary() | st.binary().map(lambda rest: b"HTTP/1.1 200 " + rest))
def test_any_bytes_are_an_answer_or_none(content: bytes) -> None:
    with contextlib.suppress(OSError):
        assert 0 <= dialling.parse_head(content).status <= 999


@hypothesis.given(st.binary().map(readable))
def test_any_bytes_can_be_in_the_list_of_mounts(text: str) -> None:
    assert isinstance(mount_options(text, "/var/lib/amazon/ssm"), frozenset)


def test_the_last_mount_on_the_way_counts() -> None:
    mounts = "a / ext4 rw 0 0\nb /var ext4 rw,noexec 0 0\nc /var/lib ext4 rw,nosuid 0 0\nd /var/lib ext4 ro 0 0\nshort line"
    assert mount_options(mounts, "/var/lib/amazon/ssm") == {"ro"}
    assert mount_options(mounts, "/var/log") == {"rw", "noexec"}
