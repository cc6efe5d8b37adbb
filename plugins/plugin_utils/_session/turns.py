# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have callers of one AWS operation wait for their turn, and call again when AWS throttles them.

Whoever came first is served first, after a refusal too. Being throttled is no failure as long as AWS lets anybody's call through.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import ServiceUnavailable, Throttled
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.figures import Throttling
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.pacing import Pace

_HOPELESS_SECONDS = 600.0

_Answer = t.TypeVar("_Answer")


class Turns:
    """The queue before one operation of one identity in one region.

    :param operation: its name, for the user.
    """

    def __init__(self, operation: str) -> None:
        self._operation = operation
        self._loop = asyncio.get_running_loop()
        self._pace = Pace(self._loop.time())
        self._numbers = itertools.count()
        self._waiting: list[tuple[int, asyncio.Future[int]]] = []
        self._alarm: asyncio.TimerHandle | None = None

    async def call(self, work: t.Callable[[], t.Awaitable[_Answer]], throttling: Throttling) -> _Answer:
        """Return what ``work`` returns when AWS does not throttle it; ServiceUnavailable when it throttles all for ten minutes.

        :param throttling: gets what that costs.
        """
        number = next(self._numbers)
        while True:
            with throttling.waiting(self._loop.time):
                turn = await self._turn(number)
            try:
                answer = await work()
            except Throttled as error:
                throttling.count += 1
                self._pace.refused(turn, self._loop.time())
                self._give_up_if_hopeless(error)
                with throttling.waiting(self._loop.time):
                    await asyncio.sleep(self._pace.away(random.random()))  # noqa: S311
            else:
                self._pace.passed(self._loop.time())
                self._serve()
                return answer

    async def _turn(self, number: int) -> int:
        future: asyncio.Future[int] = self._loop.create_future()
        heapq.heappush(self._waiting, (number, future))
        self._serve()
        return await future

    def _serve(self) -> None:
        """Let in whose turn it is, and come back when it is the next one's."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._waiting:
            _number, future = self._waiting[0]
            if not future.done():
                now = self._loop.time()
                pause = self._pace.pause(now)
                if pause > 0:
                    self._alarm = self._loop.call_later(pause, self._serve)
                    return
                future.set_result(self._pace.take(now))
            heapq.heappop(self._waiting)

    def _give_up_if_hopeless(self, error: Throttled) -> None:
        lasted = self._pace.refused_for(self._loop.time())
        if lasted > _HOPELESS_SECONDS:
            raise ServiceUnavailable(
                f"AWS has throttled every call of {self._operation} for {lasted:.0f} s. Look who else uses up the account's limit"
                " (CloudTrail shows it), or have it raised."
            ) from error


async def to_its_end(work: t.Coroutine[t.Any, t.Any, _Answer]) -> _Answer:
    """Return the answer even to a caller who was cancelled meanwhile."""
    calling = asyncio.ensure_future(work)
    cancelled = False
    while not calling.done():
        try:
            await asyncio.wait((calling,))
        except asyncio.CancelledError:
            cancelled = True
    if cancelled and calling.exception() is not None:
        raise asyncio.CancelledError
    return calling.result()
