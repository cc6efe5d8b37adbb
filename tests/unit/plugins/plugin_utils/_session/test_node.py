# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a node is there, and which settings make it another one."""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import failures, registry, settings
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.node import ManagedNode
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.settings import NodeSettings

from tests.unit.plugins.plugin_utils._session.pty_channel import LocalService

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
