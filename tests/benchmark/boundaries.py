# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Break something at each boundary between two frames of a task's life, from the first frame of its session to the last.

What is broken: the client's socket, the agent's socket, the node's program (SIGKILL), the broker (SIGKILL). Each play has a node
with a session of its own and one command, which leaves a line on the node. The command must have run at most once; the answer must
be right, and the command have run, or say that the node is unreachable; and it must come in time.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import collections.abc
import contextlib
import dataclasses
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import bootstrap, broker_start, settings
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.client import BrokerClient
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import NodeUnreachable, SessionFailure
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.node import ManagedNode

from tests.benchmark import direct_nodes, mortal_broker
from tests.benchmark.direct_nodes import DirectNodes
from tests.emulator.agent import launch
from tests.integration.running_emulator import RunningEmulator

_CLONE = pathlib.Path(__file__).resolve().parents[2]

_SECONDS = 45.0
_MARKS = "boundaries"
_STDIN = random.Random(1).randbytes(3000)
_PROGRAM = "-I -S -c " + bootstrap._READ_PROGRAM.partition(";")[0]

Victim = t.Literal["client", "agent", "program", "broker"]
VICTIMS: tuple[Victim, ...] = t.get_args(Victim)


@dataclasses.dataclass(frozen=True)
class Boundary:
    """After which frame what is broken; frames are those of the victim's own socket, or those that the client has received."""

    victim: Victim
    frame: int

    def __str__(self) -> str:
        return f"{self.victim} after frame {self.frame}"


def _command(play: str) -> str:
    return f"echo {play} >> {_MARKS}; cat; echo error >&2; exit 3"


class Sweep:
    """Plays on all nodes at once, batch after batch."""

    def __init__(self, emulator: RunningEmulator, machines: collections.abc.Sequence[str]) -> None:
        self._emulator = emulator
        self._machines = machines
        self._fleet = DirectNodes(emulator, connection_timeout=30.0, reconnect_timeout=20.0, stall_timeout=20.0)
        self.outcomes: collections.Counter[str] = collections.Counter()
        self.struck: collections.Counter[Victim] = collections.Counter()
        self.wrong: list[str] = []

    async def frames(self) -> dict[Victim, int]:
        """Return how many boundaries there are, by an undisturbed play."""
        self._emulator.order({"clear": True})
        self._emulator.reset()
        node = self._fleet.node(self._machines[0])
        received = await _watch(node, 0, lambda: None, self._play(node, "undisturbed"))
        await node.reset()
        traffic = {name: counted["messages"] for name, counted in self._emulator.statistics()["websocket"].items()}
        return {
            "client": traffic["client_up"] + traffic["client_down"],
            "agent": traffic["agent_up"] + traffic["agent_down"],
            "program": received,
            "broker": received,
        }

    async def run(self, boundaries: collections.abc.Sequence[Boundary]) -> None:
        """Play once for each boundary; ``wrong`` has what went wrong."""
        results: dict[str, tuple[Boundary, str, str]] = {}
        for start in range(0, len(boundaries), len(self._machines)):
            batch = list(zip(self._machines, boundaries[start : start + len(self._machines)], strict=False))
            self._emulator.order({"clear": True})
            outcomes = await asyncio.gather(*(self._broken_play(machine, boundary) for machine, boundary in batch))
            for (machine, boundary), outcome in zip(batch, outcomes, strict=True):
                results[_name(machine, boundary)] = (boundary, machine, outcome)
        self._emulator.order({"clear": True})
        await asyncio.to_thread(self._end_sessions)
        marks = await self._marks()
        for play, (boundary, _machine, outcome) in results.items():
            self._judge(boundary, outcome, marks[play])
        victims = {boundary.victim for boundary in boundaries}
        self.wrong += [f"nothing was broken of any {victim}" for victim in victims if not self.struck[victim]]

    def close(self) -> None:
        """Let go of everything."""
        self._fleet.close()

    # -- plays --------------------------------------------------------------------------------------------------------

    async def _broken_play(self, machine: str, boundary: Boundary) -> str:
        """Return ``right``, what was said of the node, or what is wrong."""
        try:
            return await asyncio.wait_for(_BREAK[boundary.victim](self, machine, boundary), _SECONDS)
        except NodeUnreachable as unreachable:
            return f"unreachable: {unreachable}"
        except asyncio.TimeoutError:
            return f"no answer for {_SECONDS:g} s"

    async def _cut(self, machine: str, boundary: Boundary) -> str:
        order = {"side": boundary.victim, "after": boundary.frame, "node": self._fleet.ids[machine]}
        self._emulator.order({"cut": order})
        node = self._fleet.node(machine)
        try:
            outcome = await self._play(node, _name(machine, boundary))
        finally:
            await node.reset()
        held = (await asyncio.to_thread(self._emulator.faults)).get("cut", [])
        self.struck[boundary.victim] += self._fleet.ids[machine] not in [rule["node"] for rule in held]
        return outcome

    async def _kill_program(self, machine: str, boundary: Boundary) -> str:
        node = self._fleet.node(machine)
        outcome: list[str] = []

        async def play() -> str:
            outcome.append(await self._play(node, _name(machine, boundary)))
            return outcome[0]

        try:
            await _watch(node, boundary.frame, lambda: self._kill_programs_of(machine), play())
            return outcome[0]
        finally:
            await node.reset()

    def _kill_programs_of(self, machine: str) -> None:
        running = launch.Node(self._emulator.folder / "nodes" / machine)
        for pid in launch.with_descendants(running.pid):
            with contextlib.suppress(OSError):
                if _PROGRAM in pathlib.Path("/proc", str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode():
                    os.kill(pid, signal.SIGKILL)
                    self.struck["program"] += 1
                    return

    async def _kill_broker(self, machine: str, boundary: Boundary) -> str:
        return await asyncio.to_thread(self._play_with_mortal_broker, machine, boundary)

    def _play_with_mortal_broker(self, machine: str, boundary: Boundary) -> str:
        controller = subprocess.Popen(["sleep", "1000"])
        os.environ[mortal_broker.variable(controller.pid)] = str(boundary.frame)
        client = BrokerClient(controller.pid)
        described = settings.describe(self._fleet.options, self._fleet.settings(machine))
        try:
            return _verdict(*client.execute(described, _command(_name(machine, boundary)), _STDIN))
        except NodeUnreachable:
            self.struck["broker"] += 1
            raise
        finally:
            del os.environ[mortal_broker.variable(controller.pid)]
            after = _answer_after(client, described)
            client.close()
            controller.kill()
            controller.wait()
            if after != (0, b"after\n", b""):
                raise AssertionError(f"the request after it was answered by {after}")

    async def _play(self, node: ManagedNode, name: str) -> str:
        answer = await direct_nodes.run(node, _command(name), _STDIN)
        return _verdict(answer.code, answer.out, answer.err)

    # -- what came of them --------------------------------------------------------------------------------------------

    def _end_sessions(self) -> None:
        """Those of killed brokers; AWS ends them when they were idle for long enough."""
        time.sleep(0.5)
        self._emulator.terminate_sessions()
        if not self._emulator.no_session_is_left():
            self.wrong.append("sessions are left")

    async def _marks(self) -> collections.Counter[str]:
        async def read(machine: str) -> bytes:
            node = self._fleet.node(machine)
            try:
                return (await direct_nodes.run(node, f"cat {_MARKS} 2>/dev/null; rm -f {_MARKS}")).out
            finally:
                await node.reset()

        return collections.Counter(
            line for lines in await asyncio.gather(*map(read, self._machines)) for line in lines.decode().splitlines()
        )

    def _judge(self, boundary: Boundary, outcome: str, times: int) -> None:
        allowed = {"right": (1,), "unreachable": (0, 1)}.get(outcome.partition(":")[0], ())
        if times not in allowed:
            self.wrong.append(f"{boundary}: ran {times} times, {outcome}")
        self.outcomes[f"{boundary.victim}: {outcome.partition(':')[0]}"] += 1


_BREAK: dict[Victim, t.Callable[[Sweep, str, Boundary], t.Awaitable[str]]] = {
    "client": Sweep._cut,
    "agent": Sweep._cut,
    "program": Sweep._kill_program,
    "broker": Sweep._kill_broker,
}


def _name(machine: str, boundary: Boundary) -> str:
    return f"{machine}-{boundary.victim}-{boundary.frame}"


def _verdict(code: int, out: bytes, err: bytes) -> str:
    right = (code, out, err) == (3, _STDIN, b"error\n")
    return "right" if right else f"wrong: {code}, {len(out)} bytes, {err!r}"


def _answer_after(client: BrokerClient, described: dict[str, t.Any]) -> tuple[int, bytes, bytes] | SessionFailure:
    """Ask for something else, for which another broker must be started, of another life; return what comes of it."""
    try:
        return client.execute(described, "echo after", b"")
    except SessionFailure as failure:
        return failure


async def _watch(node: ManagedNode, after: int, act: t.Callable[[], None], play: t.Coroutine[t.Any, t.Any, str]) -> int:
    """Play, and act when the node's first session has received so many frames; return how many it received in all."""
    playing = asyncio.ensure_future(play)
    received = 0
    while not playing.done() and (node._session is None or node._session._channel is None):
        await asyncio.sleep(0.001)
    if node._session is not None and node._session._channel is not None:
        protocol = node._session._channel.protocol
        receive = protocol.receive

        def receive_and_act(data: bytes, now: float) -> None:
            nonlocal received
            received += 1
            receive(data, now)
            if received == after:
                act()

        protocol.receive = receive_and_act  # type: ignore[method-assign]
    await playing
    return received


@contextlib.contextmanager
def mortal_brokers() -> collections.abc.Iterator[None]:
    """Have brokers started that can be told when to die."""
    usual = broker_start._BROKER
    broker_start._BROKER = mortal_broker.__name__
    # A broker imports from where its starter does, and pytest does not import from here by its path.
    sys.path.append(str(_CLONE))
    try:
        yield
    finally:
        broker_start._BROKER = usual
        sys.path.remove(str(_CLONE))


def all_boundaries(frames: dict[Victim, int]) -> list[Boundary]:
    """Return every one."""
    return [Boundary(victim, frame) for victim in VICTIMS for frame in range(1, frames[victim] + 1)]


async def sweep(emulator: RunningEmulator, machines: collections.abc.Sequence[str], count: int | None, seed: int) -> Sweep:
    """Play at every boundary, or at so many of each kind that a seed picks; return what came of it."""
    made = Sweep(emulator, machines)
    try:
        boundaries = all_boundaries(await made.frames())
        if count is not None:
            chance = random.Random(seed)
            by_victim = [[boundary for boundary in boundaries if boundary.victim == victim] for victim in VICTIMS]
            boundaries = [boundary for those in by_victim for boundary in chance.sample(those, min(count, len(those)))]
        with mortal_brokers():
            await made.run(boundaries)
    finally:
        made.close()
    return made


def main() -> int:
    """Run it and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.boundaries", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, default=12)
    parser.add_argument("--real", action="store_true", help="with real agents (SSM_AGENT_BIN)")
    options = parser.parse_args()
    began = time.monotonic()
    with direct_nodes.running_fleet(options.nodes, real=options.real) as emulator:
        made = asyncio.run(sweep(emulator, sorted(emulator.nodes()), None, 0))
    print(*(f"{count:5} {what}" for what, count in sorted(made.outcomes.items())), sep="\n")
    print(*made.wrong[:20], sep="\n")
    print(f"{sum(made.outcomes.values())} plays, {len(made.wrong)} wrong, {time.monotonic() - began:.0f} s")
    return 1 if made.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
