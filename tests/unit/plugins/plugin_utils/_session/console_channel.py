# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand in for websocket and agent on Windows: a channel whose other end is a simulated console with PowerShell's stand-in."""

from __future__ import annotations

import asyncio
import subprocess
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session.channel import Traffic
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.channel_events import Closed, Event, Output
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.protocol import DataChannelProtocol

from tests.emulator.agent.console import Console, as_agent_types


class ConsoleChannel:
    """A Channel, as Session knows it."""

    console: t.ClassVar[t.Callable[[], Console]] = Console
    deaf_for = 0
    """How many of the first messages are lost, as an agent that is not ready loses them."""

    repeats = False
    """Whether every message is typed twice, as an agent does whose socket was cut."""

    def __init__(
        self,
        url: str,
        token: str,
        peer: t.Any,
        on_event: t.Callable[[Event], None],
        *,
        reconnect_seconds: float,
        protocol: DataChannelProtocol,
    ) -> None:
        self.protocol = self
        self.traffic = Traffic()
        self._command = token
        self._on_event = on_event
        self._typed: asyncio.Queue[bytes] = asyncio.Queue()

    @property
    def backlog(self) -> int:
        return self._typed.qsize()

    def send(self, data: bytes) -> None:
        self.traffic.bytes_up += len(data)
        if self.deaf_for:
            self.deaf_for -= 1
            return
        for _time in range(2 if self.repeats else 1):
            self._typed.put_nowait(data)

    async def room(self, limit: int) -> bool:
        waited = False
        while self._typed.qsize() > limit // 1024:
            waited = True
            await asyncio.sleep(0.001)
        return waited

    async def run(self) -> None:
        console = type(self).console()
        process = await asyncio.create_subprocess_exec(
            "powershell", self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        work = [asyncio.ensure_future(self._read(console, process)), asyncio.ensure_future(self._write(console, process))]
        try:
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            self._on_event(Closed(""))
        finally:
            for task in work:
                task.cancel()
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _read(self, console: Console, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while data := await process.stdout.read(1024):
            self._on_event(Output(1, console.show(data)))

    async def _write(self, console: Console, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        while True:
            read, echo = console.type(as_agent_types(await self._typed.get()))
            self._on_event(Output(1, echo))
            process.stdin.write(read)
            await process.stdin.drain()
