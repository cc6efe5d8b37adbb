# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way a session is started, and that nothing that was started is left."""

from __future__ import annotations

import asyncio
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import ActionDenied, NodeUnreachable
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.figures import Throttling
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.openings import DEFAULT_DOCUMENT, INTERACTIVE_DOCUMENT
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.settings import NodeSettings
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.starting import Starting

from tests.unit.plugins.plugin_utils._session.pty_channel import LocalService


def _starting(service: LocalService, **settings: t.Any) -> Starting:
    there = NodeSettings("i-0123456789abcdef0", "test", ("python3",), 20.0, 60.0, 120.0, **settings)
    return Starting(t.cast("t.Any", service), there, Throttling())


def test_the_first_way_is_taken() -> None:
    service = LocalService()
    starting = _starting(service)
    asyncio.run(starting.start())
    assert (starting.document, starting.typed) == (INTERACTIVE_DOCUMENT, False)
    assert starting.started.session_id == "session-1"


def test_the_next_way_is_taken_where_the_first_is_denied() -> None:
    service = LocalService()
    service.refusals[INTERACTIVE_DOCUMENT] = ActionDenied("no")
    starting = _starting(service)
    asyncio.run(starting.start())
    assert (starting.document, starting.typed) == (DEFAULT_DOCUMENT, True)


def test_the_reasons_of_all_ways_are_told() -> None:
    service = LocalService()
    service.refusals = {INTERACTIVE_DOCUMENT: ActionDenied("The first is denied."), DEFAULT_DOCUMENT: ActionDenied("So is this.")}
    with pytest.raises(ActionDenied, match=r"The first is denied\. .*denied too: So is this\."):
        asyncio.run(_starting(service).start())


def test_a_refusal_of_another_kind_ends_the_search() -> None:
    service = LocalService()
    service.refusals[INTERACTIVE_DOCUMENT] = NodeUnreachable("gone")
    with pytest.raises(NodeUnreachable, match="gone"):
        asyncio.run(_starting(service).start())
    assert service.started == [INTERACTIVE_DOCUMENT]


def test_a_document_that_gives_a_shell_does_not_do_for_windows() -> None:
    starting = _starting(LocalService(), windows=True, document_name="Mine", document_parameters=())
    with pytest.raises(NodeUnreachable, match="Mine gives a shell, which does not do for Windows"):
        asyncio.run(starting.start())


def test_before_anything_was_started_there_is_nothing() -> None:
    starting = _starting(LocalService())
    with pytest.raises(NodeUnreachable, match="no session was started"):
        str(starting.started)
    asyncio.run(starting.terminate())


def test_another_one_is_started_in_the_same_way_and_the_first_terminated() -> None:
    async def start_twice() -> None:
        await starting.start()
        await starting.start_again()

    service = LocalService()
    starting = _starting(service)
    asyncio.run(start_twice())
    assert service.started == 2 * [INTERACTIVE_DOCUMENT]
    assert service.terminated == ["session-1"]


def test_what_a_call_under_way_starts_is_terminated() -> None:
    async def give_up() -> None:
        work = asyncio.ensure_future(starting.start())
        await asyncio.sleep(0.05)
        work.cancel()
        await starting.terminate()

    service = LocalService()
    service.slowness = 0.2
    starting = _starting(service)
    asyncio.run(give_up())
    assert service.terminated == ["session-1"]
