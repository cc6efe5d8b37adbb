# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send the node program, and frames to it, before it has said anything; say all of it again should it have got lost."""

from __future__ import annotations

import asyncio

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import bootstrap, frames
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.channel import Channel
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.parcels import ParcelWriter

_INSIST_SECONDS = 3.0
"""A program that did not get lost greets in the same breath in which its first stage begins to read."""


class ProgramInput:
    """What a session's node is sent. Until the program has greeted all of it is kept.

    ``heard`` says whether the program has greeted; ``unheard`` has the frames for it until then.
    """

    def __init__(self) -> None:
        self.heard = False
        self.unheard: list[frames.Frame] = []
        self._early: list[bytes] = []
        self._parcels = ParcelWriter()
        self._reading = asyncio.Event()
        self._program_sent = False
        self._channel: Channel | None = None

    @property
    def next_parcel(self) -> int:
        """The number of the parcel that is sent next."""
        return self._parcels.next

    def begin(self, channel: Channel, typed: bytes) -> None:
        """Use a channel from now on; all that one before it got is sent again.

        :param typed: the command that a shell must be given first; b"" when the session runs it by itself.
        """
        self._channel = channel
        if self._early:
            self._repeat(channel)
        elif typed:
            # The program is sent when the command says that it reads.
            self.say(typed)
        else:
            self.send_program()

    def write(self, frame: frames.Frame) -> None:
        """Send the program a frame."""
        if not self.heard:
            self.unheard.append(frame)
        if self._program_sent:
            self._pass_on(frames.encode(frame))

    def say(self, data: bytes) -> None:
        """Send bytes as they are."""
        if not self.heard:
            self._early.append(data)
        if self._channel is not None:
            self._channel.send(data)

    def send_program(self) -> None:
        """Send the program, and then the frames that wait for it."""
        # The command that was typed, if one was, has come through.
        self._early.clear()
        self._pass_on(bootstrap.program())
        self.say(self._parcels.end())
        self._program_sent = True
        for frame in self.unheard:
            self._pass_on(frames.encode(frame))

    def is_read(self) -> None:
        """Take the word of the first stage that it reads."""
        self._reading.set()
        if not self._program_sent:
            self.send_program()

    def has_greeted(self) -> None:
        """Take the word of the program that it is there."""
        self.heard = True
        self._early.clear()
        self.unheard.clear()

    def begin_again(self) -> None:
        """Send the program once more, to take the place of one that had greeted."""
        self.heard = False
        self.send_program()

    async def insist(self, channel: Channel) -> None:
        """Send all again when the node reads and the agent has acknowledged it all: what it got too early, it threw away."""
        pause = _INSIST_SECONDS
        while not self.heard:
            if self._program_sent:
                # A slow node has not come to reading yet.
                await self._reading.wait()
            await asyncio.sleep(pause)
            if not self.heard and channel.protocol.backlog == 0:
                self._repeat(channel)
                pause *= 2

    def _repeat(self, channel: Channel) -> None:
        for data in self._early:
            channel.send(data)

    def _pass_on(self, data: bytes) -> None:
        for parcel in self._parcels.write(data, armoured=not self.heard):
            self.say(parcel)
