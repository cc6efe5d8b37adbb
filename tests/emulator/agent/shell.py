# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions with a shell on a pseudo terminal: Standard_Stream and InteractiveCommands (session/shell/shell.go).

The first output waits a second. At most 1024 bytes are read at a time, passed through the UTF-8 filter and sent, then it sleeps
for a millisecond. Pausing stops the reading. Input that comes before the terminal is there is neither acknowledged nor kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import struct
import subprocess
import termios

from tests.emulator import wire
from tests.emulator.agent import descriptors
from tests.emulator.agent.data_channel import DataChannel
from tests.emulator.agent.documents import Plan
from tests.emulator.agent.machine import BAD_START_PAUSE, Machine, check_run_as, ended
from tests.emulator.agent.utf8_filter import Utf8Filter

_FIRST_OUTPUT = 1.0
_PACE = 0.001
_READ = 1024


class ShellSession:
    """One shell."""

    handshakes = False

    def __init__(self, machine: Machine, plan: Plan) -> None:
        # An empty command is a plain shell, whatever the document (shell_unix.go, StartCommandExecutor).
        self._argv = ["sh", "-c", plan.commands] if plan.commands.strip() else ["sh"]
        self._elevated = plan.elevated
        self._run_as = None if plan.elevated else plan.run_as
        self._machine = machine
        self._terminal = -1
        self._cancelled = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    async def take(self, payload_type: int, payload: bytes) -> bool:
        """Take input; False while there is no terminal. A terminal that is full holds up the whole socket."""
        if self._terminal < 0:
            return False
        if payload_type == wire.OUTPUT:
            self._writing = asyncio.ensure_future(descriptors.write(self._terminal, payload))
            await asyncio.wait((self._writing,))
        elif payload_type == wire.SIZE:
            size = json.loads(payload)
            fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size["rows"], size["cols"], 0, 0))
        return True

    async def run(self, channel: DataChannel) -> bool:
        """Run the shell to its end and send what it prints; True when it ended by itself."""
        try:
            check_run_as(self._run_as)
        except ValueError as error:
            await asyncio.sleep(BAD_START_PAUSE)
            raise ValueError(f"Unable to start command: {error}\n") from error
        terminal, other_end = pty.openpty()
        try:
            process = self._machine.start(self._argv, terminal=other_end, elevated=self._elevated, run_as=self._run_as)
        finally:
            os.close(other_end)
        os.set_blocking(terminal, False)
        self._terminal = terminal
        try:
            return await self._until_over(channel, process)
        finally:
            self._terminal = -1
            if self._writing is not None:
                self._writing.cancel()
                await asyncio.wait((self._writing,))
            os.close(terminal)

    async def _until_over(self, channel: DataChannel, process: subprocess.Popen[bytes]) -> bool:
        pump = asyncio.ensure_future(self._pump(channel))
        cancelled = asyncio.ensure_future(self._cancelled.wait())
        await asyncio.wait((pump, cancelled), return_when=asyncio.FIRST_COMPLETED)
        if not pump.done():
            # Only the terminal's own process is killed; its group feels the hang-up, who ignores that lives on (execcmd.go).
            pump.cancel()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await ended(process)
            return False
        cancelled.cancel()
        pump.result()
        await channel.wait_for_acknowledgements()
        await channel.tell_state("Terminating")
        await ended(process)
        return True

    def cancel(self) -> None:
        """End it."""
        self._cancelled.set()

    async def _pump(self, channel: DataChannel) -> None:
        passing = Utf8Filter()
        await asyncio.sleep(_FIRST_OUTPUT)
        while True:
            await channel.active.wait()
            data = await descriptors.read(self._terminal, _READ)
            if not data:
                return
            await channel.send(wire.OUTPUT, passing.feed(data))
            await asyncio.sleep(_PACE)
