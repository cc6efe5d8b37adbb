# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions on a simulated Windows node: Standard_Stream and InteractiveCommands (session/shell/shell_windows.go).

The agent starts ``powershell.exe`` with the document's command behind it, on a hidden console of 200 columns that it sees the
screen of. The pace, the wait and the UTF-8 filter are those of other nodes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import typing as t

from tests.emulator import wire
from tests.emulator.agent import descriptors
from tests.emulator.agent.console import Console, as_agent_types
from tests.emulator.agent.data_channel import DataChannel
from tests.emulator.agent.documents import Plan
from tests.emulator.agent.machine import Machine, ended

_FIRST_OUTPUT = 1.0
_PACE = 0.001
_READ = 1024


class WindowsShellSession:
    """One PowerShell."""

    handshakes = False

    def __init__(self, machine: Machine, plan: Plan) -> None:
        self._command = plan.commands
        self._machine = machine
        self._console = Console(seed=os.getpid())
        self._process: subprocess.Popen[bytes] | None = None
        self._seen = bytearray()
        self._cancelled = asyncio.Event()

    async def take(self, payload_type: int, payload: bytes) -> bool:
        """Take input; False while there is no console."""
        if self._process is None:
            return False
        if payload_type == wire.OUTPUT:
            read, echo = self._console.type(as_agent_types(payload))
            self._seen += echo
            await descriptors.write(_descriptor(self._process.stdin), read)
        elif payload_type == wire.SIZE:
            self._console.resize(json.loads(payload)["cols"])
        return True

    async def run(self, channel: DataChannel) -> bool:
        """Run PowerShell to its end and send what is seen; True when it ended by itself."""
        pipes: dict[str, t.Any] = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
        process = self._machine.start(["powershell", self._command], stderr=subprocess.STDOUT, **pipes)
        for pipe in (process.stdin, process.stdout):
            os.set_blocking(_descriptor(pipe), False)
        self._process = process
        pump = asyncio.ensure_future(self._pump(channel, _descriptor(process.stdout)))
        cancelled = asyncio.ensure_future(self._cancelled.wait())
        try:
            await asyncio.wait((pump, cancelled), return_when=asyncio.FIRST_COMPLETED)
            if pump.done():
                pump.result()
                await channel.wait_for_acknowledgements()
                await channel.tell_state("Terminating")
            return pump.done()
        finally:
            self._process = None
            pump.cancel()
            cancelled.cancel()
            # The end of a console is the end of all that is on it; what was started with a console of its own lives on.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            await ended(process)

    def cancel(self) -> None:
        """End it."""
        self._cancelled.set()

    async def _pump(self, channel: DataChannel, output: int) -> None:
        await asyncio.sleep(_FIRST_OUTPUT)
        while True:
            await channel.active.wait()
            with contextlib.suppress(asyncio.TimeoutError):
                # The echo of what is typed is seen although the program has nothing to say.
                await asyncio.wait_for(descriptors.readable(output), 0.02 if self._seen else 1.0)
                data = await descriptors.read(output, _READ)
                if not data:
                    return
                self._seen += self._console.show(data)
            while self._seen:
                part = bytes(self._seen[:_READ])
                del self._seen[:_READ]
                await channel.send(wire.OUTPUT, part)
                await asyncio.sleep(_PACE)


def _descriptor(pipe: t.Any) -> int:
    return int(pipe.fileno())
