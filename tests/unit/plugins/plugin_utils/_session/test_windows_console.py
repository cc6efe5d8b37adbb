# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines over a console that wraps, repeats, decorates and loses them: what arrives is what was sent, once and in order."""

from __future__ import annotations

import binascii
import random
import re
import time

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Decoder
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.windows_console import ConsoleLink
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.emulator.agent.console import Console, as_agent_types


class Node:
    """The other half of the codec, written once more from its description, with the frames as bare text."""

    def __init__(self) -> None:
        self.received = b""
        self.texts: list[str] = []
        self._next = 0
        self._expected = 0
        self._acknowledged = 0
        self._typed = ""

    def write(self, text: str) -> None:
        self.texts += [text[start : start + 160] for start in range(0, len(text), 160)]

    def hear(self, typed: bytes) -> None:
        *lines, self._typed = re.split(r"[\r\n]", self._typed + typed.decode("latin-1"))
        for line in lines:
            content, _dot, checksum = line.rpartition(".")
            if checksum != f"{binascii.crc32(content.encode('latin-1')):08x}":
                continue
            number, count, text = content.split(".")
            self._acknowledged = max(self._acknowledged, int(count))
            if text and int(number) == self._expected:
                self.received += binascii.a2b_base64(text)
                self._expected += 1

    def say(self) -> bytes:
        """Everything that was not acknowledged, again and again, and at least an acknowledgement."""
        numbered = list(enumerate(self.texts))[self._acknowledged :][:20] or [(len(self.texts), "")]
        lines = (f"{number}.{self._expected}.{text}" for number, text in numbered)
        return "".join(f"<{line}.{binascii.crc32(line.encode()):08x}>\r\n" for line in lines).encode()

    @property
    def heard_all(self) -> bool:
        return self._acknowledged == len(self.texts)


def _converse(link: ConsoleLink, node: Node, console: Console, seed: int, *, expected: bytes) -> bytes:
    chance = random.Random(seed)
    now, came = 0.0, b""
    for _round in range(3000):
        for line in link.pump(now):
            read, echo = console.type(as_agent_types(line))
            node.hear(read)
            came += link.feed(echo, now)
        seen = console.show(node.say())
        while seen:
            cut = chance.randint(1, 400)
            came += link.feed(seen[:cut], now)
            seen = seen[cut:]
        if node.heard_all and node.received == expected and link.unacknowledged_for(now + 1) == 0:
            return came
        now += 0.5
        console.resize(chance.choice((80, 120, 200, 200, 500)))
    raise AssertionError(f"the conversation does not end: {len(node.received)} of {len(expected)} bytes")


@settings(max_examples=40)
@given(up=st.binary(max_size=4000), down=st.lists(st.text("abcXYZ019+/=", max_size=400), max_size=12), seed=st.integers(0, 2**32))
def test_both_streams_arrive_whole_over_a_console_that_loses_rows(up: bytes, down: list[str], seed: int) -> None:
    link, node = ConsoleLink(), Node()
    link.write(up)
    for text in down:
        node.write(f"-{text},")
    came = _converse(link, node, Console(seed=seed, lossy=0.1), seed, expected=up)
    assert came == b"".join(b"<" + text.encode() + b"\n" for text in down)


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=60) | st.sampled_from([b"<0.0.-,.", b"\x1b[", b"\x1b]0;", b">", b"<", b"\x1b"]), max_size=30))
def test_nothing_that_is_no_line_is_taken_for_one(chunks: list[bytes]) -> None:
    link = ConsoleLink()
    assert b"".join(link.feed(chunk, 0.0) for chunk in chunks) == b""
    assert len(link.noise) <= 2000
    assert link.pump(1.0) == []


def _down(number: int, count: int, text: str) -> bytes:
    content = f"{number}.{count}.{text}"
    return f"<{content}.{binascii.crc32(content.encode()):08x}>".encode()


@pytest.mark.parametrize("cut", range(1, 40))
def test_escape_sequences_are_taken_out_wherever_they_are_cut(cut: int) -> None:
    link = ConsoleLink()
    line = _down(0, 0, "-QUJD,")
    shown = b"\x1b]0;a > b\x07\x1b[37;40m" + line[:9] + b"\x1b[0K\r\n\x1b[>0q" + line[9:] + b"\x1b>"
    assert link.feed(shown[:cut], 0.0) + link.feed(shown[cut:], 0.0) == b"<QUJD\n"


def test_a_row_that_is_seen_twice_counts_once() -> None:
    link = ConsoleLink()
    line = _down(0, 0, "-QUJD,")
    assert link.feed(line[:12] + b"\r" + line + b"\r" + line + b"\r\n" + line, 0.0) == b"<QUJD\n"


def test_a_part_of_a_wrapped_line_that_is_seen_twice_counts_once() -> None:
    link = ConsoleLink()
    line = _down(0, 0, "-QUJD,")
    assert link.feed(line[:10] + b"\r\n" + line[10:15] + b"\r" + line[10:20] + b"\r\r\n" + line[20:], 0.0) == b"<QUJD\n"


def test_lines_out_of_order_wait_for_their_turn() -> None:
    link = ConsoleLink()
    assert link.feed(_down(1, 0, "QUJD,"), 0.0) == b""
    assert link.feed(_down(0, 0, "-"), 0.0) == b"<QUJD\n"


def test_no_line_is_longer_than_a_console_takes() -> None:
    link = ConsoleLink()
    link.write(bytes(100_000))
    assert max(map(len, link.pump(0.0))) < 254


def test_little_is_said_to_a_program_that_has_not_greeted() -> None:
    link = ConsoleLink()
    link.write(bytes(100_000))
    assert len(link.pump(0.0)) == 8
    link.feed(_down(0, 8, "-"), 1.0)
    assert len(link.pump(1.0)) == 256


def test_what_is_not_acknowledged_is_said_again_and_ever_more_rarely() -> None:
    link = ConsoleLink()
    link.write(b"x")
    first = link.pump(10.0)
    assert link.pump(11.9) == []
    assert (link.deadline(), link.pump(12.0), link.pump(15.9), link.pump(16.0)) == (12.0, first, [], first)
    link.feed(_down(0, 1, ""), 17.0)
    assert (link.deadline(), link.unacknowledged_for(100.0)) == (None, 0.0)


def test_as_long_as_the_agent_has_not_got_it_nothing_is_said_again() -> None:
    link = ConsoleLink()
    link.write(b"x")
    link.pump(0.0)
    assert link.pump(60.0, delivered=False) == []
    assert link.unacknowledged_for(60.0) == 0.0


def test_what_came_is_acknowledged_when_there_is_nothing_else_to_say() -> None:
    link = ConsoleLink()
    link.feed(_down(0, 0, "-"), 1.0)
    assert (link.pump(1.01), link.deadline()) == ([], 1.05)
    assert link.pump(1.05)[0].startswith(b"0.1..")
    assert link.deadline() is None
    link.feed(_down(0, 0, "-"), 2.0)
    assert link.pump(3.0), "the acknowledgement was lost, as the line came again"


def test_what_powershell_says_instead_can_be_quoted() -> None:
    link = ConsoleLink()
    link.feed(b"\x1b[31mAdd-Type : Cannot", 0.0)
    link.feed(b" access\r\n\x1b[0m", 0.0)
    assert link.noise == "Add-Type : Cannot access\r\n"


def test_frames_come_out_as_their_decoder_wants_them() -> None:
    content = bytes([34, 0, 0, 0, 0, 7]) + b"out"
    text = binascii.b2a_base64(content + binascii.crc32(content).to_bytes(4, "big"), newline=False).decode()
    (frame,) = Decoder().feed(ConsoleLink().feed(_down(0, 0, f"-{text},"), 0.0))
    assert (getattr(frame, "request", None), getattr(frame, "body", None)) == (7, b"out")


@pytest.mark.parametrize("text", ["a", "\r", "a\r", "\x1b", "\x1b[", "\x1b]", "<", "<0.0.", "a\r>", "\r\n"])
def test_a_flood_takes_no_long_time(text: str) -> None:
    link = ConsoleLink()
    began = time.process_time()
    link.feed(f"{text * (200_000 // len(text))}>".encode(), 0.0)
    assert time.process_time() - began < 2
