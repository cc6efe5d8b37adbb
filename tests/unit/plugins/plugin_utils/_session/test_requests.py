# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What workers and the broker say to each other, and how a node is described."""

from __future__ import annotations

import json

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


def test_failures_cross_the_socket_by_name() -> None:
    for name, kind in failures.BY_NAME.items():
        assert kind.__name__ == name
        assert issubclass(kind, failures.SessionFailure)
