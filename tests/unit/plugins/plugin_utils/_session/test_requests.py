# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What workers and the broker say to each other, and how a node is described."""

from __future__ import annotations

import dataclasses
import json

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import failures, requests, settings
from hypothesis import given
from hypothesis import strategies as st


@given(st.dictionaries(st.text(), st.text() | st.integers()), st.binary())
def test_a_message_is_read_back(header: requests.Header, body: bytes) -> None:
    data = requests.encode(header, body)
    text, rest = requests.LENGTHS.unpack_from(data)
    assert rest == len(body)
    assert requests.decode_header(data[8 : 8 + text]) == header
    assert data[8 + text :] == body


def test_a_node_is_described_as_json_and_read_back() -> None:
    aws = AwsOptions(region="eu-west-1", profile="ops")
    node = settings.NodeSettings("mi-1", "why", ("python3",), 60.0, 30.0, 120.0, "Mine", (("program", ("{command}", "x")),))
    assert settings.read(json.loads(json.dumps(settings.describe(aws, node)))) == (aws, node)


_EXECUTE = {"operation": "execute", "node": {}, "command": "x", "task": "", "flags": 0, "converses": False}
_PUT = {"operation": "put", "node": {}, "path": "x", "task": "", "size": 0, "sha256": "", "source": "", "bucket": {}}


@pytest.mark.parametrize("header", [_EXECUTE, _PUT, {**_EXECUTE, "flags": 255}, {"operation": "adopt", "controller": 1}])
def test_a_request_that_makes_sense_is_let_through(header: requests.Header) -> None:
    requests.check(header)


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ({**_EXECUTE, "flags": 256}, "flags of a request is out of bounds"),
        ({**_EXECUTE, "flags": True}, "flags of a request is not of type int"),
        ({**_PUT, "size": -1}, "size of a request is out of bounds"),
        ({"operation": "adopt", "controller": -1}, "controller of a request is out of bounds"),
        ({**_PUT, "path": b"x"}, "path of a request is not of type str"),
        ({"operation": "reset"}, "node of a request is not of type dict"),
        ({"operation": "destroy"}, "a request for no operation"),
        ({}, "a request for no operation"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_with_the_reason(header: requests.Header, complaint: str) -> None:
    with pytest.raises(requests.MalformedRequest, match=complaint):
        requests.check(header)


def test_a_bucket_is_described_and_read_back_and_none_is_none() -> None:
    bucket = settings.BucketSettings("files", "ansible/", 1_000_000, "AES256", "")
    assert settings.bucket(dataclasses.asdict(bucket)) == bucket
    assert settings.bucket({}) is None


def test_a_bucket_of_other_members_is_refused() -> None:
    with pytest.raises(requests.MalformedRequest, match="a bucket is not described as it should be"):
        settings.bucket({"name": "files", "colour": "red"})


def test_failures_cross_the_socket_by_name() -> None:
    for name, kind in failures.BY_NAME.items():
        assert kind.__name__ == name
        assert issubclass(kind, failures.SessionFailure)
