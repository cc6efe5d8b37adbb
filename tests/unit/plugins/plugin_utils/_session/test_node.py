# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a node is there, which settings make it another one, and sessions that begin before they are asked for anything."""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import failures, registry, session, settings
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.node import ManagedNode
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.settings import NodeSettings

from tests.unit.plugins.plugin_utils._session.pty_channel import LocalService, PtyChannel

_SETTINGS = NodeSettings(
    target="i-0123456789abcdef0",
    reason="test",
    pythons=("python3",),
    connection_timeout=20.0,
    reconnect_timeout=60.0,
    stall_timeout=60.0,
)


def _check(service: LocalService, seconds: float = 5.0) -> None:
    asyncio.run(ManagedNode(t.cast("t.Any", service), _SETTINGS).check_connected(seconds))


@pytest.mark.parametrize("answer", [True, None], ids=["connected", "may not ask"])
def test_a_node_may_be_there(answer: bool | None) -> None:
    service = LocalService()
    service.connected = answer
    _check(service)


def test_a_node_that_is_not_connected_is_unreachable_and_no_session_is_started() -> None:
    service = LocalService()
    service.connected = False
    with pytest.raises(failures.NodeUnreachable, match="i-0123456789abcdef0 is not connected"):
        _check(service)
    assert service.started == []


def test_an_answer_that_takes_too_long_is_not_waited_for() -> None:
    service = LocalService()
    service.slowness = 5.0
    with pytest.raises(failures.ServiceUnavailable, match=r"has not said within 0\.05 s whether i-0123456789abcdef0 is connected"):
        _check(service, 0.05)


def _node(known: registry.Registry, **changes: t.Any) -> ManagedNode:
    return known.node(settings.describe(AwsOptions(region="us-east-1"), dataclasses.replace(_SETTINGS, **changes)))


def test_timeouts_make_no_other_node_and_hold_from_the_next_session_on() -> None:
    known = registry.Registry()
    waiting = {field.name: 7.0 for field in dataclasses.fields(NodeSettings) if field.name.endswith("_timeout")}
    assert _node(known) is _node(known, **waiting)
    assert dataclasses.asdict(_node(known, **waiting).settings).items() >= waiting.items()


def test_what_a_session_is_made_of_makes_another_node() -> None:
    known = registry.Registry()
    assert _node(known) is not _node(known, pythons=("/opt/python",))


@pytest.fixture(autouse=True)
def _local_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "Channel", PtyChannel)


async def _begun(service: LocalService, *, sessions: int) -> None:
    while len(service.started) < sessions:
        await asyncio.sleep(0.001)


async def _run(node: ManagedNode) -> None:
    async for _result in node.execute("true", b""):
        pass


def test_a_session_begins_when_a_request_is_about_to_come_and_only_where_there_is_none() -> None:
    async def main() -> None:
        service = LocalService()
        node = ManagedNode(t.cast("t.Any", service), _SETTINGS)
        node.expect()
        await _begun(service, sessions=1)
        node.expect()
        await asyncio.sleep(0.01)
        assert len(service.started) == 1
        await node.reset()

    asyncio.run(main())


def test_what_such_a_session_fails_of_is_told_to_the_request_it_was_for_and_the_next_one_starts_another() -> None:
    async def main() -> None:
        service = LocalService()
        service.refusals["AWS-StartInteractiveCommand"] = failures.NodeUnreachable("not today")
        node = ManagedNode(t.cast("t.Any", service), _SETTINGS)
        node.expect()
        while node.has_session:
            await asyncio.sleep(0.001)
        for sessions in (1, 2):
            with pytest.raises(failures.NodeUnreachable, match="not today"):
                await _run(node)
            assert len(service.started) == sessions
        node.expect()
        await _begun(service, sessions=3)

    asyncio.run(main())


def test_a_session_that_was_ended_by_a_reset_is_nobodys_that_comes_later() -> None:
    async def main() -> None:
        service = LocalService()
        service.slowness = 0.05
        node = ManagedNode(t.cast("t.Any", service), _SETTINGS)
        node.expect()
        await node.reset()
        service.refusals["AWS-StartInteractiveCommand"] = failures.NodeUnreachable("not today")
        with pytest.raises(failures.NodeUnreachable, match="not today"):
            await _run(node)

    asyncio.run(main())
