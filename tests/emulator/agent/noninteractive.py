# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NonInteractiveCommands sessions: a program without a shell and without input, its output in one or two streams.

Combined output goes through a file and is sent when the program has ended, a kilobyte a millisecond. Separate streams are sent at
once and at full speed, but a pause ends them for good, and the exit code still comes (session/shell/shell.go).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
import typing as t

from tests.emulator import wire
from tests.emulator.agent import descriptors
from tests.emulator.agent.data_channel import DataChannel
from tests.emulator.agent.documents import Plan
from tests.emulator.agent.machine import BAD_START_PAUSE, Machine, check_run_as, ended
from tests.emulator.agent.utf8_filter import Utf8Filter

_READ = 1024
_PACE = 0.001
_SIGNALS = {0x03: signal.SIGINT, 0x1C: signal.SIGQUIT}
_ERROR_PAUSE = 1.0


class NonInteractiveSession:
    """One program."""

    handshakes = True

    def __init__(self, machine: Machine, plan: Plan) -> None:
        self._plan = plan
        self._machine = machine
        self._process: subprocess.Popen[bytes] | None = None
        self._cancelled = asyncio.Event()

    async def take(self, payload_type: int, payload: bytes) -> bool:
        """Two control characters are signals, and the socket waits until the program is gone; all other input is dropped."""
        if payload_type == wire.OUTPUT and self._process is not None:
            number = next((_SIGNALS[character] for character in payload if character in _SIGNALS), None)
            if number is not None:
                self._process.send_signal(number)
                await ended(self._process)
        return True

    def cancel(self) -> None:
        """Kill the program."""
        self._cancelled.set()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def run(self, channel: DataChannel) -> bool:
        """Run the program to its end and send its output."""
        try:
            argv = self._argv()
        except ValueError as error:
            await asyncio.sleep(BAD_START_PAUSE + _ERROR_PAUSE)
            message = f"Unable to start command: {error}\n"
            await channel.send(wire.STDERR, message.encode())
            return False
        return await self._until_over(channel, argv)

    def _argv(self) -> list[str]:
        """Return the program and its arguments; ValueError has the reason why there is none to be started."""
        try:
            argv = shlex.split(self._plan.commands, comments=True)
        except ValueError as error:
            raise ValueError(f"Failed to parse commands input: {error}\n") from error
        check_run_as(None if self._plan.elevated else self._plan.run_as)
        return argv

    async def _until_over(self, channel: DataChannel, argv: list[str]) -> bool:
        work = asyncio.ensure_future(
            self._run_separate(channel, argv) if self._plan.separate else self._run_combined(channel, argv)
        )
        cancelled = asyncio.ensure_future(self._cancelled.wait())
        await asyncio.wait((work, cancelled), return_when=asyncio.FIRST_COMPLETED)
        cancelled.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait((work,))
        else:
            work.result()
        await channel.wait_for_acknowledgements()
        await channel.tell_state("Terminating")
        return not self._cancelled.is_set()

    async def _run_combined(self, channel: DataChannel, argv: list[str]) -> None:
        with tempfile.TemporaryFile() as output:
            try:
                self._process = self._start(argv, stdout=output, stderr=output)
            except OSError as error:
                await self._tell_error(channel, argv, error)
                return
            await ended(self._process)
            output.seek(0)
            passing = Utf8Filter()
            while data := output.read(_READ):
                await channel.active.wait()
                await channel.send(wire.OUTPUT, passing.feed(data))
                await asyncio.sleep(_PACE)

    async def _run_separate(self, channel: DataChannel, argv: list[str]) -> None:
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        try:
            try:
                process = self._process = self._start(argv, stdout=out_end, stderr=err_end)
            except OSError as error:
                await channel.send(wire.EXIT_CODE, b"EXIT_CODE: 1")  # before the message (tried with the real agent)
                await self._tell_error(channel, argv, error)
                return
            finally:
                os.close(out_end)
                os.close(err_end)
            await asyncio.gather(pass_on(channel, out, wire.OUTPUT), pass_on(channel, err, wire.STDERR))
            code = await ended(process)
            await channel.send(wire.EXIT_CODE, f"EXIT_CODE: {max(code, -1)}".encode())
        finally:
            os.close(out)
            os.close(err)

    def _start(self, argv: list[str], **streams: t.Any) -> subprocess.Popen[bytes]:
        return self._machine.start(
            argv, stdin=subprocess.DEVNULL, elevated=self._plan.elevated, run_as=self._plan.run_as, **streams
        )

    async def _tell_error(self, channel: DataChannel, argv: list[str], error: OSError) -> None:
        await asyncio.sleep(_ERROR_PAUSE)
        program = argv[0] if argv else ""
        reason = (
            f'exec: "{program}": executable file not found in $PATH'
            if isinstance(error, FileNotFoundError)
            else str(error.strerror)
        )
        await channel.send(wire.STDERR, f"Error occurred starting the command: {reason}\n".encode())


async def pass_on(channel: DataChannel, pipe: int, kind: int) -> None:
    """Send a pipe to its end, or to the first pause."""
    os.set_blocking(pipe, False)
    passing = Utf8Filter()
    while channel.active.is_set():
        data = await descriptors.read(pipe, _READ)
        if not data:
            return
        await channel.send(kind, passing.feed(data))
        await asyncio.sleep(0)  # a reader that is always ready leaves room for acknowledgements
