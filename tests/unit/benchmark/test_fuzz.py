# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A short run of ``make fuzz``, and that it would notice."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.benchmark import fuzz
from tests.benchmark.malformed import Malformed


@pytest.mark.parametrize("name", list(fuzz.TARGETS))
def test_malformed_frames_are_refused_cleanly_by_the(name: str) -> None:
    make, part = fuzz.TARGETS[name]
    before = fuzz.memory()
    figures = asyncio.run(fuzz.feed(make, int(5000 * part), seed=20))
    assert figures.frames == int(5000 * part)
    assert figures.ends > 0 or name == "broker"
    assert fuzz.memory() - before < fuzz.MOST_MEMORY


def test_the_same_seed_makes_the_same_frames() -> None:
    first, second = Malformed(5), Malformed(5)
    assert [first.from_service(1) for _frame in range(50)] == [second.from_service(1) for _frame in range(50)]
    assert [first.from_controller(0) for _frame in range(50)] == [second.from_controller(0) for _frame in range(50)]


class _Bad(fuzz.Broker):
    """A target with a mistake of its own."""

    def feed(self, malformed: Malformed) -> None:
        if malformed.random.random() < 0.01:
            raise IndexError("not clean")


class _Waiting(fuzz.Broker):
    """One that waits for what never comes."""

    def feed(self, malformed: Malformed) -> None:
        time.sleep(5)


class _Busy(fuzz.Broker):
    """One that goes round and round."""

    def feed(self, malformed: Malformed) -> None:
        while time.process_time() < 1e6:
            pass


def test_an_error_that_is_not_clean_is_noticed() -> None:
    with pytest.raises(IndexError, match="not clean"):
        asyncio.run(fuzz.feed(_Bad, 1000, seed=1))


@pytest.mark.parametrize(("target", "name"), [(_Waiting, "SIGALRM"), (_Busy, "SIGPROF")])
def test_a_frame_that_takes_too_long_is_noticed(monkeypatch: pytest.MonkeyPatch, target: type[fuzz.Broker], name: str) -> None:
    monkeypatch.setattr(fuzz, "SLOWEST", 0.05)
    monkeypatch.setattr(fuzz, "TARGETS", {"slow": (target, 1.0)})
    with pytest.raises(fuzz.Hangs, match=name):
        fuzz.run(1, seed=1)
