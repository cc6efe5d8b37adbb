# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes: what the ledger writes, the node program reads back, whatever was remembered and forgotten before."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program import wire
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import pieces
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.cutting import Segment
from hypothesis import given
from hypothesis import strategies as st

# Few different pieces, so that many come again.
_PIECE = st.builds(lambda letter, size: bytes([letter]) * size, st.sampled_from(b"abc"), st.sampled_from([1, 47, 48, 200, 400]))
_PIECES = st.lists(_PIECE, max_size=4).map(tuple)
_SEGMENT = (
    st.builds(Segment, _PIECES)
    | st.builds(lambda found: Segment(found, base64.b64encode(b"".join(found))), _PIECES)
    | st.builds(lambda found: Segment(found, passing=True), _PIECES)
)


def _stream(segments: list[Segment]) -> bytes:
    return b"".join(b"".join(segment.pieces) if segment.encoded is None else segment.encoded for segment in segments)


@given(st.lists(st.lists(_SEGMENT, max_size=4), max_size=12), st.sampled_from([0, 300, 1000, pieces.CAPACITY]))
def test_the_node_reads_back_what_was_written(streams: list[list[Segment]], capacity: int) -> None:
    ledger, remembered = pieces.PieceLedger(capacity), wire.Pieces()
    for segments in streams:
        assert wire.expand(ledger.recipe(segments), remembered) == _stream(segments)
        assert sum(map(len, remembered.known.values())) == remembered.held <= capacity


@given(st.integers(0, 2**35 - 1))
def test_a_number_is_read_back(value: int) -> None:
    data = pieces.number(value)
    assert wire.read_number(data + b"more", 0) == (value, len(data))


def test_a_piece_is_sent_once() -> None:
    ledger = pieces.PieceLedger()
    piece = bytes(range(256))
    first, second = ledger.recipe([Segment((piece,))]), ledger.recipe([Segment((piece,))])
    assert len(first) > 256
    assert len(second) == 2
    assert ledger.saved == 256


def test_an_encoded_segment_is_one_reference_the_second_time() -> None:
    ledger = pieces.PieceLedger()
    segment = Segment((b"a" * 3000, b"b" * 3000), base64.b64encode(b"a" * 3000 + b"b" * 3000))
    ledger.recipe([segment])
    assert len(ledger.recipe([segment])) == 2
    assert ledger.saved == 8000


def test_passing_bytes_are_not_remembered() -> None:
    ledger, remembered = pieces.PieceLedger(), wire.Pieces()
    wire.expand(ledger.recipe([Segment((b"x" * 1000,), passing=True)]), remembered)
    assert remembered.known == {}


def test_the_piece_used_last_is_forgotten_last() -> None:
    ledger, remembered = pieces.PieceLedger(400), wire.Pieces()
    for letter in (b"a", b"b", b"a", b"c"):
        wire.expand(ledger.recipe([Segment((letter * 200,))]), remembered)
    assert sorted(remembered.known.values()) == [b"a" * 200, b"c" * 200]


def test_after_the_program_has_changed_pieces_are_sent_again() -> None:
    ledger = pieces.PieceLedger()
    ledger.recipe([Segment((b"x" * 200,))])
    ledger.forget()
    assert wire.expand(ledger.recipe([Segment((b"x" * 200,))]), wire.Pieces()) == b"x" * 200


@pytest.mark.parametrize(
    "recipe",
    [
        b"\x09\x00",
        b"\x01\x05",
        b"\x01",
        b"\x05\x05",
        b"\x00\x05four",
        b"\x02\x00\x05four",
        b"\x00" + b"\x80" * 1000,
        # a piece that grows, and one that is named again and again
        b"\x02\x00\x01x" + b"\x01\x00" * 10 + b"\x03\x00" + b"\x01\x00" * 2000 + b"\x04\x00" + b"\x01\x00" * 20_000,
    ],
)
def test_the_node_refuses_a_recipe_that_makes_no_sense(recipe: bytes) -> None:
    with pytest.raises(wire.ProtocolError):
        wire.expand(recipe, wire.Pieces())
