# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pass TCP connections on to another port, each byte half a round trip late: a long line for peers that have no emulator."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import typing as t


class DelayedPort:
    """A listening port on loopback in front of another; its own thread and event loop.

    :param target: port on 127.0.0.1 to pass on to.
    :param delay_ms: round trip time to add.
    """

    def __init__(self, target: int, delay_ms: float) -> None:
        self.port = 0
        self._target = target
        self._one_way = delay_ms / 2000
        self._listening: concurrent.futures.Future[asyncio.AbstractEventLoop] = concurrent.futures.Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> DelayedPort:
        self._thread.start()
        self._loop = self._listening.result()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._ended = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set_result(asyncio.get_running_loop())
        await self._ended.wait()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(self._pass_on(reader, far_writer), self._pass_on(far_reader, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read at once and write late, so that a long line is not a narrow one."""
        late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivering = asyncio.ensure_future(self._deliver(late, writer))
        data: t.Any = True
        while data:
            try:
                data = await reader.read(65536)
            except ConnectionError:
                data = b""
            late.put_nowait((asyncio.get_running_loop().time() + self._one_way, data))
        await delivering

    async def _deliver(self, late: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, data = await late.get()
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            if not data:
                writer.close()
                return
            writer.write(data)
