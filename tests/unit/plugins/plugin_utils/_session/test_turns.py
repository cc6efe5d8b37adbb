# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a turn, and for AWS to stop throttling, in simulated time."""

from __future__ import annotations

import asyncio
import collections.abc
import functools
import random

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import ServiceUnavailable, Throttled
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.figures import Throttling
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.pacing import BURST
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.turns import Turns, to_its_end

from tests.unit.plugins.plugin_utils._session import simulated_time

_LATENCY = 0.08


class Service:
    """An operation that throttles, by whatever rule."""

    def __init__(self, throttles: collections.abc.Callable[[float], bool]) -> None:
        self.throttling = Throttling()
        self.served: list[int] = []
        self.finished = 0.0
        self._throttles = throttles

    async def serve(self, callers: int) -> None:
        """Serve so many callers who come all at once."""
        turns = Turns("ssm:StartSession")
        await asyncio.gather(*(turns.call(functools.partial(self._answer, number), self.throttling) for number in range(callers)))
        self.finished = asyncio.get_running_loop().time()

    async def _answer(self, number: int) -> int:
        throttled = self._throttles(asyncio.get_running_loop().time())
        if not throttled:
            self.served.append(number)
        await asyncio.sleep(_LATENCY)
        if throttled:
            raise Throttled("Rate exceeded")
        return number


class Limit:
    """What AWS does: so many calls in a second, and a few at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._moment = float(burst), 0.0

    def __call__(self, now: float) -> bool:
        self._tokens = min(self._burst, self._tokens + (now - self._moment) * self._rate)
        self._moment = now
        if self._tokens < 1:
            return True
        self._tokens -= 1
        return False


def test_nobody_waits_long_where_nothing_is_throttled() -> None:
    service = Service(lambda _now: False)
    simulated_time.run(service.serve(200))
    assert service.served == list(range(200))
    assert service.finished < 4
    assert service.throttling.count == 0


@pytest.fixture(autouse=True)
def _same_chances_each_time() -> None:
    random.seed(11)


@pytest.mark.parametrize("seed", range(10))
def test_two_hundred_callers_get_through_where_a_third_is_throttled_at_random(seed: int) -> None:
    chance = random.Random(seed)
    service = Service(lambda _now: chance.random() < 0.3)
    simulated_time.run(service.serve(200))
    assert sorted(service.served) == list(range(200))
    assert service.finished < 60
    assert service.throttling.count > 40


@pytest.mark.parametrize(("rate", "burst"), [(2, 5), (5, 5), (10, 10), (30, 20)])
def test_a_limit_is_found_and_used_whole_with_fewer_calls_refused_than_let_through(rate: float, burst: int) -> None:
    service = Service(Limit(rate, burst))
    simulated_time.run(service.serve(200))
    assert sorted(service.served) == list(range(200))
    assert service.finished < 1.1 * (200 - burst) / rate + 1
    assert service.throttling.count < 200


def test_whoever_came_first_is_served_before_those_who_came_later_even_when_refused() -> None:
    for _time in range(25):
        service = Service(Limit(2, 1))
        simulated_time.run(service.serve(60))
        # A refused caller is away for a moment, in which some are served who came later.
        assert all(abs(place - number) < 5 for place, number in enumerate(service.served))


def test_the_time_spent_waiting_is_told() -> None:
    refusals = [True, True, False]
    service = Service(lambda _now: refusals.pop(0))
    simulated_time.run(service.serve(1))
    assert service.throttling.count == 2
    assert service.throttling.seconds == pytest.approx(service.finished - 3 * _LATENCY)


def test_other_failures_are_the_callers() -> None:
    async def fail() -> None:
        raise ServiceUnavailable("no way")

    async def call() -> None:
        await Turns("ssm:StartSession").call(fail, Throttling())

    with pytest.raises(ServiceUnavailable, match="no way"):
        simulated_time.run(call())


def test_a_caller_who_gives_up_holds_up_nobody() -> None:
    async def both() -> list[str]:
        turns, served = Turns("ssm:StartSession"), []

        async def work(name: str) -> None:
            served.append(name)

        # Both must wait for their turn.
        for _number in range(BURST):
            await turns.call(functools.partial(work, "early"), Throttling())
        waiting = [asyncio.ensure_future(turns.call(functools.partial(work, name), Throttling())) for name in ("first", "second")]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await waiting[1]
        return served[BURST:]

    assert simulated_time.run(both()) == ["second"]


def test_a_service_that_throttles_everything_for_ten_minutes_is_given_up() -> None:
    service = Service(lambda _now: True)

    async def wait() -> float:
        with pytest.raises(ServiceUnavailable, match=r"throttled every call of ssm:StartSession for 60\d s"):
            await service.serve(1)
        return asyncio.get_running_loop().time()

    assert 600 < simulated_time.run(wait()) < 620


def test_what_runs_to_its_end_gives_its_result_to_one_who_was_cancelled() -> None:
    async def cancelled() -> str:
        task = asyncio.ensure_future(to_its_end(asyncio.sleep(1, "started")))
        await asyncio.sleep(0.5)
        task.cancel()
        return await task

    assert simulated_time.run(cancelled()) == "started"


def test_what_fails_at_its_end_leaves_one_who_was_cancelled_cancelled() -> None:
    async def fail() -> None:
        await asyncio.sleep(1)
        raise Throttled("Rate exceeded")

    async def cancelled() -> None:
        task = asyncio.ensure_future(to_its_end(fail()))
        await asyncio.sleep(0.5)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        simulated_time.run(cancelled())
