# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and write what stream messages carry: acknowledgements, handshake, window size, end of the channel.

Pure. All but the flag are JSON with AWS's member names (agent/session/contracts/model.go).
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import typing as t
import uuid

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import messages

CLIENT_VERSION = "1.2.650.0"
"""The session-manager-plugin we behave like. Below 1.2.331 the agent changes its manners for old clients."""

_ERROR_LINE = "----------ERROR-------"
"""What agents put between a plugin's output and its error (agent/framework/processor/executer/iohandler)."""
_ACKNOWLEDGING = messages.Flags.SYN | messages.Flags.FIN

ACTION_SUCCESS = 1
ACTION_UNSUPPORTED = 3


class MalformedPayload(messages.MalformedMessage):
    """A payload that is not what its type promises."""


@dataclasses.dataclass(frozen=True, slots=True)
class ClientAction:
    """Something the agent wants of the client before the session begins: SessionType or KMSEncryption."""

    action_type: str
    parameters: dict[str, t.Any]


@dataclasses.dataclass(frozen=True, slots=True)
class ProcessedAction:
    """How the client answered one ClientAction."""

    action_type: str
    status: int
    result: dict[str, t.Any] | None = None
    error: str = ""


def _object(payload: bytes, what: str) -> dict[str, t.Any]:
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise MalformedPayload(f"{what} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise MalformedPayload(f"{what} is not a JSON object")
    return value


def open_channel(token: str, client_id: str) -> str:
    """Return the text of a data channel's first frame."""
    return json.dumps(
        {
            "MessageSchemaVersion": "1.0",
            "RequestId": str(uuid.uuid4()),
            "TokenValue": token,
            "ClientId": client_id,
            "ClientVersion": CLIENT_VERSION,
        }
    )


def acknowledge(message: messages.Message) -> messages.Message:
    """Return the acknowledgement of a stream message."""
    # Written by hand: a large file takes a hundred thousand of them.
    content = (
        f'{{"AcknowledgedMessageType":{_quoted(message.message_type)},"AcknowledgedMessageId":"{message.message_id}",'
        f'"AcknowledgedMessageSequenceNumber":{message.sequence_number},"IsSequentialMessage":true}}'
    )
    return messages.Message(messages.MessageType.ACKNOWLEDGE.value, content.encode(), flags=_ACKNOWLEDGING)


@functools.lru_cache(maxsize=8)
def _quoted(text: str) -> str:
    return json.dumps(text)


def acknowledged_sequence(payload: bytes) -> int:
    """Return the sequence number an acknowledgement is for."""
    number = _object(payload, "acknowledgement").get("AcknowledgedMessageSequenceNumber")
    if not isinstance(number, int) or isinstance(number, bool):
        raise MalformedPayload("acknowledgement has no sequence number")
    return number


def requested_actions(payload: bytes) -> list[ClientAction]:
    """Return what a HandshakeRequest asks for."""
    actions = _object(payload, "handshake request").get("RequestedClientActions") or []
    if not isinstance(actions, list) or not all(isinstance(action, dict) for action in actions):
        raise MalformedPayload("handshake request has no list of actions")
    return [
        ClientAction(
            str(action.get("ActionType", "")),
            action["ActionParameters"] if isinstance(action.get("ActionParameters"), dict) else {},
        )
        for action in actions
    ]


def handshake_response(processed: t.Sequence[ProcessedAction]) -> bytes:
    """Return a HandshakeResponse."""
    content = {
        "ClientVersion": CLIENT_VERSION,
        "ProcessedClientActions": [
            {"ActionType": action.action_type, "ActionStatus": action.status, "ActionResult": action.result, "Error": action.error}
            for action in processed
        ],
        "Errors": [action.error for action in processed if action.error],
    }
    return json.dumps(content).encode()


def key_answer(encrypted_key: bytes, *, challenged: bool) -> ProcessedAction:
    """Return the answer to KMSEncryption.

    :param encrypted_key: the data key as KMS gave it for the agent, which has KMS decrypt it.
    :param challenged: the agent's challenge is part of the encryption context.
    """
    result = {"KMSCipherTextKey": base64.b64encode(encrypted_key).decode(), "ChallengeAcknowledgement": challenged}
    return ProcessedAction("KMSEncryption", ACTION_SUCCESS, result)


def challenge(payload: bytes) -> bytes:
    """Return the bytes, encrypted, by which an agent wants to see whether we have the key."""
    try:
        return base64.b64decode(_object(payload, "encryption challenge")["Challenge"], validate=True)
    except (KeyError, TypeError, ValueError):
        raise MalformedPayload("encryption challenge holds no base64") from None


def challenge_answer(encrypted: bytes) -> bytes:
    """Return what proves it: the same bytes, encrypted the other way."""
    return json.dumps({"Challenge": base64.b64encode(encrypted).decode()}).encode()


def customer_message(payload: bytes) -> str:
    """Return what a HandshakeComplete wants the user to read, mostly nothing."""
    return str(_object(payload, "end of handshake").get("CustomerMessage") or "")


def closing_reason(payload: bytes) -> str:
    """Return why a channel was closed; empty when the command just ended."""
    return str(_object(payload, "channel_closed").get("Output") or "").replace(_ERROR_LINE, "").strip()


def window_size(columns: int, rows: int) -> bytes:
    """Return a terminal size; sent now and then it also keeps the session from counting as idle."""
    return json.dumps({"cols": columns, "rows": rows}).encode()
