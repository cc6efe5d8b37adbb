# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads, writes and waits on file descriptors without holding up the event loop."""

from __future__ import annotations

import asyncio
import collections.abc
import os


async def _ready(
    register: collections.abc.Callable[..., None], unregister: collections.abc.Callable[[int], bool], descriptor: int
) -> None:
    waiting = asyncio.get_running_loop().create_future()

    def arrived() -> None:
        if not waiting.done():
            waiting.set_result(None)

    register(descriptor, arrived)
    try:
        await waiting
    finally:
        unregister(descriptor)


async def readable(descriptor: int) -> None:
    """Wait until there is something to read, or the end."""
    loop = asyncio.get_running_loop()
    await _ready(loop.add_reader, loop.remove_reader, descriptor)


async def read(descriptor: int, size: int) -> bytes:
    """Read what is there, at most ``size`` bytes; nothing at the end. The descriptor does not block."""
    while True:
        try:
            return os.read(descriptor, size)
        except BlockingIOError:
            await readable(descriptor)
        except OSError:
            return b""  # a terminal whose other end was closed by all says EIO


async def write(descriptor: int, data: bytes) -> None:
    """Write all of it, or as much as there is somebody to read it."""
    loop = asyncio.get_running_loop()
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            await _ready(loop.add_writer, loop.remove_writer, descriptor)
        except OSError:
            return
