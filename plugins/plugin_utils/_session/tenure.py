# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say how long a broker stays: while its controller runs, and then for the next one, as long as nodes' ``persist`` says.

A broker that waits for the next controller is found by the name of its socket (``kept_name``), which has what both must agree in.
It works for one controller at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session.broker_place import kept_name
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import BrokerBroken

_LOOK_SECONDS = 1.0

_FILES = (".sock", ".log", ".lock")


class Nodes(t.Protocol):
    """What knows the nodes of a controller run."""

    async def let_go(self, seconds: float) -> float | None:
        """End sessions nobody has used for so long; return in how many seconds to come again, None when none is to be kept."""

    def begin_run(self) -> None:
        """Count from zero."""


class Tenure:
    """A broker's time in office.

    :param path: its socket.
    :param controller: process id of the controller that it was started for.
    :param identity: what the next controller must agree in (``surroundings.py``).
    :param on_end: told when a controller has ended: nobody waits any more for what it asked for.
    """

    def __init__(self, path: pathlib.Path, controller: int, identity: str, nodes: Nodes, on_end: t.Callable[[], None]) -> None:
        self._stem = path.with_suffix("")
        self._kept = path.with_name(kept_name(identity, os.getpid()))
        self._controller = controller
        self._nodes = nodes
        self._on_end = on_end
        self._adopted = asyncio.Event()
        self._vacant = False

    async def over(self) -> None:
        """Wait until there is neither a controller nor a session to be kept for one."""
        while True:
            await controller_gone(self._controller)
            self._adopted.clear()
            self._on_end()
            if not await self._is_adopted():
                return

    async def _is_adopted(self) -> bool:
        """Keep sessions as long as they are to be kept; say whether a controller has come for them."""
        clock = asyncio.get_running_loop().time
        ended_at = clock()
        while not self._adopted.is_set():
            rest = await self._nodes.let_go(clock() - ended_at)
            if rest is None or self._adopted.is_set():
                break
            self._rename(self._kept)
            self._vacant = True
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._adopted.wait(), rest)
        # From here on it leaves, or has somebody.
        self._vacant = False
        return self._adopted.is_set()

    def adopt(self, controller: int) -> None:
        """Work for another controller from now on; raise BrokerBroken when there is one already."""
        if not self._vacant:
            raise BrokerBroken("the broker works for another controller or leaves")
        self._vacant = False
        self._nodes.begin_run()
        self._controller = controller
        self._rename(self._kept.with_name(str(controller)))
        self._adopted.set()

    def _rename(self, stem: pathlib.Path) -> None:
        if stem == self._stem:
            return
        # The lock is held by the controller's worker that asks.
        for suffix in (".sock", ".log"):
            self._stem.with_suffix(suffix).rename(stem.with_suffix(suffix))
        self._stem.with_suffix(".lock").unlink(missing_ok=True)
        self._stem = stem

    def clean_up(self) -> None:
        """Remove the files; the folder too when no other broker has any in it."""
        for suffix in _FILES:
            self._stem.with_suffix(suffix).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._stem.parent.rmdir()


async def controller_gone(pid: int) -> None:
    """Wait until a process that is not our child has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):
        await _look_for_end(pid)
        return
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def _look_for_end(pid: int) -> None:
    """Do the same where there is no pidfd (macOS, old kernels)."""
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.kill(pid, 0)
            await asyncio.sleep(_LOOK_SECONDS)
