# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Have a process outlive the module, so that it cancels what a killed one leaves behind. I/O."""

from __future__ import annotations

import contextlib
import os
import signal
import typing as t

_ALL_IS_WELL = b"."
_STANDARD_STREAMS = 3


class Guard:
    """A child that waits for word from this process; when none comes before this process is gone, it acts."""

    def __init__(self, act: t.Callable[[], object]) -> None:
        reading, self._writing = os.pipe()
        standing_by, stands_by = os.pipe()
        self._child = os.fork()
        if not self._child:
            os.close(self._writing)
            _stand_by(reading, stands_by, act)
        os.close(reading)
        os.close(stands_by)
        # Until it has left the group of the module it would be killed with it.
        os.read(standing_by, 1)
        os.close(standing_by)

    def dismiss(self) -> None:
        """Tell the child that there is nothing to do, and see it end."""
        # It may have been killed.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._writing, _ALL_IS_WELL)
        os.close(self._writing)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._child, 0)


def _stand_by(reading: int, stands_by: int, act: t.Callable[[], object]) -> t.NoReturn:
    try:
        # Neither what is sent to the group of the module is for it, nor may Ansible wait for an end of output that it holds open.
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(_STANDARD_STREAMS):
            os.dup2(nothing, descriptor)
        os.close(stands_by)
        if os.read(reading, 1) != _ALL_IS_WELL:
            act()
    finally:
        os._exit(0)
