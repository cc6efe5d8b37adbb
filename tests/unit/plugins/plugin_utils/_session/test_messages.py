# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The binary message: its bytes as the real agent's, and what is refused."""

from __future__ import annotations

import contextlib
import dataclasses
import uuid

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import messages
from hypothesis import given
from hypothesis import strategies as st

from tests.emulator import wire

_ID = uuid.UUID("dd01e56b-ff48-483e-a508-b5f073f31b16")

# The message of the agent's own test, agent/session/contracts/agentmessage_test.go: the id's halves stand swapped.
_GOLDEN = (
    b"\x00\x00\x00\x74"
    + b"input_stream_data               "
    + b"\x00\x00\x00\x01"
    + (1503434274948).to_bytes(8, "big")
    + (2).to_bytes(8, "big")
    + (1).to_bytes(8, "big")
    + bytes.fromhex("a508b5f073f31b16" + "dd01e56bff48483e")
    + bytes.fromhex("239f59ed55e737c77147cf55ad0c1b030b6d7ee748a7426952f9b852d5a935e5")
    + b"\x00\x00\x00\x01"
    + b"\x00\x00\x00\x07"
    + b"payload"
)


def _message(**changes: object) -> messages.Message:
    message = messages.Message("input_stream_data", b"payload", 1, 2, 1, _ID, 1503434274948)
    return dataclasses.replace(message, **changes)  # type: ignore[arg-type]


def test_a_message_becomes_the_bytes_the_agent_reads() -> None:
    assert messages.encode(_message()) == _GOLDEN


def test_the_agents_bytes_become_a_message() -> None:
    assert messages.decode(_GOLDEN) == _message()


@given(st.binary(max_size=2000), st.integers(0, 2**31), st.integers(0, 2**40), st.uuids(), st.sampled_from(messages.MessageType))
def test_what_is_encoded_is_decoded_by_us_and_by_another_codec(
    payload: bytes, payload_type: int, sequence: int, identity: uuid.UUID, kind: messages.MessageType
) -> None:
    message = _message(
        message_type=kind.value, payload=payload, payload_type=payload_type, sequence_number=sequence, message_id=identity
    )
    data = messages.encode(message)
    assert messages.decode(data) == message
    other = wire.unpack(data)
    assert (other.type, other.payload, other.payload_type, other.sequence, other.id) == (
        kind.value,
        payload,
        payload_type,
        sequence,
        identity,
    )


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_refused_with_a_reason(data: bytes) -> None:
    with contextlib.suppress(messages.MalformedMessage):
        messages.decode(data)


@given(st.integers(0, len(_GOLDEN) - 1), st.integers(1, 255))
def test_a_changed_payload_is_never_taken(at: int, change: int) -> None:
    damaged = bytearray(_GOLDEN)
    damaged[at] ^= change
    with contextlib.suppress(messages.MalformedMessage):
        assert messages.decode(bytes(damaged)).payload == b"payload"


def test_bytes_behind_the_payload_are_left_out() -> None:
    assert messages.decode(_GOLDEN + b"more") == _message()


def test_a_message_without_a_digest_is_taken() -> None:
    assert messages.decode(_GOLDEN[:80] + bytes(32) + _GOLDEN[112:]) == _message()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "shorter than its 120 byte header"),
        (_GOLDEN[:-1], "payload is 6 bytes, its header says 7"),
        (b"\0\0\0\x75" + _GOLDEN[4:], "header length is 117"),
        (_GOLDEN[:-1] + b"D", "does not match its SHA-256"),
        (_GOLDEN[:4] + b"\xff" + _GOLDEN[5:], "is not text"),
    ],
)
def test_a_malformed_message_says_which_field_is_wrong(data: bytes, reason: str) -> None:
    with pytest.raises(messages.MalformedMessage, match=reason):
        messages.decode(data)


def test_a_log_line_has_no_payload() -> None:
    assert str(_message(payload=b"secret")) == "input_stream_data seq=2 type=1 6 B"


def test_new_messages_have_ids_and_times_of_their_own() -> None:
    one, other = messages.Message("acknowledge"), messages.Message("acknowledge")
    assert one.message_id != other.message_id
    assert one.created > 0
