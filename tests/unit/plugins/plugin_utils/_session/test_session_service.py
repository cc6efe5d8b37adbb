# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions of one identity: calls that AWS throttles, and what is known of a session nobody waits for any more."""

from __future__ import annotations

import asyncio
import threading
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.figures import Throttling
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.openings import DEFAULT_DOCUMENT
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.session_service import SessionService, Started

from tests.unit.conftest import FakeAws, Refusal

_NODE = "i-0123456789abcdef0"
_ANSWER = {"SessionId": "s-1", "TokenValue": "token", "StreamUrl": "wss://stream"}


def _with_service(work: t.Callable[[SessionService], t.Awaitable[t.Any]]) -> t.Any:
    async def main() -> t.Any:
        service = SessionService(AwsOptions())
        try:
            return await work(service)
        finally:
            service.close()

    return asyncio.run(main())


@pytest.mark.parametrize("code", ["ThrottlingException", "TooManyRequestsException"])
def test_a_throttled_start_is_tried_again(fake_aws: FakeAws, code: str) -> None:
    refusals = 2

    def start(_request: dict[str, t.Any]) -> dict[str, t.Any]:
        if len(fake_aws.calls) <= refusals:
            raise Refusal(code)
        return _ANSWER

    fake_aws.answers["StartSession"] = start
    throttling = Throttling()
    started = _with_service(lambda service: service.start(_NODE, DEFAULT_DOCUMENT, {}, "test", throttling))
    assert started == Started("s-1", "token", "wss://stream")
    assert throttling.count == refusals
    assert throttling.seconds > 0.25


def test_a_throttled_resume_waits_longer_than_its_call_may_take(fake_aws: FakeAws) -> None:
    def resume(_request: dict[str, t.Any]) -> dict[str, t.Any]:
        if len(fake_aws.calls) <= 2:
            raise Refusal("ThrottlingException")
        return _ANSWER

    fake_aws.answers["ResumeSession"] = resume
    throttling = Throttling()
    # The first call makes the client, which takes its time.
    assert _with_service(lambda service: service.resume("s-1", _NODE, throttling, 20)) == "token"
    assert throttling.count == 2


def test_a_resume_that_hangs_is_given_up_in_time(fake_aws: FakeAws) -> None:
    answer = threading.Event()
    fake_aws.answers["ResumeSession"] = lambda _request: {"waited": answer.wait(5)}
    fake_aws.answers["TerminateSession"] = lambda _request: {}

    async def work(service: SessionService) -> None:
        await service.terminate("s-0", _NODE, Throttling())
        with pytest.raises(asyncio.TimeoutError):
            await service.resume("s-1", _NODE, Throttling(), 0.2)
        answer.set()

    _with_service(work)


def test_a_session_that_starts_after_its_caller_was_cancelled_is_told_all_the_same(fake_aws: FakeAws) -> None:
    asked, answer = threading.Event(), threading.Event()

    def start(_request: dict[str, t.Any]) -> dict[str, t.Any]:
        asked.set()
        answer.wait(5)
        return _ANSWER

    fake_aws.answers["StartSession"] = start

    async def cancelled(service: SessionService) -> Started:
        starting = asyncio.ensure_future(service.start(_NODE, DEFAULT_DOCUMENT, {}, "test", Throttling()))
        await asyncio.get_running_loop().run_in_executor(None, asked.wait, 20)
        starting.cancel()
        await asyncio.sleep(0.05)
        answer.set()
        return await starting

    assert _with_service(cancelled).session_id == "s-1"


def test_a_start_that_waits_for_its_turn_can_be_cancelled(fake_aws: FakeAws) -> None:
    def start(_request: dict[str, t.Any]) -> dict[str, t.Any]:
        raise Refusal("ThrottlingException")

    fake_aws.answers["StartSession"] = start

    async def cancelled(service: SessionService) -> None:
        throttling = Throttling()
        starting = asyncio.ensure_future(service.start(_NODE, DEFAULT_DOCUMENT, {}, "test", throttling))
        while not throttling.count:
            await asyncio.sleep(0.01)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

    _with_service(cancelled)
    assert len(fake_aws.calls) == 1
