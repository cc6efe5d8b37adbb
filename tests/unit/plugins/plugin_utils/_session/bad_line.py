# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An agent and a bad line in virtual time, for tests of the protocol: nothing here waits or uses our own codec."""

from __future__ import annotations

import base64
import collections.abc
import dataclasses
import enum
import heapq
import itertools
import json

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import channel_events, encryption, payloads, protocol

from tests.emulator import wire
from tests.unit.plugins.plugin_utils._session.agent_cipher import AgentCipher

_ONE_WAY = 0.025
_AGENT_RESENDS_AFTER = 0.2
_AGENT_DEAF_FOR = 0.1


class Fault(enum.Enum):
    """What happens to one frame."""

    NONE = enum.auto()
    DROP = enum.auto()
    DUPLICATE = enum.auto()
    DELAY = enum.auto()
    DAMAGE = enum.auto()
    CUT = enum.auto()


class Agent:
    """The agent's side of a data channel, as datachannel.go does it: one message resent at a time, the oldest."""

    def __init__(self, outputs: collections.abc.Sequence[bytes], *, handshake: bool, key: bytes = b"") -> None:
        self._cipher = AgentCipher(key) if key else None
        self.received: list[bytes] = []
        self.sizes = 0
        self.handshake_answers = 0
        self.acknowledged = 0
        self._handshaking = handshake
        self._outputs = list(outputs)
        self._expected = 0
        self._deaf_until: float | None = 0.0 if handshake else None
        self._ahead: dict[int, wire.Message] = {}
        self._sequence = 0
        self._unacknowledged: dict[int, bytes] = {}
        self._outgoing: list[bytes] = []
        if handshake:
            actions = ["SessionType", *(["KMSEncryption"] if key else [])]
            asked = {"RequestedClientActions": [{"ActionType": action} for action in actions]}
            self._stream(wire.HANDSHAKE_REQUEST, json.dumps(asked).encode())

    def take(self, data: bytes, now: float) -> list[bytes]:
        """Receive a frame; return what is sent because of it."""
        if self._deaf_until is None:
            self._deaf_until = now + _AGENT_DEAF_FOR
        message = wire.unpack(data)
        if message.type == "acknowledge":
            number = message.json()["AcknowledgedMessageSequenceNumber"]
            self.acknowledged += self._unacknowledged.pop(number, None) is not None
        elif message.type == "input_stream_data":
            self._outgoing.append(wire.acknowledge(message))
            if message.sequence >= self._expected:
                self._ahead[message.sequence] = message
            while (following := self._ahead.pop(self._expected, None)) is not None:
                self._expected += 1
                self._act(following, deaf=now < self._deaf_until)
        return self.outgoing()

    def outgoing(self) -> list[bytes]:
        """Return what waits to be sent."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def repetition(self, now: float) -> list[bytes]:
        """Return the oldest message that was not acknowledged; without a handshake the first of them waits until it is ready."""
        if not self._handshaking and not self._sequence and self._deaf_until is not None and now > self._deaf_until:
            self._say()
        return [self._unacknowledged[min(self._unacknowledged)]] if self._unacknowledged else []

    @property
    def quiet(self) -> bool:
        """Whether the client has acknowledged everything."""
        return not self._unacknowledged

    def _act(self, message: wire.Message, *, deaf: bool) -> None:
        if message.payload_type == wire.HANDSHAKE_RESPONSE and self._cipher is not None:
            self.handshake_answers += 1
            proof = base64.b64encode(self._cipher.encrypt(b"proof")).decode()
            self._stream(wire.CHALLENGE_REQUEST, json.dumps({"Challenge": proof}).encode())
        elif message.payload_type in (wire.HANDSHAKE_RESPONSE, wire.CHALLENGE_RESPONSE):
            self.handshake_answers += message.payload_type == wire.HANDSHAKE_RESPONSE
            self._stream(wire.HANDSHAKE_COMPLETE, b'{"CustomerMessage": ""}')
            self._handshaking = False
            self._say()
        elif message.payload_type == wire.SIZE:
            self.sizes += 1
        elif not self._handshaking and not deaf:
            # What comes before the handshake is complete, or known not to take place, is acknowledged and thrown away.
            self.received.append(message.payload if self._cipher is None else self._cipher.decrypt(message.payload))

    def _say(self) -> None:
        for data in self._outputs:
            self._stream(wire.OUTPUT, data)

    def _stream(self, payload_type: int, payload: bytes) -> None:
        if payload_type == wire.OUTPUT and self._cipher is not None:
            payload = self._cipher.encrypt(payload)
        frame = wire.pack(wire.Message("output_stream_data", payload, self._sequence, payload_type))
        self._unacknowledged[self._sequence] = frame
        self._outgoing.append(frame)
        self._sequence += 1


@dataclasses.dataclass
class Line:
    """Both ends and what is on the way between them, in virtual seconds.

    :param faults: what happens to the frames, one after the other; those behind the last one arrive.
    """

    client: protocol.DataChannelProtocol
    agent: Agent
    faults: collections.abc.Iterator[Fault]
    key: bytes = b""
    now: float = 0.0
    delivered: list[bytes] = dataclasses.field(default_factory=list)
    cuts: int = 0

    def __post_init__(self) -> None:
        self._on_the_way: list[tuple[float, int, bool, bytes]] = []
        self._order = itertools.count()
        self._agent_repeats = _AGENT_RESENDS_AFTER

    def connect(self) -> None:
        """Open the (next) socket; what was on the way on the last one is lost."""
        self._on_the_way.clear()
        self.client.socket_opened(self.now)

    def run(self, done: collections.abc.Callable[[], bool], limit: float = 600.0) -> None:
        """Let time pass until something is true."""
        self._transmit(self.agent.outgoing(), up=False)
        while not done():
            assert self.now < limit, "nothing moves any more"
            self._transmit(self.client.take_outgoing(), up=True)
            self._step()

    def _step(self) -> None:
        deadline = self.client.deadline()
        arrival = self._on_the_way[0][0] if self._on_the_way else None
        due = min(moment for moment in (deadline, arrival, self._agent_repeats) if moment is not None)
        self.now = max(self.now, due)
        if self._on_the_way and self._on_the_way[0][0] <= self.now:
            _moment, _order, up, data = heapq.heappop(self._on_the_way)
            self._arrive(data, up=up)
        elif due == self._agent_repeats:
            self._transmit(self.agent.repetition(self.now), up=False)
            self._agent_repeats = self.now + _AGENT_RESENDS_AFTER
        else:
            self.client.wake(self.now)

    def _arrive(self, data: bytes, *, up: bool) -> None:
        if up:
            self._transmit(self.agent.take(data, self.now), up=False)
            return
        self.client.receive(data, self.now)
        for event in self.client.events():
            if isinstance(event, channel_events.Output):
                self.delivered.append(event.data)
            elif isinstance(event, channel_events.KeyRequested):
                self.client.encrypt(encryption.SessionCipher(self.key), payloads.key_answer(b"", challenged=False), self.now)

    def _transmit(self, frames: list[bytes], *, up: bool) -> None:
        for frame in frames:
            fault = next(self.faults, Fault.NONE)
            if fault is Fault.CUT:
                self.cuts += 1
                self.connect()
                return
            for _copy in range({Fault.DROP: 0, Fault.DUPLICATE: 2}.get(fault, 1)):
                late = 0.3 if fault is Fault.DELAY else 0.0
                # The real agent does not look at the digest, and TCP damages nothing on its way: only what comes down is damaged.
                sent = frame[:-1] + bytes([frame[-1] ^ 1]) if fault is Fault.DAMAGE and not up else frame
                heapq.heappush(self._on_the_way, (self.now + _ONE_WAY + late, next(self._order), up, sent))
