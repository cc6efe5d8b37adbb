# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request's frames that come by two ways, late and again."""

from __future__ import annotations

import asyncio

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.exchange import Exchange, Result
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.figures import RoundTrips
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Frame, Kind
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.pieces import PieceLedger
from hypothesis import given
from hypothesis import strategies as st

_CODE = (3).to_bytes(4, "big")


async def _results(exchange: Exchange) -> list[Result]:
    return [result async for result in exchange.results()]


@given(data=st.data())
def test_placed_frames_in_any_order_and_again_are_the_stream_once(data: st.DataObject) -> None:
    bodies = data.draw(st.lists(st.binary(min_size=1, max_size=5), max_size=8))
    in_order = data.draw(st.integers(0, len(bodies)))
    frames, position = [], 0
    for at, body in enumerate(bodies):
        frames.append(Frame(Kind.STDOUT, 1, body, position=None if at < in_order else position))
        position += len(body)
    end = Frame(Kind.EXIT, 1, _CODE, position=position)
    placed = [*frames[in_order:], end]
    again = data.draw(st.lists(st.sampled_from(placed), max_size=5))
    # The others came by the terminal, in their order, but not before those.
    terminal = iter(frames[:in_order])
    places = data.draw(st.permutations([*placed, *again, *[None] * in_order]))
    arrivals = [next(terminal) if frame is None else frame for frame in places]

    async def run() -> None:
        sent: list[Frame] = []
        exchange = Exchange(1, PieceLedger(), sent.append, RoundTrips())
        taken = [exchange.take(frame) for frame in arrivals]
        results = await _results(exchange)
        assert b"".join(result.data for result in results) == b"".join(bodies)
        assert (results[-1].kind, results[-1].code) == (Kind.EXIT, 3)
        assert taken[-1]
        assert [frame.kind for frame in sent] == [Kind.CANCEL], "the node keeps the end until it is told"

    asyncio.run(run())


def test_the_end_waits_for_what_comes_before_it() -> None:
    exchange = Exchange(1, PieceLedger(), lambda _frame: None, RoundTrips())
    assert not exchange.take(Frame(Kind.DONE, 1, b"{}", position=4))
    assert not exchange.take(Frame(Kind.DATA, 1, b"cd", position=2))
    assert exchange.take(Frame(Kind.DATA, 1, b"ab", position=0))


def test_a_failure_waits_for_nothing() -> None:
    exchange = Exchange(1, PieceLedger(), lambda _frame: None, RoundTrips())
    exchange.take(Frame(Kind.DATA, 1, b"cd", position=2))
    assert exchange.take(Frame(Kind.FAIL, 1, b'{"code": "EIO", "message": "broken"}'))


def test_a_node_cannot_fill_our_memory() -> None:
    exchange = Exchange(1, PieceLedger(), lambda _frame: None, RoundTrips())
    with pytest.raises(ValueError, match="more than 8388608 bytes before their turn"):
        _fill(exchange)


def _fill(exchange: Exchange) -> None:
    for position in range(1, 100):
        exchange.take(Frame(Kind.DATA, 1, bytes(512 * 1024), position=position * 512 * 1024))
