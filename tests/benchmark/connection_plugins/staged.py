# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection plugin, with marks where it begins and where it waits for the node."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.connection import session

from tests.benchmark.marks import mark

DOCUMENTATION = session.DOCUMENTATION


class Connection(session.Connection):
    """Marks."""

    transport = "staged"

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Mark that the worker has loaded it."""
        self._marked = str(kwargs.get("task_uuid") or "")
        mark(self._marked, "connection")
        super().__init__(*args, **kwargs)

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Mark what the wait for broker, line and node begins and ends with."""
        mark(self._marked, "request")
        try:
            return super().exec_command(cmd, in_data, sudoable)
        finally:
            mark(self._marked, "answer")
