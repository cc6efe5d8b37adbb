# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand in for a download session's websocket and agent: a channel whose other end is a local process with its command."""

from __future__ import annotations

import asyncio
import shlex
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session.channel import Traffic
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.channel_events import Closed, Event, KeyRequested, Output
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.messages import PayloadType


class PipeChannel:
    """A Channel, as a download session knows it."""

    breaks: t.ClassVar[list[int]] = []
    """After how many bytes the sockets of the next sessions are cut."""

    asks: KeyRequested | None = None
    """What an agent with a key asks for."""

    def __init__(self, url: str, token: str, peer: t.Any, on_event: t.Callable[[Event], None], **_settings: t.Any) -> None:
        self.protocol = self
        self.traffic = Traffic()
        self._command = token
        self._peer = peer
        self._on_event = on_event

    @property
    def hole(self) -> int:
        return 0

    def encrypt(self, _cipher: t.Any, _answer: t.Any) -> None:
        """Begin, as the command of such a session does not before."""
        self.asks = None

    async def run(self) -> None:
        if self.asks is not None:
            self._on_event(self.asks)
        while self.asks is not None:
            await asyncio.sleep(0.001)
        words = shlex.split(self._command)
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*words, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe)
        left = self.breaks.pop(0) if self.breaks else None
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            while data := await process.stdout.read(1024):
                self._on_event(Output(PayloadType.OUTPUT, data))
                self.traffic.bytes_down += len(data)
                if left is not None and self.traffic.bytes_down > left:
                    await self._peer.resume(1.0)
            self._on_event(Output(PayloadType.STDERR, await process.stderr.read()))
            self._on_event(Closed(""))
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()
