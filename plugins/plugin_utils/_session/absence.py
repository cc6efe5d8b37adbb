# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out soon that a node has gone (rebooted, switched off): ask AWS when its agent acknowledges nothing.

An agent acknowledges input in milliseconds, unless the program in its terminal does not read. One that was started again knows
nothing of the sessions it had, and nobody tells the client.
"""

from __future__ import annotations

import asyncio
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import SessionFailure

_LOOK_SECONDS = 1.0
_SUSPICIOUS_SECONDS = 5.0
_PROVING_SECONDS = 10.0
"""An agent whose line was cut has its data channels again within 6 s, or gives them up (its sources, session/config)."""


async def until_gone(backlog: t.Callable[[], int], is_connected: t.Callable[[], t.Awaitable[bool | None]]) -> None:
    """Return when an agent acknowledges nothing, was not connected once, and goes on acknowledging nothing.

    :param backlog: bytes of input that are not acknowledged yet.
    :param is_connected: asks AWS; None when it would not say.
    """
    while not (
        await _is_stuck(backlog, _SUSPICIOUS_SECONDS)
        and await _said(is_connected) is False
        and await _is_stuck(backlog, _PROVING_SECONDS)
    ):
        pass


async def _is_stuck(backlog: t.Callable[[], int], seconds: float) -> bool:
    """Say whether, for so long, there was input to acknowledge and none was acknowledged."""
    waiting = backlog()
    for _second in range(round(seconds / _LOOK_SECONDS)):
        await asyncio.sleep(_LOOK_SECONDS)
        before, waiting = waiting, backlog()
        if before == 0 or waiting < before:
            return False
    return True


async def _said(is_connected: t.Callable[[], t.Awaitable[bool | None]]) -> bool | None:
    try:
        return await is_connected()
    except SessionFailure:
        return None
