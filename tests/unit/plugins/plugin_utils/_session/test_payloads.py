# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON that messages carry."""

from __future__ import annotations

import contextlib
import json

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import messages, payloads
from hypothesis import given
from hypothesis import strategies as st


def test_the_first_frame_opens_the_channel_with_the_token() -> None:
    opening = json.loads(payloads.open_channel("a token", "a client"))
    assert opening.pop("RequestId")
    assert opening == {
        "MessageSchemaVersion": "1.0",
        "TokenValue": "a token",
        "ClientId": "a client",
        "ClientVersion": "1.2.650.0",
    }


def test_an_acknowledgement_names_the_message() -> None:
    message = messages.Message("output_stream_data", b"x", 1, 7)
    acknowledgement = payloads.acknowledge(message)
    assert acknowledgement.message_type == "acknowledge"
    assert acknowledgement.flags == 3
    assert json.loads(acknowledgement.payload) == {
        "AcknowledgedMessageType": "output_stream_data",
        "AcknowledgedMessageId": str(message.message_id),
        "AcknowledgedMessageSequenceNumber": 7,
        "IsSequentialMessage": True,
    }
    assert payloads.acknowledged_sequence(acknowledgement.payload) == 7


def test_a_handshake_request_is_a_list_of_actions() -> None:
    request = {
        "AgentVersion": "3.3.0.0",
        "RequestedClientActions": [
            {"ActionType": "SessionType", "ActionParameters": {"SessionType": "Port"}},
            {"ActionType": "Other", "ActionParameters": None},
        ],
    }
    assert payloads.requested_actions(json.dumps(request).encode()) == [
        payloads.ClientAction("SessionType", {"SessionType": "Port"}),
        payloads.ClientAction("Other", {}),
    ]


def test_a_handshake_request_may_want_nothing() -> None:
    assert payloads.requested_actions(b'{"RequestedClientActions": null}') == []


def test_a_handshake_response_tells_each_action_and_all_errors() -> None:
    processed = [
        payloads.ProcessedAction("SessionType", payloads.ACTION_SUCCESS),
        payloads.ProcessedAction("Other", payloads.ACTION_UNSUPPORTED, error="Unsupported action Other"),
    ]
    assert json.loads(payloads.handshake_response(processed)) == {
        "ClientVersion": "1.2.650.0",
        "ProcessedClientActions": [
            {"ActionType": "SessionType", "ActionStatus": 1, "ActionResult": None, "Error": ""},
            {"ActionType": "Other", "ActionStatus": 3, "ActionResult": None, "Error": "Unsupported action Other"},
        ],
        "Errors": ["Unsupported action Other"],
    }


def test_texts_for_the_user_are_read() -> None:
    assert payloads.customer_message(b'{"CustomerMessage": "Encrypted"}') == "Encrypted"
    assert payloads.customer_message(b"{}") == ""
    assert payloads.closing_reason(b'{"Output": "Session terminated"}') == "Session terminated"
    assert payloads.closing_reason(b'{"Output": null}') == ""
    assert payloads.closing_reason(b'{"Output": "\\n----------ERROR-------\\nNo such user\\n"}') == "No such user"


def test_the_key_is_answered_by_its_encrypted_form_and_the_challenge_by_its_own() -> None:
    answer = payloads.key_answer(b"key", challenged=False)
    assert answer.result == {"KMSCipherTextKey": "a2V5", "ChallengeAcknowledgement": False}
    assert payloads.challenge(payloads.challenge_answer(b"proof")) == b"proof"


@pytest.mark.parametrize("payload", [b"{}", b'{"Challenge": 1}', b'{"Challenge": "%"}', b'{"Challenge": null}', b"[]"])
def test_a_challenge_that_is_none_is_called_so(payload: bytes) -> None:
    with pytest.raises(payloads.MalformedPayload, match="encryption challenge"):
        payloads.challenge(payload)


def test_a_size_has_columns_and_rows() -> None:
    assert json.loads(payloads.window_size(80, 24)) == {"cols": 80, "rows": 24}


@pytest.mark.parametrize(
    ("read", "payload", "reason"),
    [
        (payloads.acknowledged_sequence, b"{", "acknowledgement is not JSON"),
        (payloads.acknowledged_sequence, b"[]", "acknowledgement is not a JSON object"),
        (payloads.acknowledged_sequence, b"{}", "acknowledgement has no sequence number"),
        (payloads.requested_actions, b'{"RequestedClientActions": [1]}', "no list of actions"),
        (payloads.requested_actions, b'{"RequestedClientActions": "x"}', "no list of actions"),
        (payloads.customer_message, b"", "end of handshake is not JSON"),
        (payloads.closing_reason, b"\xff", "channel_closed is not JSON"),
    ],
)
def test_a_malformed_payload_says_what_it_should_have_been(read: object, payload: bytes, reason: str) -> None:
    with pytest.raises(payloads.MalformedPayload, match=reason):
        read(payload)  # type: ignore[operator]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_json_is_read_or_refused(value: object) -> None:
    payload = json.dumps({"RequestedClientActions": value, "AcknowledgedMessageSequenceNumber": value}).encode()
    for read in (payloads.requested_actions, payloads.acknowledged_sequence, payloads.customer_message, payloads.closing_reason):
        with contextlib.suppress(payloads.MalformedPayload):
            read(payload)
