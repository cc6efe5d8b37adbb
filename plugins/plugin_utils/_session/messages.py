# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encode and decode the messages of a Session Manager data channel.

Pure: bytes in, values out. The layout is the one of amazon-ssm-agent's ``AgentMessage`` (agent/session/contracts/agentmessage.go);
all integers are big-endian.

======  =====  ============================================================================
offset  bytes  field
======  =====  ============================================================================
0       4      header length, 116: the payload begins at *header length + 4*
4       32     message type, padded with spaces
36      4      schema version, 1
40      8      created, milliseconds since 1970; the agent refuses 0
48      8      sequence number
56      8      flags: 1 SYN, 2 FIN
64      16     message id, its two halves swapped
80      32     SHA-256 of the payload
112     4      payload type
116     4      payload length
120     …      payload
======  =====  ============================================================================
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import struct
import time
import uuid

_HEADER = struct.Struct(">I32sIQqQ8s8s32sII")
_HEADER_LENGTH = _HEADER.size - 4
_SCHEMA_VERSION = 1

MAX_PAYLOAD = 1024
"""Bytes in one stream message. Both of AWS's programs cut here, and what the service takes beyond it is not documented."""


class MessageType(str, enum.Enum):
    """The kinds of message a client sees (agent/session/contracts/model.go)."""

    INPUT = "input_stream_data"
    OUTPUT = "output_stream_data"
    ACKNOWLEDGE = "acknowledge"
    CHANNEL_CLOSED = "channel_closed"
    PAUSE = "pause_publication"
    START = "start_publication"


class PayloadType(enum.IntEnum):
    """What a stream message carries."""

    NONE = 0
    OUTPUT = 1
    ERROR = 2
    SIZE = 3
    PARAMETER = 4
    HANDSHAKE_REQUEST = 5
    HANDSHAKE_RESPONSE = 6
    HANDSHAKE_COMPLETE = 7
    ENCRYPTION_CHALLENGE_REQUEST = 8
    ENCRYPTION_CHALLENGE_RESPONSE = 9
    FLAG = 10
    STDERR = 11
    EXIT_CODE = 12


class Flags(enum.IntFlag):
    """SYN marks the first message of a direction, acknowledgements carry both."""

    NONE = 0
    SYN = 1
    FIN = 2


class MalformedMessage(ValueError):
    """Bytes that are no AgentMessage; the text says which field is wrong."""


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """One AgentMessage. ``message_type`` and ``payload_type`` stay plain, so that kinds unknown to us pass through."""

    message_type: str
    payload: bytes = b""
    payload_type: int = PayloadType.NONE
    sequence_number: int = 0
    flags: int = Flags.NONE
    message_id: uuid.UUID = dataclasses.field(default_factory=uuid.uuid4)
    created: int = dataclasses.field(default_factory=lambda: time.time_ns() // 1_000_000)

    def __str__(self) -> str:
        """Return one line for a log: never the payload, it may hold a secret."""
        return f"{self.message_type} seq={self.sequence_number} type={self.payload_type} {len(self.payload)} B"


def encode(message: Message) -> bytes:
    """Return the message as the bytes of one binary websocket frame."""
    identity = message.message_id.bytes
    return (
        _HEADER.pack(
            _HEADER_LENGTH,
            _padded(message.message_type),
            _SCHEMA_VERSION,
            message.created,
            message.sequence_number,
            message.flags,
            identity[8:],
            identity[:8],
            hashlib.sha256(message.payload).digest(),
            message.payload_type,
            len(message.payload),
        )
        + message.payload
    )


@functools.lru_cache(maxsize=16)
def _padded(message_type: str) -> bytes:
    return message_type.encode("ascii").ljust(32)


def decode(data: bytes) -> Message:
    """Read one binary websocket frame; raise MalformedMessage when it is not a whole, sound message."""
    if len(data) < _HEADER.size:
        raise MalformedMessage(f"message of {len(data)} bytes is shorter than its {_HEADER.size} byte header")
    length, kind, _schema, created, sequence, flags, low, high, digest, payload_type, payload_length = _HEADER.unpack_from(data)
    if length != _HEADER_LENGTH:
        raise MalformedMessage(f"header length is {length}, not {_HEADER_LENGTH}")
    payload = data[_HEADER.size :]
    if len(payload) < payload_length:
        raise MalformedMessage(f"payload is {len(payload)} bytes, its header says {payload_length}")
    payload = payload[:payload_length]
    # The agent always writes a digest; the service's own messages are not known to, so none at all is accepted.
    if any(digest) and hashlib.sha256(payload).digest() != digest:
        raise MalformedMessage("payload does not match its SHA-256")
    try:
        message_type = kind.strip(b" \0").decode("ascii")
    except UnicodeDecodeError:
        raise MalformedMessage(f"message type {kind!r} is not text") from None
    return Message(message_type, payload, payload_type, sequence, flags, uuid.UUID(bytes=high + low), created)
