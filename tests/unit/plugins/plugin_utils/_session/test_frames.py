# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames, by both halves of their codec: ours and the node program's."""

from __future__ import annotations

import base64
import contextlib
import struct
import typing as t
import zlib

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program import wire
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import frames, parcels, terminal_output
from hypothesis import given
from hypothesis import strategies as st

_FRAMES = st.builds(
    frames.Frame,
    st.sampled_from(frames.Kind).map(int),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=5000) | st.binary(max_size=40).map(lambda data: data * 200),
    st.booleans(),
)


def _pieces(data: bytes, sizes: list[int]) -> t.Iterator[bytes]:
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


def _line(kind: int, flags: int, request: int, body: bytes) -> bytes:
    content = struct.pack(">BBI", kind, flags, request) + body
    return b"<" + base64.b64encode(content + struct.pack(">I", zlib.crc32(content))) + b"\n"


@given(st.lists(st.tuples(_FRAMES, st.booleans()), max_size=6), st.lists(st.integers(0, 3000), max_size=10))
def test_the_node_program_reads_what_we_write_however_it_arrives(
    written: list[tuple[frames.Frame, bool]], sizes: list[int]
) -> None:
    writer = parcels.ParcelWriter()
    data = b"".join(b"".join(writer.write(frames.encode(frame), armoured=armoured)) for frame, armoured in written)
    decoder = wire.Decoder()
    read = [found for piece in _pieces(data, sizes) for found in decoder.feed(piece)]
    assert [(kind, request, body, bool(flags & wire.LAST)) for kind, flags, request, body in read] == [
        (frame.kind, frame.request, frame.body, frame.last) for frame, _armoured in written
    ]


@given(st.lists(_FRAMES, max_size=6), st.lists(st.integers(0, 3000), max_size=10), st.binary(max_size=100))
def test_we_read_what_the_node_program_writes_whatever_stands_before_it(
    written: list[frames.Frame], sizes: list[int], noise: bytes
) -> None:
    noise = noise.replace(b"<", b"").replace(b"@", b"")
    lines = [wire.armour(frame.kind, frame.request, frame.body, wire.LAST if frame.last else 0) for frame in written]
    decoder = frames.Decoder()
    data = (noise + b"\n" if noise else b"") + b"".join(lines)
    assert [found for piece in _pieces(data, sizes) for found in decoder.feed(piece)] == written


def test_a_body_is_compressed_only_when_that_makes_it_shorter() -> None:
    assert len(frames.encode(frames.Frame(frames.Kind.DATA, 1, bytes(10_000)))) < 100
    assert b"short" in frames.encode(frames.Frame(frames.Kind.DATA, 1, b"short"))


def test_a_frame_is_found_behind_what_else_stands_on_its_line() -> None:
    decoder = frames.Decoder()
    assert list(decoder.feed(b"$ prompt " + wire.armour(wire.EXIT, 3, b"\0\0\0\0"))) == [frames.Frame(35, 3, b"\0\0\0\0")]


@pytest.mark.parametrize("line", [b"@ready\n", b"@ready\r\n", b"sh-5.2$ @ready\r\n"])
def test_a_remark_is_found_behind_a_prompt(line: bytes) -> None:
    assert list(frames.Decoder().feed(line)) == [terminal_output.Remark("ready")]


def test_noise_keeps_the_end_of_what_is_no_frame() -> None:
    decoder = frames.Decoder()
    assert list(decoder.feed(b"x" * 3000 + b"\nsh: no such thing\n17:echoed\n18:echoedaccount expired\n")) == []
    assert decoder.noise == b"x" * 300 + b"\nsh: no such thing\n18:echoedaccount expired\n"
    assert list(decoder.feed(b"many lines\n" * 1000)) == []
    assert len(decoder.noise) == 2000


@pytest.mark.parametrize("line", [b"<no base64 at all!\n", b"<" + base64.b64encode(b"abc") + b"\n"])
def test_a_damaged_frame_is_an_error(line: bytes) -> None:
    with pytest.raises(terminal_output.DamagedFrame, match="arrived damaged"):
        list(frames.Decoder().feed(line))


def test_a_frame_with_one_wrong_character_is_an_error() -> None:
    line = bytearray(wire.armour(wire.EXIT, 3, b"\0\0\0\0"))
    line[5] ^= 1
    with pytest.raises(terminal_output.DamagedFrame, match="arrived damaged"):
        list(frames.Decoder().feed(bytes(line)))


def test_what_cannot_be_decompressed_is_an_error() -> None:
    with pytest.raises(terminal_output.DamagedFrame, match="cannot be decompressed"):
        list(frames.Decoder().feed(_line(33, 1, 1, b"not compressed")))


def test_a_bomb_is_an_error() -> None:
    with pytest.raises(terminal_output.DamagedFrame, match="larger than its program would send"):
        list(frames.Decoder().feed(_line(33, 1, 1, zlib.compress(bytes(terminal_output.MAX_LINE + 1)))))


def test_a_line_without_end_is_an_error() -> None:
    decoder = frames.Decoder()
    with pytest.raises(terminal_output.DamagedFrame, match="a line of more than"):
        list(decoder.feed(b"x" * (terminal_output.MAX_LINE + 1)))


@given(st.binary(max_size=500))
def test_any_bytes_of_a_node_are_frames_or_noise_or_an_error(data: bytes) -> None:
    with contextlib.suppress(terminal_output.DamagedFrame):
        list(frames.Decoder().feed(data))


def test_a_log_line_has_no_body() -> None:
    assert str(frames.Frame(frames.Kind.EXEC, 1, b"secret", last=True)) == "EXEC 1 6 B last"
    assert str(frames.Frame(99, 1)) == "99 1 0 B"
