# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state machine of a data channel: every rule of its own, and all of them on a bad line."""

from __future__ import annotations

import base64
import json
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import channel_events, encryption, messages, payloads, protocol
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.emulator import wire
from tests.unit.plugins.plugin_utils._session.agent_cipher import AgentCipher
from tests.unit.plugins.plugin_utils._session.bad_line import Agent, Fault, Line

_REQUEST = b'{"RequestedClientActions": [{"ActionType": "SessionType"}]}'
_ENCRYPTION = (
    b'{"RequestedClientActions": [{"ActionType": "SessionType"},'
    b' {"ActionType": "KMSEncryption", "ActionParameters": {"KMSKeyId": "key", "Challenge": "c"}}]}'
)
_KEY = bytes(range(64))


def _stream(number: int, payload: bytes = b"x", payload_type: int = wire.OUTPUT) -> bytes:
    return wire.pack(wire.Message("output_stream_data", payload, number, payload_type))


def _acknowledgement(number: int) -> bytes:
    return wire.acknowledge(wire.Message("input_stream_data", sequence=number))


def _sent(channel: protocol.DataChannelProtocol) -> list[wire.Message]:
    return [wire.unpack(frame) for frame in channel.take_outgoing()]


def _inputs(channel: protocol.DataChannelProtocol) -> list[tuple[int, bytes]]:
    return [(message.sequence, message.payload) for message in _sent(channel) if message.type == "input_stream_data"]


def _outputs(channel: protocol.DataChannelProtocol) -> list[bytes]:
    return [event.data for event in channel.events() if isinstance(event, channel_events.Output)]


def _early() -> protocol.DataChannelProtocol:
    """A channel whose agent listens and has said nothing. Its first message was sent twice, so that it measured nothing."""
    channel = protocol.DataChannelProtocol()
    channel.socket_opened(-2.0)
    channel.wake(-1.0)
    channel.receive(_acknowledgement(0), -1.0)
    channel.wake(-1.0 + protocol.SETTLE_SECONDS)
    channel.take_outgoing()
    return channel


def _open() -> protocol.DataChannelProtocol:
    """A channel whose program has begun to speak."""
    channel = _early()
    channel.receive(_stream(0), 0.0)
    channel.take_outgoing()
    list(channel.events())
    return channel


# -- input ------------------------------------------------------------------------------------------------------------


def test_the_first_message_is_one_whose_loss_is_no_loss() -> None:
    channel = protocol.DataChannelProtocol()
    channel.send_input(b"waits", 0.0)
    channel.socket_opened(0.0)
    (message,) = _sent(channel)
    assert (message.payload_type, message.sequence, message.flags) == (wire.SIZE, 0, 1)


def test_input_follows_when_the_agent_has_had_time_to_get_ready() -> None:
    channel = protocol.DataChannelProtocol()
    channel.socket_opened(0.0)
    channel.send_input(b"early", 0.0)
    channel.take_outgoing()
    channel.receive(_acknowledgement(0), 0.05)
    assert channel.deadline() == 0.05 + protocol.SETTLE_SECONDS
    channel.wake(0.19)
    assert _sent(channel) == []
    channel.wake(0.05 + protocol.SETTLE_SECONDS)
    assert _inputs(channel) == [(1, b"early")]
    assert channel.state is protocol.State.EARLY


def test_output_says_that_the_agent_is_ready() -> None:
    channel = protocol.DataChannelProtocol()
    channel.socket_opened(0.0)
    channel.send_input(b"early", 0.0)
    channel.receive(_acknowledgement(0), 0.0)
    channel.receive(_stream(0), 0.01)
    assert (1, b"early") in _inputs(channel)
    channel.wake(1.0)
    assert channel.state is protocol.State.OPEN


def test_input_is_cut_numbered_and_sent_before_anything_came() -> None:
    channel = _early()
    channel.send_input(bytes(2500), 0.0)
    sent = _sent(channel)
    assert [(message.sequence, len(message.payload), message.flags) for message in sent] == [
        (1, 1024, 0),
        (2, 1024, 0),
        (3, 452, 0),
    ]
    assert channel.backlog == 2500


def test_a_document_that_always_shakes_hands_gets_no_early_input() -> None:
    channel = protocol.DataChannelProtocol(handshakes=True)
    channel.socket_opened(0.0)
    channel.send_input(b"early", 0.0)
    assert _sent(channel) == []
    channel.receive(_stream(0, _REQUEST, wire.HANDSHAKE_REQUEST), 0.0)
    channel.receive(_stream(1, b"{}", wire.HANDSHAKE_COMPLETE), 0.0)
    assert [message.payload for message in _sent(channel) if message.payload_type == wire.OUTPUT] == [b"early"]


def test_early_input_is_sent_again_after_a_handshake_nobody_expected() -> None:
    channel = _early()
    channel.send_input(b"first", 0.0)
    channel.receive(_stream(0, _REQUEST, wire.HANDSHAKE_REQUEST), 0.0)
    channel.send_input(b"second", 0.0)
    assert [message.payload_type for message in _sent(channel) if message.type == "input_stream_data"] == [
        wire.OUTPUT,
        wire.HANDSHAKE_RESPONSE,
    ]
    channel.receive(_stream(1, b'{"CustomerMessage": "Hello"}', wire.HANDSHAKE_COMPLETE), 0.0)
    assert _inputs(channel) == [(3, b"first"), (4, b"second")]
    assert list(channel.events()) == [channel_events.SessionType(""), channel_events.HandshakeComplete("Hello")]
    assert channel.state is protocol.State.OPEN


def test_early_input_that_waited_for_room_is_not_sent_twice() -> None:
    channel = _early()
    channel.send_input(bytes(protocol.WINDOW) + b"waits", 0.0)
    for number in range(1, protocol.WINDOW // 1024 + 1):
        channel.receive(_acknowledgement(number), 0.1)
    channel.take_outgoing()
    channel.receive(_stream(0, _REQUEST, wire.HANDSHAKE_REQUEST), 0.1)
    channel.receive(_stream(1, b"{}", wire.HANDSHAKE_COMPLETE), 0.1)
    assert channel.backlog >= protocol.WINDOW + 5
    sent = [message for message in _sent(channel) if message.payload_type == wire.OUTPUT and message.type == "input_stream_data"]
    assert sum(len(message.payload) for message in sent) <= protocol.WINDOW + 5


def test_no_more_than_the_window_is_on_the_way() -> None:
    channel = _open()
    channel.send_input(bytes(protocol.WINDOW + 5000), 0.0)
    assert sum(len(payload) for _number, payload in _inputs(channel)) == protocol.WINDOW
    assert channel.backlog == protocol.WINDOW + 5000
    channel.receive(_acknowledgement(1), 0.1)
    assert _inputs(channel) == [(2049, bytes(1024))]


def test_a_closed_channel_takes_no_input() -> None:
    channel = _open()
    channel.receive(wire.document("channel_closed", {"Output": ""}), 0.0)
    channel.take_outgoing()
    channel.send_input(b"late", 0.0)
    assert _sent(channel) == []
    assert channel.deadline() is None


def test_a_paused_channel_sends_nothing_new_and_repeats_nothing_until_it_may() -> None:
    channel = _open()
    channel.send_input(b"before", 0.0)
    channel.take_outgoing()
    channel.receive(wire.document("pause_publication", {}), 0.0)
    channel.send_input(b"paused", 0.0)
    channel.wake(10.0)
    assert _sent(channel) == []
    # Only the patience with it ends some time.
    assert channel.deadline() == 70.0
    channel.receive(wire.document("start_publication", {}), 0.0)
    assert _inputs(channel) == [(2, b"paused")]


def test_a_new_socket_ends_a_pause_and_repeats_what_was_not_acknowledged() -> None:
    channel = _open()
    channel.receive(wire.document("pause_publication", {}), 0.0)
    channel.send_input(b"a", 0.0)
    channel.socket_opened(1.0)
    assert _inputs(channel) == [(1, b"a")]
    channel.send_input(b"b", 1.0)
    channel.take_outgoing()
    channel.receive(_acknowledgement(1), 1.1)
    channel.socket_opened(2.0)
    assert _inputs(channel) == [(2, b"b")]


# -- acknowledgements and repetitions ---------------------------------------------------------------------------------


def test_the_oldest_message_is_repeated_when_it_is_overdue_and_not_before() -> None:
    channel = _open()
    channel.send_input(b"a", 0.0)
    channel.send_input(b"b", 0.0)
    channel.take_outgoing()
    deadline = channel.deadline()
    assert deadline == 0.2
    channel.wake(deadline - 0.01)
    assert _sent(channel) == []
    channel.wake(deadline)
    assert _inputs(channel) == [(1, b"a")]


def test_what_was_lost_with_it_follows_the_acknowledgement_of_a_repetition() -> None:
    channel = _open()
    for data in (b"a", b"b", b"c"):
        channel.send_input(data, 0.0)
    channel.take_outgoing()
    channel.wake(0.3)
    channel.take_outgoing()
    channel.receive(_acknowledgement(1), 0.4)
    assert sorted(_inputs(channel)) == [(2, b"b"), (3, b"c")]


def test_nothing_is_repeated_as_long_as_acknowledgements_come() -> None:
    channel = _open()
    for number in range(5):
        channel.send_input(bytes([number]), 0.0)
    channel.receive(_acknowledgement(1), 0.19)
    deadline = channel.deadline()
    assert deadline is not None
    assert deadline > 0.3


def test_an_acknowledgement_of_nothing_is_nothing() -> None:
    channel = _open()
    channel.receive(_acknowledgement(99), 0.0)
    assert channel.backlog == 0


# -- output -----------------------------------------------------------------------------------------------------------


def test_output_is_delivered_in_order_and_acknowledged() -> None:
    channel = protocol.DataChannelProtocol()
    channel.receive(_stream(1, b"second"), 0.0)
    channel.receive(_stream(2, b"third"), 0.0)
    assert _outputs(channel) == []
    channel.receive(_stream(0, b"first"), 0.0)
    assert _outputs(channel) == [b"first", b"second", b"third"]
    assert [message.json()["AcknowledgedMessageSequenceNumber"] for message in _sent(channel)] == [1, 2, 0]


def test_a_message_that_comes_again_is_acknowledged_again_and_not_delivered_again() -> None:
    channel = _open()
    channel.receive(_stream(0, b"again"), 0.0)
    assert _outputs(channel) == []
    assert [message.type for message in _sent(channel)] == ["acknowledge"]


def test_what_comes_too_far_ahead_is_left_to_come_again() -> None:
    channel = protocol.DataChannelProtocol()
    for number in range(1, protocol.MAX_AHEAD + 2):
        channel.receive(_stream(number), 0.0)
    assert len(_sent(channel)) == protocol.MAX_AHEAD


def test_what_is_no_output_is_told_by_its_type() -> None:
    channel = _open()
    channel.receive(_stream(1, b"0", wire.EXIT_CODE), 0.0)
    assert list(channel.events()) == [channel_events.Output(wire.EXIT_CODE, b"0")]


def test_a_damaged_message_is_not_acknowledged_and_comes_again() -> None:
    channel = _open()
    frame = _stream(1, b"good")
    channel.receive(frame[:-1] + b"X", 0.0)
    assert _sent(channel) == []
    channel.receive(frame, 0.0)
    assert _outputs(channel) == [b"good"]


def test_a_service_that_sends_only_rubbish_is_given_up() -> None:
    channel = _open()
    for _frame in range(100):
        channel.receive(b"rubbish", 0.0)
    (event,) = channel.events()
    assert isinstance(event, channel_events.Failed)
    assert "100 unreadable messages in a row" in event.reason
    assert channel.state is protocol.State.CLOSED


def test_rubbish_between_acknowledgements_is_given_up_too() -> None:
    channel = _open()
    for number in range(100):
        channel.receive(_stream(0, b"again"), 0.0)
        channel.receive(_acknowledgement(number), 0.0)
        channel.receive(_stream(1)[:-1], 0.0)
    assert channel.state is protocol.State.CLOSED


@pytest.mark.parametrize("number", [True, 1.0, "1", None, [1]])
def test_an_acknowledgement_of_no_number_acknowledges_nothing(number: object) -> None:
    channel = _open()
    channel.send_input(b"x", 0.0)
    content = json.dumps({"AcknowledgedMessageSequenceNumber": number}).encode()
    channel.receive(wire.pack(wire.Message("acknowledge", content)), 0.0)
    assert channel.backlog == 1


def test_a_message_too_far_ahead_is_neither_kept_nor_acknowledged() -> None:
    channel = _open()
    channel.receive(_stream(protocol.MAX_AHEAD + 2), 0.0)
    channel.receive(_stream(2**62), 0.0)
    assert _sent(channel) == []
    channel.receive(_stream(protocol.MAX_AHEAD + 1), 0.0)
    assert [message.type for message in _sent(channel)] == ["acknowledge"]


def test_messages_ahead_are_kept_within_bounds() -> None:
    channel = _open()
    large = bytes(1000 * 1000)
    for number in range(2, 100):
        channel.receive(_stream(number, large), 0.0)
    assert len(_sent(channel)) == protocol.MAX_AHEAD_BYTES // len(large)
    # Those that are due make room again.
    channel.receive(_stream(1), 0.0)
    channel.receive(_stream(99, large), 0.0)
    assert len(_sent(channel)) == 2


def test_what_a_socket_that_takes_nothing_cannot_acknowledge_does_not_count_as_received(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_OWED", 10)
    channel = _open()
    for number in range(1, 20):
        channel.receive(_stream(number, b"%d" % number), 0.0)
    assert len(_sent(channel)) == 10
    assert _outputs(channel) == [b"%d" % number for number in range(1, 11)]
    channel.receive(_stream(11, b"11"), 0.0)
    assert _outputs(channel) == [b"11"]


def test_messages_of_an_unknown_kind_are_left_alone() -> None:
    channel = _open()
    channel.receive(wire.document("something_new", {}), 0.0)
    assert _sent(channel) == []
    assert list(channel.events()) == []


# -- handshake and end ------------------------------------------------------------------------------------------------


def test_a_handshake_is_answered_once() -> None:
    channel = protocol.DataChannelProtocol()
    channel.receive(_stream(0, _REQUEST, wire.HANDSHAKE_REQUEST), 0.0)
    channel.receive(_stream(1, _REQUEST, wire.HANDSHAKE_REQUEST), 0.0)
    answers = [message.json() for message in _sent(channel) if message.payload_type == wire.HANDSHAKE_RESPONSE]
    assert [answer["ProcessedClientActions"] for answer in answers] == [
        [{"ActionType": "SessionType", "ActionStatus": 1, "ActionResult": None, "Error": ""}]
    ]


def test_a_handshake_that_cannot_be_read_ends_the_channel() -> None:
    channel = protocol.DataChannelProtocol()
    channel.receive(_stream(0, b"[" * 100_000, wire.HANDSHAKE_REQUEST), 0.0)
    (event,) = channel.events()
    assert isinstance(event, channel_events.Failed)
    assert "handshake request is not JSON" in event.reason
    assert [message.type for message in _sent(channel)] == ["acknowledge"]


def test_the_kind_of_session_is_told_by_the_agent_that_shakes_hands() -> None:
    channel = protocol.DataChannelProtocol()
    action = {"ActionType": "SessionType", "ActionParameters": {"SessionType": "Port", "Properties": None}}
    channel.receive(_stream(0, json.dumps({"RequestedClientActions": [action]}).encode(), wire.HANDSHAKE_REQUEST), 0.0)
    assert list(channel.events()) == [channel_events.SessionType("Port")]


def test_an_action_we_do_not_know_is_called_unsupported() -> None:
    channel = protocol.DataChannelProtocol()
    channel.receive(_stream(0, b'{"RequestedClientActions": [{"ActionType": "Dance"}]}', wire.HANDSHAKE_REQUEST), 0.0)
    answer = _sent(channel)[-1].json()
    assert answer["ProcessedClientActions"][0]["ActionStatus"] == 3
    assert answer["Errors"] == ["Unsupported action Dance"]


def _encrypted(channel: protocol.DataChannelProtocol | None = None) -> tuple[protocol.DataChannelProtocol, AgentCipher]:
    """A channel that has answered an agent with a key, and the agent's own cipher."""
    channel = channel or protocol.DataChannelProtocol()
    channel.receive(_stream(0, _ENCRYPTION, wire.HANDSHAKE_REQUEST), 0.0)
    channel.take_outgoing()
    list(channel.events())
    channel.encrypt(encryption.SessionCipher(_KEY), payloads.key_answer(b"blob", challenged=True), 0.0)
    return channel, AgentCipher(_KEY)


def test_a_key_is_asked_for_and_the_answer_covers_all_actions() -> None:
    channel = protocol.DataChannelProtocol()
    channel.receive(_stream(0, _ENCRYPTION, wire.HANDSHAKE_REQUEST), 0.0)
    assert list(channel.events()) == [channel_events.SessionType(""), channel_events.KeyRequested("key", "c")]
    assert [message.type for message in _sent(channel)] == ["acknowledge"]
    channel, _cipher = _encrypted()
    (answer,) = _sent(channel)
    assert answer.json()["ProcessedClientActions"] == [
        {"ActionType": "SessionType", "ActionStatus": 1, "ActionResult": None, "Error": ""},
        {
            "ActionType": "KMSEncryption",
            "ActionStatus": 1,
            "ActionResult": {"KMSCipherTextKey": "YmxvYg==", "ChallengeAcknowledgement": True},
            "Error": "",
        },
    ]


def test_the_key_is_proven_once_by_the_challenge_encrypted_the_other_way() -> None:
    channel, cipher = _encrypted()
    challenge = json.dumps({"Challenge": base64.b64encode(cipher.encrypt(b"proof")).decode()}).encode()
    channel.take_outgoing()
    channel.receive(_stream(1, challenge, wire.CHALLENGE_REQUEST), 0.0)
    channel.receive(_stream(2, challenge, wire.CHALLENGE_REQUEST), 0.0)
    (answer,) = [message for message in _sent(channel) if message.type == "input_stream_data"]
    assert answer.payload_type == wire.CHALLENGE_RESPONSE
    assert cipher.decrypt(base64.b64decode(answer.json()["Challenge"])) == b"proof"


def test_input_waits_for_the_end_of_an_encrypted_handshake_and_is_encrypted_then() -> None:
    early = _early()
    early.send_input(b"waits", 0.0)
    early.take_outgoing()
    early.receive(_acknowledgement(1), 0.0)
    channel, cipher = _encrypted(early)
    assert [message.payload_type for message in _sent(channel)] == [wire.HANDSHAKE_RESPONSE]
    assert channel.backlog > 0
    channel.receive(_stream(1, b"{}", wire.HANDSHAKE_COMPLETE), 0.0)
    (payload,) = [payload for _number, payload in _inputs(channel)]
    assert cipher.decrypt(payload) == b"waits"


def test_a_full_message_is_as_long_encrypted_as_the_plugins() -> None:
    channel, _cipher = _encrypted()
    channel.receive(_stream(1, b"{}", wire.HANDSHAKE_COMPLETE), 0.0)
    channel.take_outgoing()
    channel.send_input(bytes(2000), 0.0)
    assert [len(payload) for _number, payload in _inputs(channel)] == [1024 + 28, 976 + 28]


def test_a_repetition_is_the_same_bytes_so_that_no_nonce_is_used_twice() -> None:
    channel, _cipher = _encrypted()
    channel.receive(_acknowledgement(0), 0.0)
    channel.receive(_stream(1, b"{}", wire.HANDSHAKE_COMPLETE), 0.0)
    channel.take_outgoing()
    channel.send_input(b"once", 0.0)
    first = channel.take_outgoing()
    channel.socket_opened(1.0)
    assert channel.take_outgoing() == first


def test_output_errors_and_exit_codes_are_decrypted_and_nothing_else() -> None:
    channel, cipher = _encrypted()
    channel.receive(_stream(1, b"{}", wire.HANDSHAKE_COMPLETE), 0.0)
    list(channel.events())
    for number, kind in enumerate((wire.OUTPUT, wire.STDERR, wire.EXIT_CODE), 2):
        channel.receive(_stream(number, cipher.encrypt(b"secret"), kind), 0.0)
    channel.receive(_stream(5, b"plain", wire.FLAG), 0.0)
    told = [(event.payload_type, event.data) for event in channel.events() if isinstance(event, channel_events.Output)]
    assert told == [(1, b"secret"), (11, b"secret"), (12, b"secret"), (10, b"plain")]


@pytest.mark.parametrize("payload", [b"", b"short", bytes(40), b"not encrypted at all, and longer than a nonce and a tag"])
def test_output_that_the_key_does_not_fit_ends_the_session(payload: bytes) -> None:
    channel, _cipher = _encrypted()
    channel.receive(_stream(1, b"{}", wire.HANDSHAKE_COMPLETE), 0.0)
    list(channel.events())
    channel.receive(_stream(2, payload), 0.0)
    (event,) = channel.events()
    assert isinstance(event, channel_events.Failed)
    assert "cannot be decrypted" in event.reason
    assert channel.state is protocol.State.CLOSED


def test_an_agent_that_got_input_before_it_asked_for_a_key_is_called_deaf() -> None:
    channel = _early()
    channel.send_input(b"too early", 0.0)
    channel.receive(_stream(0, _ENCRYPTION, wire.HANDSHAKE_REQUEST), 0.0)
    assert list(channel.events())[-1] == channel_events.KeyRequested("key", "c", deaf=True)


def test_an_error_told_in_the_middle_of_a_handshake_is_output() -> None:
    channel = protocol.DataChannelProtocol()
    channel.receive(_stream(0, _REQUEST, wire.HANDSHAKE_REQUEST), 0.0)
    channel.receive(_stream(1, b"no such user"), 0.0)
    assert _outputs(channel) == [b"no such user"]
    assert channel.state is protocol.State.HANDSHAKING


def test_the_end_of_a_handshake_that_never_began_is_nothing() -> None:
    channel = _open()
    channel.receive(_stream(1, b"{}", wire.HANDSHAKE_COMPLETE), 0.0)
    assert list(channel.events()) == []


def test_the_end_of_the_channel_is_told_once_with_its_reason() -> None:
    channel = _open()
    channel.receive(wire.document("channel_closed", {"Output": "Session terminated"}), 0.0)
    channel.receive(wire.document("channel_closed", {"Output": "again"}), 0.0)
    channel.receive(_stream(1), 0.0)
    assert list(channel.events()) == [channel_events.Closed("Session terminated")]


def test_a_channel_whose_reason_cannot_be_read_is_closed_all_the_same() -> None:
    channel = _open()
    channel.receive(wire.pack(wire.Message("channel_closed", b"no JSON")), 0.0)
    assert list(channel.events()) == [channel_events.Closed("")]


def test_every_state_can_be_closed_and_no_closed_one_reopens() -> None:
    assert all(protocol.TRANSITIONS[state, protocol.Trigger.CLOSE] is protocol.State.CLOSED for state in protocol.State)
    assert all(
        following is protocol.State.CLOSED
        for (state, _trigger), following in protocol.TRANSITIONS.items()
        if state is protocol.State.CLOSED
    )


# -- silence ----------------------------------------------------------------------------------------------------------


def _lively(stall_seconds: float = 120.0) -> protocol.DataChannelProtocol:
    """An open channel with something to say when nothing is said."""
    channel = protocol.DataChannelProtocol(filler=b"\n", stall_seconds=stall_seconds)
    channel.socket_opened(0.0)
    channel.receive(_acknowledgement(0), 0.0)
    channel.receive(_stream(0), 0.0)
    channel.take_outgoing()
    list(channel.events())
    return channel


def _answer_all(channel: protocol.DataChannelProtocol, now: float) -> list[bytes]:
    inputs = _inputs(channel)
    for number, _payload in inputs:
        channel.receive(_acknowledgement(number), now)
    return [payload for _number, payload in inputs]


def test_a_silence_is_broken_by_input_that_says_nothing() -> None:
    channel = _lively()
    assert channel.deadline() == 50.0
    channel.wake(50.0)
    assert _answer_all(channel, 50.1) == [b"\n"]
    channel.send_input(b"said", 80.0)
    assert _answer_all(channel, 80.1) == [b"said"]
    assert channel.deadline() == 130.0


def test_a_session_that_is_not_open_is_not_kept_awake() -> None:
    channel = protocol.DataChannelProtocol(filler=b"\n")
    channel.socket_opened(0.0)
    channel.receive(_acknowledgement(0), 0.0)
    channel.wake(60.0)
    assert _inputs(channel) == [(0, b'{"cols": 200, "rows": 60}')]


@pytest.mark.parametrize("stall_seconds", [120.0, 10.0, 1.0])
def test_a_silent_agent_that_is_dead_is_found_out_in_time(stall_seconds: float) -> None:
    channel = _lively(stall_seconds)
    now = 0.0
    while channel.state is protocol.State.OPEN:
        deadline = channel.deadline()
        assert deadline is not None
        now = max(now, deadline)
        channel.wake(now)
    (event,) = channel.events()
    assert isinstance(event, channel_events.Failed)
    assert f"has acknowledged nothing for {stall_seconds:g} s (stall_timeout)" in event.reason
    assert now == stall_seconds
    assert channel.deadline() is None


def test_an_agent_that_acknowledges_something_now_and_then_is_alive() -> None:
    channel = _lively()
    channel.send_input(bytes(10 * 1024), 0.0)
    for number in range(1, 11):
        channel.wake(number * 60.0)
        channel.receive(_acknowledgement(number), number * 60.0)
    assert channel.state is protocol.State.OPEN


def test_time_without_a_socket_is_not_the_agents() -> None:
    channel = _lively()
    channel.send_input(b"x", 0.0)
    channel.socket_lost(60.0)
    channel.socket_opened(1000.0)
    channel.wake(1009.0)
    assert list(channel.events()) == []
    channel.wake(1010.0)
    assert channel.state is protocol.State.CLOSED


def test_a_pause_without_end_is_a_stall_when_something_waits() -> None:
    channel = _lively()
    channel.receive(wire.document("pause_publication", {}), 0.0)
    channel.wake(1000.0)
    assert list(channel.events()) == []
    channel.send_input(b"x", 1000.0)
    assert channel.deadline() == 1070.0
    channel.wake(1070.0)
    assert channel.state is protocol.State.CLOSED


# -- all of it --------------------------------------------------------------------------------------------------------


@settings(max_examples=1000)
@example(inputs=[b"x"], outputs=[b"y"], handshake=False, encrypted=False, faults=[Fault.DELAY, Fault.DROP], later=1)
@example(inputs=[b"x"], outputs=[b"y"], handshake=True, encrypted=True, faults=[], later=1)
@given(
    inputs=st.lists(st.binary(min_size=1, max_size=3000), max_size=8),
    outputs=st.lists(st.binary(min_size=1, max_size=1024), min_size=1, max_size=8),
    handshake=st.booleans(),
    encrypted=st.booleans(),
    faults=st.lists(st.sampled_from(Fault), max_size=60),
    later=st.integers(0, 8),
)
def test_every_byte_arrives_once_and_in_order_on_any_line(
    inputs: list[bytes], outputs: list[bytes], handshake: bool, encrypted: bool, faults: list[Fault], later: int
) -> None:
    agent = Agent(outputs, handshake=handshake, key=_KEY if handshake and encrypted else b"")
    client = protocol.DataChannelProtocol()
    line = Line(client, agent, iter(faults), _KEY)
    line.connect()
    for data in inputs[:later]:
        client.send_input(data, 0.0)
    line.run(lambda: len(line.delivered) == len(outputs))
    for data in inputs[later:]:
        client.send_input(data, line.now)
    line.run(lambda: client.backlog == 0 and agent.quiet)
    assert line.delivered == outputs
    assert b"".join(agent.received) == b"".join(inputs)
    assert agent.handshake_answers == int(handshake)


def test_a_window_lost_behind_the_service_is_sent_again_within_seconds() -> None:
    """As when the agent's socket is cut in the middle of an upload: none of it arrives, and nothing tells us."""
    agent = Agent([b"go"], handshake=False)
    client = protocol.DataChannelProtocol()
    began: float | None = None

    def losing() -> t.Iterator[Fault]:
        while True:
            yield Fault.DROP if line.now == began else Fault.NONE

    line = Line(client, agent, losing())
    line.connect()
    line.run(lambda: bool(line.delivered))
    began = line.now
    client.send_input(bytes(1_900_000), line.now)
    line.run(lambda: client.backlog == 0)
    assert sum(map(len, agent.received)) == 1_900_000
    assert line.now - began < 3.0


@pytest.mark.parametrize("every", [3, 7, 20])
def test_a_megabyte_gets_through_a_line_that_loses_one_frame_in(every: int) -> None:
    def losing() -> t.Iterator[Fault]:
        number = 0
        while True:
            number += 1
            yield Fault.DROP if number % every == 0 else Fault.NONE

    agent = Agent([b"go"], handshake=False)
    client = protocol.DataChannelProtocol()
    line = Line(client, agent, losing())
    line.connect()
    data = bytes(range(256)) * 4096
    client.send_input(data, 0.0)
    line.run(lambda: client.backlog == 0 and agent.quiet)
    assert b"".join(agent.received) == data
    assert line.now < 15.0


def test_rubbish_of_any_kind_breaks_nothing() -> None:
    channel = _open()
    for kind in messages.MessageType:
        for payload in (b"", b"[]", b"{}", b"\xff", json.dumps({"AcknowledgedMessageSequenceNumber": "x"}).encode()):
            channel.receive(wire.pack(wire.Message(kind.value, payload, 5, 5)), 0.0)
    channel.receive(_stream(1, b"still here"), 0.0)
    assert channel.state in set(protocol.State)
