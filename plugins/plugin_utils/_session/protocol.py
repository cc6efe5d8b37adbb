# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's side of a data channel as a state machine without I/O.

Rule: whatever decides what is sent, resent, acknowledged or delivered lives here, and nothing here knows sockets or clocks;
time comes in as a number of seconds. Use it as one uses h11: feed ``receive``, read ``events``, send ``take_outgoing()``.

How a session begins depends on its document. Port and NonInteractiveCommands sessions shake hands, InteractiveCommands and
Standard_Stream only when they are encrypted, and the client cannot know that beforehand. So input is sent early (the program on
the node then starts a second earlier) and kept: should the agent ask for a handshake after all, it has thrown that input away, and
all of it is sent again when the handshake is complete.

An agent listens a moment before it knows that there will be no handshake, and in that moment it acknowledges input and throws it
away (datachannel.go: the listener runs before SkipHandshake is called). So the first message is one whose loss is no loss, and
input follows a little after that was acknowledged. An agent with a KMS key is worse: its listener ends for good when input comes
while it waits for the key (PerformHandshake says that all is encrypted before there is a cipher). Then only another session helps,
whose client knows that there will be a handshake; ``KeyRequested.deaf`` says so.
"""

from __future__ import annotations

import collections
import enum
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import liveness, messages, payloads
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.channel_events import (
    Closed,
    Event,
    Failed,
    HandshakeComplete,
    KeyRequested,
    Output,
    SessionType,
)
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.encryption import SessionCipher, Undecryptable
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.unacknowledged import Unacknowledged

MAX_AHEAD = 10_000
"""Messages kept that came before their turn, and how far before it they may come."""

MAX_AHEAD_BYTES = 32 * 1024 * 1024
"""The same in bytes; an agent sends a kilobyte a message."""

MAX_OWED = 50_000
"""Frames kept for a socket that takes none. What is not acknowledged because of it comes again."""

WINDOW = 2 * 1024 * 1024
"""Bytes of input in flight; over a pty at 50 ms round trip less than 1 MB halves the speed."""

SETTLE_SECONDS = 0.15
"""Time between an agent's first acknowledgement and the first input."""

_ENCRYPTED = (messages.PayloadType.OUTPUT, messages.PayloadType.STDERR, messages.PayloadType.EXIT_CODE)
"""Payload types that an agent encrypts; what we send is encrypted when it is input, which has the type OUTPUT."""

_FIRST_EARLY = 1
"""Number of the first early input; 0 is a terminal size."""

_COLUMNS, _ROWS = 200, 60
"""What an agent on Windows begins with (shell_windows.go), so that its console has nothing to wrap anew; on Linux nobody looks."""
_MALFORMED_LIMIT = 100


class State(enum.Enum):
    """Where the session is."""

    PROBING = "it is not known yet whether the agent listens"
    EARLY = "input is passed on although nothing came yet"
    HANDSHAKING = "the agent asked for a handshake"
    PROVING = "the agent was shown that we have its key"
    OPEN = "input is passed on"
    CLOSED = "the session is over"


class Trigger(enum.Enum):
    """What moves it."""

    SETTLED = enum.auto()
    HANDSHAKE_REQUEST = enum.auto()
    CHALLENGE = enum.auto()
    HANDSHAKE_COMPLETE = enum.auto()
    OUTPUT = enum.auto()
    CLOSE = enum.auto()


TRANSITIONS: dict[tuple[State, Trigger], State] = {
    (State.PROBING, Trigger.SETTLED): State.EARLY,
    (State.PROBING, Trigger.HANDSHAKE_REQUEST): State.HANDSHAKING,
    (State.PROBING, Trigger.OUTPUT): State.OPEN,
    (State.PROBING, Trigger.CLOSE): State.CLOSED,
    (State.EARLY, Trigger.HANDSHAKE_REQUEST): State.HANDSHAKING,
    (State.EARLY, Trigger.OUTPUT): State.OPEN,
    (State.EARLY, Trigger.CLOSE): State.CLOSED,
    # An error before the command starts is told as output in the middle of a handshake.
    (State.HANDSHAKING, Trigger.OUTPUT): State.HANDSHAKING,
    (State.HANDSHAKING, Trigger.CHALLENGE): State.PROVING,
    (State.HANDSHAKING, Trigger.HANDSHAKE_COMPLETE): State.OPEN,
    (State.HANDSHAKING, Trigger.CLOSE): State.CLOSED,
    (State.PROVING, Trigger.OUTPUT): State.PROVING,
    (State.PROVING, Trigger.HANDSHAKE_COMPLETE): State.OPEN,
    (State.PROVING, Trigger.CLOSE): State.CLOSED,
    (State.OPEN, Trigger.OUTPUT): State.OPEN,
    (State.OPEN, Trigger.CLOSE): State.CLOSED,
    (State.CLOSED, Trigger.CLOSE): State.CLOSED,
}


class DataChannelProtocol:
    """One data channel, across all its sockets.

    :param handshakes: the document always shakes hands, so nothing is sent before (Port, NonInteractiveCommands).
    :param filler: input that the session's program does not heed, sent when there was none for long; empty for no such thing. A
        terminal size would not do: whether the service counts one as input is not known, and of its own programs none sends it
        to stay awake.
    :param stall_seconds: how long an agent may acknowledge nothing.
    """

    def __init__(self, *, handshakes: bool = False, filler: bytes = b"", stall_seconds: float = liveness.STALL_SECONDS) -> None:
        self.state = State.PROBING
        self.paused = False
        self._handshakes = handshakes
        self._filler = filler
        self._liveness = liveness.Liveness(stall_seconds)
        self._settles: float | None = None
        self._events: collections.deque[Event] = collections.deque()
        self._outgoing: list[bytes] = []
        self._pending: collections.deque[tuple[int, bytes]] = collections.deque()
        self._pending_bytes = 0
        self._early: list[bytes] = []
        self._unacknowledged = Unacknowledged()
        self._next_sent = 0
        self._next_received = 0
        self._ahead: dict[int, messages.Message] = {}
        self._ahead_bytes = 0
        self._processed: list[payloads.ProcessedAction] = []
        self._cipher: SessionCipher | None = None
        self._malformed = 0

    # -- what the channel reads ---------------------------------------------------------------------------------------

    def events(self) -> t.Iterator[Event]:
        """Yield what has happened since the last call."""
        while self._events:
            yield self._events.popleft()

    @property
    def outgoing(self) -> int:
        """How many frames are to be sent now."""
        return len(self._outgoing)

    def take_outgoing(self) -> list[bytes]:
        """Return the binary frames to be sent now, in order."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    @property
    def backlog(self) -> int:
        """Bytes of input not acknowledged yet: what a writer should look at before it gives more."""
        return self._unacknowledged.size + self._pending_bytes

    @property
    def hole(self) -> int:
        """How many messages are missing before those that came too early."""
        return min(self._ahead) - self._next_received if self._ahead else 0

    def deadline(self) -> float | None:
        """Return when ``wake`` must be called next, None when there is nothing to wait for."""
        all_moments = (self._settles, self._repetition_due(), self._filler_due(), self._stall_due())
        return min((moment for moment in all_moments if moment is not None), default=None)

    def _repetition_due(self) -> float | None:
        return None if self.paused or self.state is State.CLOSED else self._unacknowledged.due()

    def _filler_due(self) -> float | None:
        if self.state is not State.OPEN or not self._filler or self._pending or self.paused:
            return None
        return self._liveness.stir_due()

    def _stall_due(self) -> float | None:
        # Until the session is open it is the time for connecting that runs out.
        return self._liveness.stall_due() if self.state is State.OPEN else None

    # -- what the channel tells ---------------------------------------------------------------------------------------

    def send_input(self, data: bytes, now: float) -> None:
        """Pass bytes to the session's standard input, cut into messages."""
        if self.state is State.CLOSED:
            return
        if self.state in (State.PROBING, State.EARLY) and not self._handshakes:
            self._early.append(data)
        self._queue(messages.PayloadType.OUTPUT, data)
        self._fill_window(now)

    def encrypt(self, cipher: SessionCipher, answer: payloads.ProcessedAction, now: float) -> None:
        """Answer a KeyRequested, and with it the whole handshake request; input and output are encrypted from now on."""
        self._cipher = cipher
        self._respond([*self._processed, answer], now)

    def socket_opened(self, now: float) -> None:
        """A socket is there (again): whatever was not acknowledged goes out on it."""
        self.paused = False
        self._liveness.socket_opened(now)
        self._outgoing.clear()
        self._outgoing += self._unacknowledged.all(now)
        if self._next_sent == 0 and not self._handshakes:
            self._transmit(messages.PayloadType.SIZE, payloads.window_size(_COLUMNS, _ROWS), now)
        self._fill_window(now)

    def socket_lost(self, now: float) -> None:
        """The socket is gone."""
        self._liveness.socket_lost(now)

    def wake(self, now: float) -> None:
        """Do what is due."""
        if (stalled := self._stall_due()) is not None and stalled <= now:
            self._give_up(
                f"the node's agent has acknowledged nothing for {self._liveness.stall_seconds:g} s (stall_timeout) although the"
                " line to AWS is open; the node may be off, frozen or cut off"
            )
            return
        if self._settles is not None and self._settles <= now:
            self._settles = None
            self._move(Trigger.SETTLED)
            self._fill_window(now)
        due = self._repetition_due()
        if due is not None and due <= now:
            self._outgoing += self._unacknowledged.overdue(now)
        if (filler := self._filler_due()) is not None and filler <= now:
            self._queue(messages.PayloadType.OUTPUT, self._filler)
            self._fill_window(now)

    def receive(self, data: bytes, now: float) -> None:
        """Take one binary websocket frame."""
        try:
            message = messages.decode(data)
            handler = _HANDLERS.get(message.message_type)
            if handler is not None:
                handler(self, message, now)
        except messages.MalformedMessage as error:
            # Not acknowledged, so a damaged message comes again; only when no other output comes is the session given up.
            self._malformed += 1
            if self._malformed >= _MALFORMED_LIMIT:
                self._give_up(f"the service sent {_MALFORMED_LIMIT} unreadable messages in a row; the last one: {error}")
        except Undecryptable as error:
            self._give_up(f"the service sent what cannot be decrypted ({error}); the session was given up")

    def _give_up(self, reason: str) -> None:
        if self.state is not State.CLOSED:
            self._move(Trigger.CLOSE)
            self._events.append(Failed(reason))

    # -- sending ------------------------------------------------------------------------------------------------------

    def _queue(self, payload_type: int, data: bytes) -> None:
        for start in range(0, len(data), messages.MAX_PAYLOAD):
            self._pending.append((payload_type, data[start : start + messages.MAX_PAYLOAD]))
        self._pending_bytes += len(data)

    def _may_send(self) -> bool:
        return self.state in (State.EARLY, State.OPEN) and not self.paused

    def _fill_window(self, now: float) -> None:
        while self._pending and self._unacknowledged.size < WINDOW and self._may_send():
            payload_type, data = self._pending.popleft()
            self._pending_bytes -= len(data)
            self._transmit(payload_type, data, now)
        if self._pending:
            self._liveness.waits(now)

    def _transmit(self, payload_type: int, data: bytes, now: float) -> None:
        number = self._next_sent
        self._next_sent += 1
        flags = messages.Flags.NONE if number else messages.Flags.SYN
        if self._cipher is not None and payload_type == messages.PayloadType.OUTPUT:
            data = self._cipher.encrypt(data)
        message = messages.Message(messages.MessageType.INPUT.value, data, payload_type, number, flags)
        encoded = messages.encode(message)
        self._unacknowledged.add(number, encoded, len(data), now)
        self._liveness.input_sent(now)
        self._outgoing.append(encoded)

    # -- receiving ----------------------------------------------------------------------------------------------------

    def _on_output(self, message: messages.Message, now: float) -> None:
        # One that was here already is acknowledged again: the agent resends a message for ever, and nothing behind it, when its
        # acknowledgement was lost.
        early = message.sequence_number - self._next_received
        if (early > 0 and not self._has_room_ahead(message, early)) or not self._acknowledge(message) or early < 0:
            return
        if early > 0:
            if message.sequence_number not in self._ahead:
                self._ahead[message.sequence_number] = message
                self._ahead_bytes += len(message.payload)
            return
        following: messages.Message | None = message
        while following is not None:
            self._next_received += 1
            self._malformed = 0
            self._deliver(following, now)
            following = self._ahead.pop(self._next_received, None)
            self._ahead_bytes -= len(following.payload) if following is not None else 0

    def _has_room_ahead(self, message: messages.Message, early: int) -> bool:
        return early <= MAX_AHEAD and self._ahead_bytes + len(message.payload) <= MAX_AHEAD_BYTES

    def _acknowledge(self, message: messages.Message) -> bool:
        """Acknowledge a message, unless the socket takes nothing: then it must not count as received."""
        if len(self._outgoing) >= MAX_OWED:
            return False
        self._outgoing.append(messages.encode(payloads.acknowledge(message)))
        return True

    def _deliver(self, message: messages.Message, now: float) -> None:
        special = _PAYLOAD_HANDLERS.get(message.payload_type)
        if special is not None:
            try:
                special(self, message.payload, now)
            except payloads.MalformedPayload as error:
                # It is acknowledged, and what the agent then waits for cannot come.
                self._give_up(f"the node's agent sent what cannot be read: {error}")
            return
        payload = message.payload
        if self._cipher is not None and message.payload_type in _ENCRYPTED:
            payload = self._cipher.decrypt(payload)
        begins = self.state in (State.PROBING, State.EARLY)
        if self._move(Trigger.OUTPUT):
            if begins:
                self._begin(now)
            self._events.append(Output(message.payload_type, payload))
            self._fill_window(now)

    def _begin(self, now: float) -> None:
        """The session is open: what was said so far has been heard, or will be."""
        self._early.clear()
        self._liveness.alive(now, waiting=bool(self._unacknowledged or self._pending))

    def _on_acknowledge(self, message: messages.Message, now: float) -> None:
        again = self._unacknowledged.acknowledge(payloads.acknowledged_sequence(message.payload), now)
        if again is None:
            return
        self._outgoing += again
        if self.state is State.PROBING and not self._handshakes:
            self._settles = now + SETTLE_SECONDS
        self._liveness.alive(now, waiting=bool(self._unacknowledged or self._pending))
        self._fill_window(now)

    def _on_pause(self, _message: messages.Message, _now: float) -> None:
        self.paused = True

    def _on_start(self, _message: messages.Message, now: float) -> None:
        self.paused = False
        self._fill_window(now)

    def _on_channel_closed(self, message: messages.Message, _now: float) -> None:
        if self.state is not State.CLOSED:
            self._move(Trigger.CLOSE)
            try:
                reason = payloads.closing_reason(message.payload)
            except payloads.MalformedPayload:
                reason = ""
            self._events.append(Closed(reason))

    # -- handshake ----------------------------------------------------------------------------------------------------

    def _on_handshake_request(self, payload: bytes, now: float) -> None:
        # A second answer blocks the agent's reader for good, so a second question is not answered.
        if not self._move(Trigger.HANDSHAKE_REQUEST):
            return
        if self._early:
            # All of it is sent when the handshake is complete, and not only the part that was not sent yet.
            self._pending.clear()
            self._pending_bytes = 0
            for data in self._early:
                self._queue(messages.PayloadType.OUTPUT, data)
            self._early.clear()
        self._processed = []
        key: KeyRequested | None = None
        for action in payloads.requested_actions(payload):
            if action.action_type == "SessionType":
                self._events.append(SessionType(str(action.parameters.get("SessionType", ""))))
                self._processed.append(payloads.ProcessedAction(action.action_type, payloads.ACTION_SUCCESS))
            elif action.action_type == "KMSEncryption":
                parameters = action.parameters
                key = KeyRequested(str(parameters.get("KMSKeyId", "")), str(parameters.get("Challenge", "")), self._spoke_early())
            else:
                self._processed.append(
                    payloads.ProcessedAction(
                        action.action_type, payloads.ACTION_UNSUPPORTED, error=f"Unsupported action {action.action_type}"
                    )
                )
        if key is None:
            self._respond(self._processed, now)
        else:
            self._events.append(key)

    def _spoke_early(self) -> bool:
        # What the agent threw away before it asked was acknowledged before, too.
        return not self._handshakes and self._unacknowledged.any_from(_FIRST_EARLY)

    def _respond(self, processed: t.Sequence[payloads.ProcessedAction], now: float) -> None:
        # The only input that may pass while shaking hands; it comes after all early input, which the agent throws away first.
        self._transmit(messages.PayloadType.HANDSHAKE_RESPONSE, payloads.handshake_response(processed), now)

    def _on_challenge(self, payload: bytes, now: float) -> None:
        # As with the handshake request, a second answer would block the agent.
        if self._cipher is not None and self._move(Trigger.CHALLENGE):
            proof = self._cipher.encrypt(self._cipher.decrypt(payloads.challenge(payload)))
            self._transmit(messages.PayloadType.ENCRYPTION_CHALLENGE_RESPONSE, payloads.challenge_answer(proof), now)

    def _on_handshake_complete(self, payload: bytes, now: float) -> None:
        if self._move(Trigger.HANDSHAKE_COMPLETE):
            self._begin(now)
            self._events.append(HandshakeComplete(payloads.customer_message(payload)))
            self._fill_window(now)

    def _move(self, trigger: Trigger) -> bool:
        following = TRANSITIONS.get((self.state, trigger))
        if following is None:
            return False
        if following is not self.state:
            self._settles = None
        self.state = following
        return True


_HANDLERS: dict[str, t.Callable[[DataChannelProtocol, messages.Message, float], None]] = {
    messages.MessageType.OUTPUT.value: DataChannelProtocol._on_output,
    messages.MessageType.ACKNOWLEDGE.value: DataChannelProtocol._on_acknowledge,
    messages.MessageType.PAUSE.value: DataChannelProtocol._on_pause,
    messages.MessageType.START.value: DataChannelProtocol._on_start,
    messages.MessageType.CHANNEL_CLOSED.value: DataChannelProtocol._on_channel_closed,
}

_PAYLOAD_HANDLERS: dict[int, t.Callable[[DataChannelProtocol, bytes, float], None]] = {
    messages.PayloadType.HANDSHAKE_REQUEST: DataChannelProtocol._on_handshake_request,
    messages.PayloadType.ENCRYPTION_CHALLENGE_REQUEST: DataChannelProtocol._on_challenge,
    messages.PayloadType.HANDSHAKE_COMPLETE: DataChannelProtocol._on_handshake_complete,
}
