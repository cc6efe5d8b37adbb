# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a session in the first way that can be had, and terminate what was started."""

from __future__ import annotations

import asyncio
import contextlib

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import bootstrap, windows_bundle
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import NodeUnreachable, SessionFailure
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.figures import Throttling
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.openings import Opening, openings
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.session_service import SessionService, Started
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.settings import NodeSettings


async def started_after_all(starting: asyncio.Future[Started]) -> Started | None:
    """Give up a StartSession; return what it has started nevertheless, None when that is nothing."""
    starting.cancel()
    await asyncio.wait((starting,))
    return None if starting.cancelled() or starting.exception() is not None else starting.result()


class Starting:
    """The start of a session: which way was taken, and what it came to."""

    def __init__(self, service: SessionService, settings: NodeSettings, throttling: Throttling) -> None:
        self._service = service
        self._settings = settings
        self._throttling = throttling
        self._opening: Opening | None = None
        self._call: asyncio.Future[Started] | None = None

    @property
    def document(self) -> str:
        """The session document that was named, "" before any was."""
        return self._opening.document if self._opening is not None else ""

    @property
    def typed(self) -> bool:
        """Whether the document gives a shell, in which the command must be typed."""
        return self._opening is not None and self._opening.typed

    @property
    def started(self) -> Started:
        """What AWS answered; NodeUnreachable when nothing was started."""
        if self._call is None:
            raise NodeUnreachable("no session was started")
        return self._call.result()

    async def start(self) -> None:
        """Start one; SessionFailure with the reasons of all ways when none can be had."""
        refused: SessionFailure | None = None
        for opening in self._openings():
            try:
                await self._start_with(opening)
            except opening.gives_way as failure:
                refused = type(failure)(f"{refused} {opening.introduction}{failure}") if refused else failure
            else:
                return
        raise refused or NodeUnreachable(
            f"{self._settings.document_name} gives a shell, which does not do for Windows: name a document of the type"
            " InteractiveCommands (document_name)"
        )

    async def start_again(self) -> None:
        """Start another in the same way; the one before is terminated."""
        if self._opening is not None:
            await self.terminate()
            await self._start_with(self._opening)

    async def terminate(self) -> None:
        """Terminate what was started, also by a call still under way."""
        started = None if self._call is None else await started_after_all(self._call)
        if started is not None:
            # It may be gone already.
            with contextlib.suppress(SessionFailure):
                await self._service.terminate(started.session_id, self._settings.target, self._throttling)

    def _openings(self) -> list[Opening]:
        settings = self._settings
        if not settings.windows:
            return openings(settings.document_name, settings.document_parameters, bootstrap.session_command(settings.pythons))
        # The whole program is in the command, which is too much to be typed at a prompt.
        ways = openings(settings.document_name, settings.document_parameters, windows_bundle.session_command())
        return [opening for opening in ways if not opening.typed]

    async def _start_with(self, opening: Opening) -> None:
        self._opening = opening
        target, reason = self._settings.target, self._settings.reason
        self._call = asyncio.ensure_future(
            self._service.start(target, opening.document, opening.parameters, reason, self._throttling)
        )
        # Shielded: a session that AWS starts although we have given up must be known, to be terminated.
        await asyncio.shield(self._call)
