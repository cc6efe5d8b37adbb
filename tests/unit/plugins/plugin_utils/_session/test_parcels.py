# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parcels, by both halves: ours writes, the node program's reads."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program import wire
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import messages, parcels
from hypothesis import given
from hypothesis import strategies as st

_STREAM = st.lists(st.tuples(st.binary(max_size=3000), st.booleans()), max_size=6)


def _written(stream: list[tuple[bytes, bool]]) -> list[bytes]:
    writer = parcels.ParcelWriter()
    return [parcel for data, armoured in stream for parcel in writer.write(data, armoured=armoured)]


@given(_STREAM, st.data())
def test_what_arrives_twice_is_taken_once(stream: list[tuple[bytes, bool]], data: st.DataObject) -> None:
    sent = _written(stream)
    times = data.draw(st.lists(st.integers(1, 3), min_size=len(sent), max_size=len(sent)))
    reader = wire.Parcels()
    arrived = b"".join(parcel * count for parcel, count in zip(sent, times, strict=True))
    assert b"".join(reader.feed(arrived)) == b"".join(part for part, _armoured in stream)


@given(_STREAM, st.lists(st.integers(0, 2000), max_size=10))
def test_it_does_not_matter_how_the_terminal_cuts(stream: list[tuple[bytes, bool]], sizes: list[int]) -> None:
    arrived = b"".join(_written(stream))
    reader = wire.Parcels()
    read = []
    for size in sizes:
        read += list(reader.feed(arrived[:size]))
        arrived = arrived[size:]
    read += list(reader.feed(arrived))
    assert b"".join(read) == b"".join(part for part, _armoured in stream)


@given(st.binary(max_size=5000), st.booleans())
def test_each_parcel_is_one_message(data: bytes, armoured: bool) -> None:
    assert all(len(parcel) <= messages.MAX_PAYLOAD for parcel in parcels.ParcelWriter().write(data, armoured=armoured))


def test_an_armoured_parcel_is_one_line() -> None:
    for parcel in parcels.ParcelWriter().write(bytes(range(256)) * 20, armoured=True):
        assert parcel.index(b"\n") == len(parcel) - 1


@pytest.mark.parametrize("armoured", [True, False])
def test_what_was_lost_at_first_is_waited_for(armoured: bool) -> None:
    sent = parcels.ParcelWriter().write(bytes(range(250)) * 40, armoured=armoured)
    reader = wire.Parcels()
    assert list(reader.feed(b"".join(sent[3:]))) == []
    assert b"".join(reader.feed(b"".join(sent))) == bytes(range(250)) * 40


def test_what_never_comes_is_not_waited_for_for_ever() -> None:
    reader = wire.Parcels()
    with pytest.raises(wire.ProtocolError, match="parcel 0 did not arrive"):
        list(reader.feed(b"".join(b"%d:\n" % number for number in range(1, wire.MOST_AHEAD + 3))))
