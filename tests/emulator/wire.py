# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs and unpacks AgentMessage, the binary frame of Session Manager's websockets.

The emulator's own codec: the collection has another one, so that one mistake cannot pass on both sides. Layout from
amazon-ssm-agent, agent/session/contracts/agentmessage.go; all numbers are big-endian.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import struct
import time
import typing as t
import uuid

HEADER_LENGTH = 116  # as the frame says of itself; the payload begins 4 bytes later, behind its own length
HEADER = struct.Struct(">I32sIQqQ16s32sII")
TYPE = slice(4, 36)

SYN, FIN = 1, 2
ACK_FLAGS = SYN | FIN  # what agent and plugin put on everything that is not numbered

OUTPUT, ERROR, SIZE, PARAMETER, HANDSHAKE_REQUEST, HANDSHAKE_RESPONSE, HANDSHAKE_COMPLETE = range(1, 8)
CHALLENGE_REQUEST, CHALLENGE_RESPONSE, FLAG, STDERR, EXIT_CODE = range(8, 13)
DISCONNECT_TO_PORT, TERMINATE_SESSION, CONNECT_TO_PORT_ERROR = 1, 2, 3


class BadFrameError(ValueError):
    """The bytes are no AgentMessage."""


@dataclasses.dataclass
class Message:
    """One frame, taken apart."""

    type: str
    payload: bytes = b""
    sequence: int = 0
    payload_type: int = 0
    flags: int = 0
    id: uuid.UUID = dataclasses.field(default_factory=uuid.uuid4)
    created: int = dataclasses.field(default_factory=lambda: int(time.time() * 1000))  # 0 is refused by the agent
    schema_version: int = 1

    def json(self) -> dict[str, t.Any]:
        """Read a payload that is a JSON object."""
        try:
            content = json.loads(self.payload)
        except ValueError as error:
            raise BadFrameError(f"{self.type}: the payload is no JSON") from error
        if not isinstance(content, dict):
            raise BadFrameError(f"{self.type}: the payload is no JSON object")
        return content


def pack(message: Message) -> bytes:
    """Return the frame."""
    low_first = message.id.bytes[8:] + message.id.bytes[:8]  # the halves of the id are swapped on the wire
    header = HEADER.pack(
        HEADER_LENGTH,
        message.type.encode().ljust(32),
        message.schema_version,
        message.created,
        message.sequence,
        message.flags,
        low_first,
        hashlib.sha256(message.payload).digest(),
        message.payload_type,
        len(message.payload),
    )
    return header + message.payload


def unpack(frame: bytes) -> Message:
    """Take a frame apart; like the real agent, ignore digest and payload length, and trust the header's length."""
    if len(frame) < HEADER.size:
        raise BadFrameError(f"{len(frame)} bytes are too few for a frame")
    length, kind, schema, created, sequence, flags, low_first, _digest, payload_type, _size = HEADER.unpack_from(frame)
    if not HEADER_LENGTH <= length <= len(frame) - 4:
        raise BadFrameError(f"a header length of {length} cannot be")
    if created == 0:
        raise BadFrameError("created is 0")
    name = kind.strip(b" \0").decode("ascii", "replace")
    if not name:
        raise BadFrameError("the message type is empty")
    message_id = uuid.UUID(bytes=low_first[8:] + low_first[:8])
    return Message(name, frame[length + 4 :], sequence, payload_type, flags, message_id, created, schema)


def kind_of(frame: bytes) -> bytes:
    """Return just the message type: all that a relay needs to know of most frames."""
    return frame[TYPE].strip(b" \0")


def is_typed(frame: bytes) -> bool:
    """Whether it is input in the sense of the idle timeout: bytes for the session's program."""
    return kind_of(frame) == b"input_stream_data" and int.from_bytes(frame[112:116], "big") == OUTPUT


def document(kind: str, content: dict[str, t.Any], flags: int = ACK_FLAGS) -> bytes:
    """Return a frame of a message whose payload is JSON and that is not numbered."""
    return pack(Message(kind, json.dumps(content).encode(), flags=flags))


def acknowledge(message: Message) -> bytes:
    """Return the frame that acknowledges a stream frame."""
    return document(
        "acknowledge",
        {
            "AcknowledgedMessageType": message.type,
            "AcknowledgedMessageId": str(message.id),
            "AcknowledgedMessageSequenceNumber": message.sequence,
            "IsSequentialMessage": True,
        },
    )
