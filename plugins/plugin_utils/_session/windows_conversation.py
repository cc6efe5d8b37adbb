# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talk to a Windows node's program over a session's channel: say each line when it is due."""

from __future__ import annotations

import asyncio
import contextlib

from ansible_collections.fleet.ssm.plugins.plugin_utils._session.channel import Channel
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.windows_console import ConsoleLink

_DEAF_SECONDS = 90.0
_MESSAGE = 1000
"""Bytes of lines in a message."""


class WindowsConversation:
    """What is said with the program on one node."""

    def __init__(self) -> None:
        self._link = ConsoleLink()
        self._due = asyncio.Event()

    @property
    def noise(self) -> bytes:
        """The end of what the session printed and the program did not."""
        return self._link.noise.encode()

    def write(self, data: bytes) -> None:
        """Have bytes said."""
        self._link.write(data)
        self._due.set()

    def feed(self, output: bytes) -> bytes:
        """Take what the session printed; return what the program said."""
        self._due.set()
        return self._link.feed(output, asyncio.get_running_loop().time())

    async def run(self, channel: Channel) -> None:
        """Say what is due, when it is; return when the program has not heard anything for long although the node's agent has."""
        loop = asyncio.get_running_loop()
        while self._link.unacknowledged_for(loop.time()) < _DEAF_SECONDS:
            self._due.clear()
            self._say(self._link.pump(loop.time(), delivered=channel.protocol.backlog == 0), channel)
            deadline = self._link.deadline()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._due.wait(), None if deadline is None else max(0.0, deadline - loop.time()))

    def _say(self, lines: list[bytes], channel: Channel) -> None:
        message = b""
        for line in lines:
            if len(message) + len(line) > _MESSAGE:
                channel.send(message)
                message = b""
            message += line
        if message:
            channel.send(message)
