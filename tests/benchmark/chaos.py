# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have very many tasks done over very bad lines, and hold each against what it should have done: ``make chaos``.

Commands with input and output of random sizes, files there and back, several at once in each node's session; frames are lost,
doubled and put out of order on both legs, and the sockets of clients and agents cut at random. Every task leaves a line of its own
on its node. All is from a seed, but for the order in which the machine gets to things.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import dataclasses
import hashlib
import random
import sys
import time
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import SessionFailure
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.node import ManagedNode

from tests.benchmark import direct_nodes
from tests.benchmark.direct_nodes import DirectNodes
from tests.integration.running_emulator import RunningEmulator

_TASK_SECONDS = 120.0
_CLOSING_SECONDS = 10.0
_DATA = bytes(random.Random(0).randbytes(512 * 1024))
_LARGEST_EXPONENT = 17

_FOLDER = "chaos"


@dataclasses.dataclass(frozen=True)
class Conditions:
    """How bad the lines are: chances for each frame on each leg and in each direction."""

    drop: float = 0.02
    duplicate: float = 0.02
    reorder: float = 0.02
    cut: float = 0.001

    def order(self, seed: int) -> dict[str, t.Any]:
        """Return it as an order for the emulator."""
        directions = ("client_up", "client_down", "agent_up", "agent_down")
        seeds = iter(range(seed * 100, seed * 100 + 100))
        order: dict[str, t.Any] = {
            kind: [{"direction": direction, "rate": rate, "seed": next(seeds)} for direction in directions]
            for kind, rate in (("drop", self.drop), ("duplicate", self.duplicate), ("reorder", self.reorder))
        }
        order["cut"] = [{"side": side, "rate": self.cut, "seed": next(seeds), "times": None} for side in ("client", "agent")]
        return order


@dataclasses.dataclass(frozen=True)
class Task:
    """One thing to do on a node; raises AssertionError when something else has come of it."""

    number: int
    size: int
    seed: int

    def random_bytes(self) -> bytes:
        """Return what it sends."""
        return random.Random(self.seed).randbytes(self.size)

    async def carry_out(self, node: ManagedNode) -> None:
        """Do it and look at the result."""
        raise NotImplementedError


class Command(Task):
    """Digests its input, prints a part of a file, ends by a code; leaves its number."""

    async def carry_out(self, node: ManagedNode) -> None:
        """Do it and look at the result."""
        chance = random.Random(self.seed + 1)
        start, length, code = chance.randrange(len(_DATA)), _size(chance), chance.randrange(256)
        script = f"echo {self.number} >> {_FOLDER}/marks; sha256sum >&2; tail -c +{start + 1} {_FOLDER}/data | head -c {length}"
        stdin = self.random_bytes()
        answer = await direct_nodes.run(node, f"{script}; exit {code}", stdin)
        assert answer.code == code, f"exit code {answer.code}, not {code}"
        assert _digest(answer.out) == _digest(_DATA[start : start + length]), f"another output, {len(answer.out)} of {length} bytes"
        assert answer.err.split()[:1] == [_digest(stdin).encode()], f"another input has arrived: {answer.err!r}"


class Upload(Task):
    """Writes a file of its own, and looks at it."""

    async def carry_out(self, node: ManagedNode) -> None:
        """Do it and look at the result."""
        content = self.random_bytes()
        await direct_nodes.put(node, f"{_FOLDER}/put-{self.number}", content)
        answer = await direct_nodes.run(node, f"echo {self.number} >> {_FOLDER}/marks; sha256sum < {_FOLDER}/put-{self.number}")
        assert answer.out.split()[:1] == [_digest(content).encode()], "another file is there"


class Download(Task):
    """Has a file made, and reads it."""

    async def carry_out(self, node: ManagedNode) -> None:
        """Do it and look at the result."""
        start = self.seed % len(_DATA)
        cut = f"tail -c +{start + 1} {_FOLDER}/data | head -c {self.size} > {_FOLDER}/get-{self.number}"
        await direct_nodes.run(node, f"echo {self.number} >> {_FOLDER}/marks; {cut}")
        content = await direct_nodes.get(node, f"{_FOLDER}/get-{self.number}")
        assert _digest(content) == _digest(_DATA[start : start + self.size]), f"another file has arrived ({len(content)} bytes)"


_KINDS: tuple[type[Task], ...] = (Command, Command, Command, Upload, Download)


def _size(chance: random.Random) -> int:
    """Return a size of which small ones are as likely as large ones."""
    return int(2 ** chance.uniform(0, _LARGEST_EXPONENT)) - 1


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tasks(count: int, seed: int) -> list[Task]:
    """Return so many tasks."""
    chance = random.Random(seed)
    return [chance.choice(_KINDS)(number, _size(chance), chance.randrange(2**31)) for number in range(count)]


@dataclasses.dataclass
class Outcome:
    """What came of it all."""

    seed: int
    kinds: collections.Counter[str]
    nodes: int
    at_once: int
    wrong: list[str] = dataclasses.field(default_factory=list)
    faults: dict[str, int] = dataclasses.field(default_factory=dict)
    sessions: int = 0
    reconnects: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {name.lower()}s" for name, count in sorted(self.kinds.items()))
        faults = ", ".join(f"{count} {name}" for name, count in sorted(self.faults.items()))
        lines = [
            f"seed {self.seed}: {sum(self.kinds.values())} tasks ({kinds}) on {self.nodes} nodes, {self.at_once} at once on each",
            f"faults: {faults}; {self.reconnects} reconnects, {self.sessions} sessions",
            f"time: {self.seconds:.1f} s",
            *self.wrong[:20],
            f"{len(self.wrong)} WRONG" if self.wrong else "every task exactly once, all results right, all sessions closed",
        ]
        return "\n".join(lines)


class Chaos:
    """One run of it."""

    def __init__(self, emulator: RunningEmulator, machines: list[str], seed: int, at_once: int, conditions: Conditions) -> None:
        self._emulator = emulator
        self._machines = machines
        self._seed = seed
        self._at_once = at_once
        self._conditions = conditions

    async def run(self, all_tasks: list[Task]) -> Outcome:
        """Do tasks, then look at what is on the nodes."""
        kinds = collections.Counter(type(task).__name__ for task in all_tasks)
        outcome = Outcome(self._seed, kinds, len(self._machines), self._at_once)
        fleet = DirectNodes(self._emulator)
        nodes = {machine: fleet.node(machine) for machine in self._machines}
        given = {machine: all_tasks[index :: len(nodes)] for index, machine in enumerate(nodes)}
        began = time.monotonic()
        try:
            self._emulator.order(self._conditions.order(self._seed))
            await asyncio.gather(*(self._prepare(node) for node in nodes.values()))
            await asyncio.gather(*(self._work(nodes[machine], machine, given[machine], outcome) for machine in nodes))
            outcome.faults = self._emulator.statistics()["faults"]
            self._emulator.order({"clear": True})
            for machine, node in nodes.items():
                outcome.wrong += await self._look_at_marks(node, machine, given[machine])
        finally:
            await asyncio.gather(*(node.reset() for node in nodes.values()))
            fleet.close()
        outcome.sessions = sum(node.figures.sessions for node in nodes.values())
        outcome.reconnects = sum(node.figures.reconnects for node in nodes.values())
        outcome.seconds = time.monotonic() - began
        if not await asyncio.to_thread(self._emulator.no_session_is_left, _CLOSING_SECONDS):
            outcome.wrong.append(f"sessions are open {_CLOSING_SECONDS:g} s after the end")
        return outcome

    @staticmethod
    async def _prepare(node: ManagedNode) -> None:
        await direct_nodes.run(node, f"rm -rf {_FOLDER}; mkdir {_FOLDER}; touch {_FOLDER}/marks")
        await direct_nodes.put(node, f"{_FOLDER}/data", _DATA)

    async def _work(self, node: ManagedNode, machine: str, given: list[Task], outcome: Outcome) -> None:
        waiting = iter(given)

        async def worker() -> None:
            for task in waiting:
                what = f"{type(task).__name__} {task.number} on {machine}"
                try:
                    await asyncio.wait_for(task.carry_out(node), _TASK_SECONDS)
                except asyncio.TimeoutError:
                    outcome.wrong.append(f"{what}: hangs")
                except (SessionFailure, AssertionError) as error:
                    outcome.wrong.append(f"{what}: {type(error).__name__}: {error}")

        await asyncio.gather(*(worker() for _one in range(self._at_once)))

    @staticmethod
    async def _look_at_marks(node: ManagedNode, machine: str, given: list[Task]) -> list[str]:
        answer = await direct_nodes.run(node, f"cat {_FOLDER}/marks; rm -rf {_FOLDER}")
        found = collections.Counter(map(int, answer.out.split()))
        wanted = collections.Counter(task.number for task in given)
        return [f"task {number} ran {found[number]} times on {machine}" for number in wanted | found if found[number] != 1]


def main() -> int:
    """Run it and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=None, help="from the clock if not given")
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--at-once", type=int, default=4, help="tasks at once in each session")
    parser.add_argument("--real", action="store_true", help="with real agents (SSM_AGENT_BIN)")
    options = parser.parse_args()
    seed = int(time.time()) if options.seed is None else options.seed
    with direct_nodes.running_fleet(options.nodes, real=options.real) as emulator:
        chaos = Chaos(emulator, sorted(emulator.nodes()), seed, options.at_once, Conditions())
        outcome = asyncio.run(chaos.run(tasks(options.tasks, seed)))
    print(outcome)
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
