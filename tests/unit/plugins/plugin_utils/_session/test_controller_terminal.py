# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether somebody watches a controller run."""

from __future__ import annotations

import collections.abc
import fcntl
import os
import pty
import struct
import subprocess
import termios

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.controller_terminal import NOBODY_WATCHES, columns


@pytest.fixture(autouse=True)
def _nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NOBODY_WATCHES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def on_a_terminal() -> collections.abc.Iterator[int]:
    """A process whose standard output is a terminal of 123 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 123, 0, 0))
    with subprocess.Popen(["sleep", "60"], stdout=theirs) as process:
        yield process.pid
        process.kill()
    os.close(ours)
    os.close(theirs)


def test_a_terminal_has_its_width(on_a_terminal: int) -> None:
    assert columns(on_a_terminal) == 123


@pytest.mark.parametrize("name", NOBODY_WATCHES)
def test_a_terminal_of_awx_or_a_build_server_is_nobodys(on_a_terminal: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert columns(on_a_terminal) is None


def test_a_terminal_that_can_do_nothing_is_left_alone(on_a_terminal: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert columns(on_a_terminal) is None


def test_what_is_no_terminal_has_no_width() -> None:
    with subprocess.Popen(["sleep", "60"], stdout=subprocess.PIPE) as process:
        assert columns(process.pid) is None
        process.kill()
    assert columns(2**22 + 1) is None
