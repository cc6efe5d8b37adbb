# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Feed very many malformed frames to every layer that reads what others send, and see that each refuses them: ``make fuzz``.

Cleanly, that is: by the layer's own error, or an event that ends the session; by no other exception, taking no long time and no
memory that grows.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import collections.abc
import contextlib
import dataclasses
import itertools
import json
import resource
import signal
import sys
import time
import types
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program import program, request, wire
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.download import Download
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.outlet import Outlet
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import cutting, payloads, requests
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.channel_events import KeyRequested
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.download import Allowance
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.encryption import SessionCipher
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.exchange import Exchange
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import NodeUnreachable, SessionFailure
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Kind
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.protocol import DataChannelProtocol, State
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.session import Session
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.session_service import Started
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.settings import NodeSettings
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.benchmark.malformed import Malformed
from tests.emulator import wire as service_wire

SLOWEST = 5.0
"""Processor seconds that one frame may take, its making included."""

_PATIENCE = 12
"""How many times longer by the clock, on a machine that is busy with other things: something may wait that should not."""

MOST_MEMORY = 250 * 1024 * 1024
"""Bytes that the process may grow by: what all layers may hold at once is about half of it."""

_KEY = bytes(range(64))
_KMS = {"KMSKeyId": "key", "Challenge": "c"}

_REQUESTS = itertools.cycle(itertools.permutations((Kind.EXEC, Kind.GET, Kind.PUT)))
_ORDER = b'{"path": "x", "size": 4}'

_LIFE = 5000
"""Frames for one session, if it lives so long."""


class Hangs(BaseException):
    """A frame took too long."""


class _Service:
    """A SessionService that is asked to start a session, and does not come to it."""

    ssl_context = None
    region = "eu-west-1"

    async def start(self, *_arguments: t.Any) -> Started:
        await asyncio.get_running_loop().create_future()
        raise NodeUnreachable("never")


class _Channel:
    """What a Session needs of a Channel, over no socket."""

    def __init__(self, protocol: DataChannelProtocol) -> None:
        self.protocol = protocol

    def send(self, data: bytes) -> None:
        self.protocol.send_input(data, 0.0)


class Controller:
    """Everything on the controller behind the websocket: protocol, frames, session, exchanges."""

    windows = False

    def __init__(self) -> None:
        settings = NodeSettings("i-0", "test", ("python3",), 60.0, 60.0, 120.0, windows=self.windows)
        self.session = Session(t.cast("t.Any", _Service()), settings, Allowance())
        self.protocol = DataChannelProtocol(filler=b"\n")
        self.session._channel = t.cast("t.Any", _Channel(self.protocol))
        self.session._input.begin(self.session._channel, b"")
        self.protocol.socket_opened(0.0)
        self._now = 0.0
        self.begin()
        self._consumers: list[asyncio.Task[None]] = []
        # What runs one request after another gets stuck at the first; each is that now and then.
        for kind in next(_REQUESTS):
            exchange = self.session.exchange()
            exchange.open(kind, _ORDER, cutting.cut(b"data") if kind is Kind.PUT else (), last=True)
            self._consumers.append(asyncio.ensure_future(_consume(exchange)))

    def begin(self) -> None:
        """Bring the session to where the damage begins."""

    def frame(self, malformed: Malformed) -> bytes:
        """Return what the service sends next."""
        return malformed.from_service(self.protocol._next_received)

    @property
    def over(self) -> bool:
        """Whether it has ended, and how it should."""
        return self.protocol.state is State.CLOSED or not self.session.usable

    def feed(self, malformed: Malformed) -> None:
        """Take one frame."""
        self._now += 0.001
        self.receive(self.frame(malformed))
        self.protocol.wake(self._now)
        if malformed.random.random() < 0.1:
            self.protocol.take_outgoing()

    def receive(self, frame: bytes) -> None:
        """Take a websocket frame, and what it leads to."""
        self.protocol.receive(frame, self._now)
        for event in self.protocol.events():
            self.session._on_event(event)

    async def close(self) -> None:
        """Let it end."""
        await self.session.end()
        for consumer in self._consumers:
            consumer.cancel()
        for result in await asyncio.gather(*self._consumers, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


class WithoutPython(Controller):
    """The same, when the node has no Python: lines of its shell in place of frames, and what is said with it."""

    def begin(self) -> None:
        """Have the shell greet."""
        self.receive(_sent(0, b"@nopython\n>h 0 30 base64 sha256sum 1000 ssm-user\n"))

    def frame(self, malformed: Malformed) -> bytes:
        """Return a frame with what the shell prints."""
        posix = self.session._posix
        expected = posix._number if posix is not None else 0
        return malformed.from_service(self.protocol._next_received, lambda: malformed.from_shell(expected))


class OnWindows(Controller):
    """The same for a Windows node: its console's lines around the frames."""

    windows = True

    def frame(self, malformed: Malformed) -> bytes:
        """Return a frame with what the console shows."""
        windows = self.session._windows
        if windows is None:
            raise AssertionError("a Windows node has a console")
        link = windows._link
        link.pump(self._now)
        return malformed.from_service(self.protocol._next_received, lambda: malformed.from_console(link._expected))


class Encrypted(Controller):
    """The same in a session with a KMS key, challenged to prove it."""

    def begin(self) -> None:
        """Shake hands until the agent has its key."""
        asked = {"AgentVersion": "3.3.0.0", "RequestedClientActions": [{"ActionType": "KMSEncryption", "ActionParameters": _KMS}]}
        self.protocol.receive(_sent(0, json.dumps(asked).encode(), service_wire.HANDSHAKE_REQUEST), 0.0)
        (*_before, event) = self.protocol.events()
        if not isinstance(event, KeyRequested):
            raise AssertionError(f"{event} in place of a request for a key")
        self.protocol.encrypt(SessionCipher(_KEY), payloads.key_answer(b"blob", challenged=True), 0.0)
        self._nonce = itertools.count()

    def frame(self, malformed: Malformed) -> bytes:
        """Return a frame whose payload was encrypted, mostly."""
        return malformed.from_service(self.protocol._next_received, seal=self._seal)

    def _seal(self, data: bytes) -> bytes:
        nonce = next(self._nonce).to_bytes(12, "big")
        return nonce + AESGCM(_KEY[:32]).encrypt(nonce, data, None)


def _sent(number: int, payload: bytes, payload_type: int = service_wire.OUTPUT) -> bytes:
    """Return a frame as it should be."""
    return service_wire.pack(service_wire.Message("output_stream_data", payload, number, payload_type))


async def _consume(exchange: Exchange) -> None:
    with contextlib.suppress(SessionFailure):
        async for _result in exchange.results():
            pass


class _Order(request.Request):
    """A request that reads its order as a transfer does, and does nothing."""

    def __init__(self, running: program.Program, number: int, order: bytes, _flags: int = 0) -> None:
        super().__init__(running, number)
        str(json.loads(order.decode())["path"]).encode("utf-8", "surrogateescape")


class Node:
    """Everything in a node's program before something is done: parcels, frames, recipes, orders."""

    def __init__(self) -> None:
        self.program = object.__new__(program.Program)
        self.program.decoder = wire.Decoder()
        self.program.pieces = wire.Pieces()
        self.program.requests = {}
        self.program.newest = 0
        self.program.terminal = Outlet(1)
        self.program.terminal.queue = collections.deque(maxlen=10)
        self.program.download = Download(self.program, {"wire": "", "courier": ""})
        self.over = False

    def feed(self, malformed: Malformed) -> None:
        """Take some input; the program ends by a ProtocolError and nothing else."""
        try:
            self.program.take(malformed.from_controller(self.program.decoder.parcels.expected))
        except wire.ProtocolError:
            self.over = True

    async def close(self) -> None:
        """There is nothing to let go of."""


class Broker:
    """How a broker reads what workers send."""

    over = False

    def feed(self, malformed: Malformed) -> None:
        """Take one request."""
        data = malformed.from_worker()
        with contextlib.suppress(requests.MalformedRequest):
            if len(data) >= requests.LENGTHS.size:
                header_size, _body_size = requests.decode_lengths(data[: requests.LENGTHS.size])
                requests.check(requests.decode_header(data[requests.LENGTHS.size :][:header_size]))

    async def close(self) -> None:
        """There is nothing to let go of."""


class Target(t.Protocol):
    """What is fed."""

    @property
    def over(self) -> bool:
        """Whether it has ended."""

    def feed(self, malformed: Malformed) -> None:
        """Take one frame."""

    async def close(self) -> None:
        """Let it end; raise what went wrong behind the scenes."""


TARGETS: dict[str, tuple[t.Callable[[], Target], float]] = {
    "controller": (Controller, 0.3),
    "controller without Python": (WithoutPython, 0.15),
    "controller of Windows": (OnWindows, 0.1),
    "controller with a key": (Encrypted, 0.1),
    "node": (Node, 0.25),
    "broker": (Broker, 0.1),
}
"""And what part of all frames each gets."""


@dataclasses.dataclass
class Figures:
    """What came of feeding one of them."""

    frames: int = 0
    ends: int = 0
    slowest: float = 0.0


async def feed(make: t.Callable[[], Target], count: int, seed: int) -> Figures:
    """Feed so many frames to one after the other; raise what is not clean."""
    malformed, figures, life, target = Malformed(seed), Figures(), 0, make()
    for _frame in range(count):
        began = time.process_time()
        with _limited():
            target.feed(malformed)
        figures.slowest = max(figures.slowest, time.process_time() - began)
        figures.frames += 1
        life += 1
        if target.over or life > _LIFE:
            await target.close()
            figures.ends += 1
            target, life = make(), 0
        elif life % 20 == 0:
            await asyncio.sleep(0)
    await target.close()
    return figures


@contextlib.contextmanager
def _limited() -> collections.abc.Iterator[None]:
    signal.setitimer(signal.ITIMER_PROF, SLOWEST)
    signal.setitimer(signal.ITIMER_REAL, _PATIENCE * SLOWEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _hang(number: int, _frame: types.FrameType | None) -> None:
    limit = SLOWEST if number == signal.SIGPROF else _PATIENCE * SLOWEST
    raise Hangs(f"one frame takes more than {limit:g} s ({signal.Signals(number).name})")


def memory() -> int:
    """Return the most memory that this process had so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run(count: int, seed: int) -> dict[str, Figures]:
    """Feed them all; raise what is not clean."""
    before = {number: signal.signal(number, _hang) for number in (signal.SIGALRM, signal.SIGPROF)}
    try:
        return {name: asyncio.run(feed(make, int(count * part), seed)) for name, (make, part) in TARGETS.items()}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> int:
    """Run it and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=None, help="from the clock if not given")
    options = parser.parse_args()
    seed = int(time.time()) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    began, before = time.monotonic(), memory()
    for name, figures in run(options.frames, seed).items():
        slowest = f"the slowest frame {figures.slowest * 1000:.0f} ms"
        print(f"{name:25} {figures.frames:9} frames, {figures.ends:7} clean ends, {slowest}")
    grown = memory() - before
    print(f"{grown // 1024 // 1024} MB grown, {time.monotonic() - began:.0f} s")
    return 1 if grown > MOST_MEMORY else 0


if __name__ == "__main__":
    sys.exit(main())
