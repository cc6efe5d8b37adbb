# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that greets, late, again, or never."""

from __future__ import annotations

import asyncio
import collections.abc
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.greeting import Greeting

_Test = collections.abc.Callable[[Greeting, list[str]], t.Any]


def _with_greeting(test: _Test, seconds: float = 0.1) -> None:
    async def main() -> None:
        overdue: list[str] = []
        await test(Greeting(seconds, lambda: overdue.append("overdue")), overdue)

    asyncio.run(main())


def test_one_that_does_not_come_in_time_is_told_once() -> None:
    async def test(greeting: Greeting, overdue: list[str]) -> None:
        greeting.expect()
        await asyncio.sleep(0.05)
        assert overdue == []
        await asyncio.sleep(0.2)
        assert overdue == ["overdue"]
        assert (greeting.facts, greeting.at) == (None, None)

    _with_greeting(test)


def test_one_that_has_come_is_not_waited_for() -> None:
    async def test(greeting: Greeting, overdue: list[str]) -> None:
        greeting.expect()
        greeting.note("first word")
        greeting.take(b'{"user": "root"}')
        await asyncio.sleep(0.2)
        assert overdue == []
        assert greeting.facts == {"user": "root"}
        assert greeting.at is not None
        assert list(greeting.seconds) == ["first word", "greeting"]

    _with_greeting(test)


def test_another_program_has_the_same_time_again() -> None:
    async def test(greeting: Greeting, overdue: list[str]) -> None:
        greeting.expect()
        greeting.take(b'{"python": ""}')
        await asyncio.sleep(0.2)
        greeting.expect()
        assert greeting.facts is None
        await asyncio.sleep(0.2)
        assert overdue == ["overdue"]

    _with_greeting(test)


def test_a_session_that_is_over_is_not_told_of() -> None:
    async def test(greeting: Greeting, overdue: list[str]) -> None:
        greeting.expect()
        greeting.give_up()
        await asyncio.sleep(0.2)
        assert overdue == []

    _with_greeting(test)


def test_a_phase_is_noted_once() -> None:
    async def test(greeting: Greeting, _overdue: list[str]) -> None:
        greeting.note("StartSession")
        noted = dict(greeting.seconds)
        await asyncio.sleep(0.01)
        greeting.note("StartSession")
        assert greeting.seconds == noted

    _with_greeting(test)


@pytest.mark.parametrize("body", [b"", b"[1]", b"7", b"\xff"])
def test_what_is_no_object_is_no_greeting(body: bytes) -> None:
    async def test(greeting: Greeting, _overdue: list[str]) -> None:
        with pytest.raises((ValueError, TypeError)):
            greeting.take(body)
        assert greeting.facts is None

    _with_greeting(test)
