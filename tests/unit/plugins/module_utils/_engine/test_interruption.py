# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module notices that it is to end: signals, and a standard output that nobody reads."""

from __future__ import annotations

import collections.abc
import os
import signal

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._engine import interruption
from ansible_collections.fleet.ssm.plugins.module_utils._engine.action import StoppedError
from ansible_collections.fleet.ssm.plugins.module_utils._engine.interruption import Interruption


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> collections.abc.Iterator[int]:
    """The reading end of what is taken for standard output."""
    reading, writing = os.pipe()
    monkeypatch.setattr(interruption, "_STDOUT", writing)
    yield reading
    os.close(writing)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_it(number: signal.Signals) -> None:
    with Interruption(), pytest.raises(StoppedError, match=number.name):
        os.kill(os.getpid(), number)


def test_a_signal_waits_until_what_must_not_be_disturbed_is_done() -> None:
    done = []

    def undisturbed(watch: Interruption) -> None:
        with watch.undisturbed():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append(True)

    with Interruption() as watch, pytest.raises(StoppedError, match="SIGTERM"):
        undisturbed(watch)
    assert done


def test_a_second_signal_does_not_disturb_the_end() -> None:
    with Interruption():
        with pytest.raises(StoppedError):
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)


def test_signals_are_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interruption():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_sleeps_as_long_as_asked_while_somebody_reads(reader: int) -> None:
    with Interruption() as watch:
        begun = watch.now()
        watch.sleep(0.05)
        assert watch.now() - begun >= 0.05
    os.close(reader)


def test_a_reader_that_goes_stops_it_at_once(reader: int) -> None:
    os.close(reader)
    with Interruption() as watch, pytest.raises(StoppedError, match="Nobody waits"):
        watch.sleep(60)
