# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An event loop whose time passes only where everything waits: an hour of waiting takes a moment."""

from __future__ import annotations

import asyncio
import collections.abc
import selectors
import typing as t

_Result = t.TypeVar("_Result")


class _Selector(selectors.DefaultSelector):
    """Lets the time pass that it was told to wait."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run(work: collections.abc.Coroutine[t.Any, t.Any, _Result]) -> _Result:
    """Run something that does nothing but wait."""
    loop = _Loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()
