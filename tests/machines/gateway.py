# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leads machines, which know Systems Manager by AWS's names, to an emulator that listens on this computer's loopback."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import socket
import ssl
import threading
import types
import urllib.parse

from tests.emulator.certificates import Certificates
from tests.emulator.server import Description
from tests.machines import network

REGION = "us-east-1"
_API_NAMES = tuple(f"{service}.{REGION}.amazonaws.com" for service in ("ssm", "ec2messages", "kms", "logs", "monitoring"))
_MESSAGES_NAME = f"ssmmessages.{REGION}.amazonaws.com"
# The names a machine's hosts file leads to us.
NAMES = (*_API_NAMES, _MESSAGES_NAME)
ADDRESS = network.SERVICES_ADDRESS
_CHUNK = 65_536


class Gateway:
    """Ends the machines' TLS and passes on what is in it, as long as the ``with`` block lasts."""

    def __init__(self, listening: socket.socket, folder: pathlib.Path, emulator: Description) -> None:
        certificates = Certificates(folder, NAMES)
        self._listening = listening
        self._context = certificates.server_context()
        self._context.sni_callback = _note_name
        self._api = urllib.parse.urlsplit(emulator.url)
        self._messages = urllib.parse.urlsplit(emulator.messages_url)
        self._trusting = ssl.create_default_context(cafile=emulator.ca_file)
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Gateway:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: types.TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        # Clients that do not trust us are tests.
        self._loop.set_exception_handler(lambda _loop, _context: None)
        self._server = await asyncio.start_server(self._meet, sock=self._listening, ssl=self._context)

    async def _end(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        name = getattr(writer.get_extra_info("ssl_object"), "asked_name", "")
        with contextlib.suppress(OSError):
            their_reader, their_writer = await self._reach(name)
            await asyncio.gather(_pass_on(reader, their_writer), _pass_on(their_reader, writer))

    async def _reach(self, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if name == _MESSAGES_NAME:
            host = self._messages.hostname or ""
            return await asyncio.open_connection(host, self._messages.port, ssl=self._trusting, server_hostname=host)
        return await asyncio.open_connection(self._api.hostname, self._api.port)


def _note_name(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
    connection.asked_name = name or ""  # type: ignore[union-attr]


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while content := await reader.read(_CHUNK):
            writer.write(content)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
