# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Port sessions: one TCP connection from the node, as for a client without multiplexing (session/plugins/port/port_basic.go).

A client that is new enough to multiplex (from 1.1.70 on, with LocalPortForwarding) is refused here: that part of the agent is not
simulated. A document without a ``type``, as AWS-StartSSHSession's, is never multiplexed.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct

from tests.emulator import wire
from tests.emulator.agent.data_channel import DataChannel
from tests.emulator.agent.documents import Plan
from tests.emulator.agent.machine import Machine

_READ = 1024
_PACE = 0.001
_FORWARDING = "LocalPortForwarding"
_MULTIPLEXING_SINCE = (1, 1, 70)


class PortSession:
    """One connection at a time."""

    handshakes = True

    def __init__(self, machine: Machine, plan: Plan) -> None:
        self._host = str(plan.properties.get("host") or "localhost")
        self._port = str(plan.properties.get("portNumber") or "")
        self._forwarding = plan.properties.get("type") == _FORWARDING
        self._over = asyncio.Event()
        self._wanted = asyncio.Event()  # input has come, so a lost connection is made anew
        self._connected = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self.client_version = ""

    async def take(self, payload_type: int, payload: bytes) -> bool:
        """Pass input to the connection; False while there has been none."""
        if self._writer is None:
            return False
        if payload_type == wire.FLAG:
            number = struct.unpack(">I", payload)[0]
            if number == wire.TERMINATE_SESSION:
                self._over.set()
            elif number == wire.DISCONNECT_TO_PORT:
                self._writer.close()
            return True
        if not self._connected.is_set():
            self._wanted.set()
            await self._connected.wait()
        self._writer.write(payload)
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
        return True

    def cancel(self) -> None:
        """End it."""
        self._over.set()

    async def run(self, channel: DataChannel) -> bool:
        """Pass everything on until one side ends."""
        if not self._port:
            raise ValueError("Port number is empty in session properties.")
        if self._forwarding and version_of(self.client_version) >= _MULTIPLEXING_SINCE:
            raise ValueError("Multiplexed port sessions are not simulated")
        reader = await self._connect()
        reading = asyncio.ensure_future(self._read_on(reader, channel))
        over = asyncio.ensure_future(self._over.wait())
        await asyncio.wait((reading, over), return_when=asyncio.FIRST_COMPLETED)
        for task in (reading, over):
            task.cancel()
        if self._writer is not None:
            self._writer.close()
        return True

    async def _connect(self) -> asyncio.StreamReader:
        try:
            reader, self._writer = await asyncio.open_connection(self._host, int(self._port), limit=_READ)
        except OSError as error:
            raise ValueError(f"Unable to connect to specified port: {error}") from error
        self._connected.set()
        return reader

    async def _read_on(self, reader: asyncio.StreamReader, channel: DataChannel) -> None:
        while True:
            await self._read(reader, channel)
            if not self._forwarding:
                return
            # EOF makes the agent wait for the next input, and connect again then.
            self._connected.clear()
            await self._wanted.wait()
            self._wanted.clear()
            reader = await self._connect()

    async def _read(self, reader: asyncio.StreamReader, channel: DataChannel) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await channel.active.wait()
                data = await reader.read(_READ)
                if not data:
                    return
                await channel.send(wire.OUTPUT, data)
                await asyncio.sleep(_PACE)


def version_of(text: str) -> tuple[int, ...]:
    """Read a version for comparing."""
    return tuple(int(part) for part in text.split(".") if part.isdigit())
