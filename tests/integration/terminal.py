# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program on a terminal of its own, which a test types at and reads from."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

_ROWS, _COLUMNS = 24, 200


class Terminal:
    """Also a context: whatever still runs at its end is killed."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._master, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        try:
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdin=other,
                stdout=other,
                stderr=other,
                start_new_session=True,
                preexec_fn=_control_terminal,
            )
        finally:
            os.close(other)
        self._shown = ""
        self._unread = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._master)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def expect(self, text: str, seconds: float = 20) -> str:
        """Wait for a text behind the one that was waited for last; return what came before it."""
        deadline = time.monotonic() + seconds
        while text not in self._unread:
            if not self._read(deadline):
                raise AssertionError(f"{text!r} does not come; the terminal shows:\n{self._shown}")
        before, _found, self._unread = self._unread.partition(text)
        return before

    def wait_for_keys_unechoed(self, seconds: float = 20) -> None:
        """Wait until the program has the terminal echo keys no more: it handles them itself from now on."""
        deadline = time.monotonic() + seconds
        while termios.tcgetattr(self._master)[3] & termios.ECHO:
            if time.monotonic() > deadline:
                raise AssertionError(f"the terminal still echoes; it shows:\n{self._shown}")
            time.sleep(0.01)

    def code(self, seconds: float = 20) -> int:
        """Wait for the program's end and return its exit code."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        try:
            return self._process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the program does not end; the terminal shows:\n{self._shown}") from None

    def _read(self, deadline: float) -> bool:
        """Read once; False when nothing comes any more or in time."""
        if not select.select([self._master], [], [], max(0, deadline - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._master, 65_536).decode(errors="replace")
        except OSError:  # nobody has the other end open
            return False
        self._shown += data
        self._unread += data
        return bool(data)


def _control_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
