# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node is sent before its program has greeted: in which order, and again when it got lost."""

from __future__ import annotations

import asyncio
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program import wire
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import bootstrap, program_input
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Frame, Kind
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.program_input import ProgramInput

_FIRST, _SECOND = Frame(Kind.CANCEL, 1), Frame(Kind.CANCEL, 2)


class _Channel:
    """Keeps what it is given; ``backlog`` is what the agent has not acknowledged."""

    def __init__(self) -> None:
        self.protocol = self
        self.backlog = 0
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.sent.append(data)


def _begun(typed: bytes = b"") -> tuple[ProgramInput, t.Any]:
    given, channel = ProgramInput(), _Channel()
    given.begin(t.cast("t.Any", channel), typed)
    return given, channel


def _stream(sent: list[bytes]) -> bytes:
    """Put together what a node makes of it."""
    return b"".join(wire.Parcels().feed(b"".join(sent)))


def _requests(sent: list[bytes]) -> list[int]:
    """Return the numbers of the requests whose frames stand behind the program."""
    stream = _stream(sent)
    assert stream.startswith(bootstrap.program())
    decoder = wire.Decoder()
    decoder.parcels.feed = lambda data: iter([data])  # type: ignore[method-assign]
    return [number for _kind, _flags, number, _body in decoder.feed(stream[len(bootstrap.program()) :])]


async def _repeats(monkeypatch: pytest.MonkeyPatch, given: ProgramInput, channel: t.Any, seconds: float = 0.1) -> int:
    """Return how many times all was sent again."""
    monkeypatch.setattr(program_input, "_INSIST_SECONDS", 0.02)
    before = len(channel.sent)
    insisting = asyncio.ensure_future(given.insist(channel))
    await asyncio.sleep(seconds)
    insisting.cancel()
    return (len(channel.sent) - before) // before


def test_the_program_comes_first_and_then_the_frames_that_were_there_before_the_channel() -> None:
    given, channel = ProgramInput(), _Channel()
    given.write(_FIRST)
    given.begin(t.cast("t.Any", channel), b"")
    given.write(_SECOND)
    assert _requests(channel.sent) == [1, 2]


def test_a_shell_is_given_the_command_alone_until_it_says_that_it_reads() -> None:
    given, channel = _begun(b"sh\n")
    given.write(_FIRST)
    assert channel.sent == [b"sh\n"]
    given.is_read()
    assert _requests(channel.sent[1:]) == [1]


def test_what_says_that_it_reads_gets_the_program_once() -> None:
    given, channel = _begun()
    sent = list(channel.sent)
    given.is_read()
    assert channel.sent == sent


def test_another_channel_gets_all_that_the_first_one_got() -> None:
    given, channel = _begun()
    given.write(_FIRST)
    other = _Channel()
    given.begin(t.cast("t.Any", other), b"")
    assert other.sent == channel.sent


def test_after_the_greeting_frames_are_no_longer_armoured_nor_kept() -> None:
    given, channel = _begun()
    given.write(_FIRST)
    given.has_greeted()
    before = len(channel.sent)
    given.write(_SECOND)
    assert channel.sent[before][:1] == b"\0"
    assert given.unheard == []
    other = _Channel()
    given.begin(t.cast("t.Any", other), b"")
    assert _stream(other.sent) == b""


def test_a_program_that_takes_the_place_of_another_is_sent_in_the_same_stream() -> None:
    given, channel = _begun()
    given.has_greeted()
    given.begin_again()
    assert not given.heard
    assert _stream(channel.sent) == 2 * bootstrap.program()


def test_what_got_lost_is_sent_again_when_the_node_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lose() -> None:
        given, channel = _begun()
        assert await _repeats(monkeypatch, given, channel) == 0
        given.is_read()
        assert await _repeats(monkeypatch, given, channel) > 0

    asyncio.run(lose())


def test_nothing_is_sent_again_as_long_as_the_agent_has_not_taken_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait() -> None:
        given, channel = _begun()
        given.is_read()
        channel.backlog = 1
        assert await _repeats(monkeypatch, given, channel) == 0

    asyncio.run(wait())


def test_nothing_is_sent_again_after_the_greeting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def greet() -> None:
        given, channel = _begun()
        given.is_read()
        given.has_greeted()
        assert await _repeats(monkeypatch, given, channel) == 0

    asyncio.run(greet())
