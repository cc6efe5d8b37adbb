# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a node counts as gone: its agent acknowledges nothing, and AWS says that it is not connected."""

from __future__ import annotations

import asyncio

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import absence
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import ServiceUnavailable


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a look every millisecond; suspicion takes three of them, proof six more."""
    for name, seconds in (("_LOOK_SECONDS", 0.001), ("_SUSPICIOUS_SECONDS", 0.003), ("_PROVING_SECONDS", 0.006)):
        monkeypatch.setattr(absence, name, seconds)


class _Node:
    """What is waiting at each look, the last number from then on; what AWS says each time it is asked, in the same way."""

    def __init__(self, backlogs: list[int], *answers: bool | Exception | None) -> None:
        self._backlogs = backlogs
        self._answers = list(answers)
        self.asked = 0

    def backlog(self) -> int:
        return self._backlogs.pop(0) if len(self._backlogs) > 1 else self._backlogs[0]

    async def is_connected(self) -> bool | None:
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def is_gone(self) -> bool:
        try:
            await asyncio.wait_for(absence.until_gone(self.backlog, self.is_connected), 0.2)
        except asyncio.TimeoutError:
            return False
        return True


def test_a_node_that_acknowledges_nothing_and_is_not_connected_is_gone() -> None:
    node = _Node([100], False)
    assert asyncio.run(node.is_gone())
    assert node.asked == 1


def test_a_node_that_was_away_and_came_back_without_the_session_is_gone() -> None:
    assert asyncio.run(_Node([100], True, False, True).is_gone())


def test_more_input_that_is_not_acknowledged_either_changes_nothing() -> None:
    assert asyncio.run(_Node([100, 100, 200, 200, 300], False).is_gone())


@pytest.mark.parametrize(
    "answer", [True, None, ServiceUnavailable("no way to AWS")], ids=["connected", "may not ask", "AWS not reachable"]
)
def test_a_node_of_which_aws_does_not_say_that_it_is_away_is_not_gone(answer: bool | Exception | None) -> None:
    node = _Node([100], answer)
    assert not asyncio.run(node.is_gone())
    assert node.asked > 1


def test_nobody_asks_while_there_is_nothing_to_acknowledge() -> None:
    node = _Node([0], False)
    assert not asyncio.run(node.is_gone())
    assert node.asked == 0


def test_a_node_that_acknowledges_in_time_is_not_gone() -> None:
    node = _Node([100, 100, 100, 100, 50, 50, 50, 0], False)
    assert not asyncio.run(node.is_gone())
