# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Know all nodes of a broker, each under the settings it is reached with."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.figures import Figures
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.node import ManagedNode
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.session_service import SessionService
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.settings import NodeSettings, read


class Registry:
    """Nodes and the session services they share."""

    def __init__(self) -> None:
        self._services: dict[AwsOptions, SessionService] = {}
        self._nodes: dict[tuple[AwsOptions, NodeSettings], ManagedNode] = {}

    def node(self, described: dict[str, t.Any]) -> ManagedNode:
        """Return the node that a request describes; what it says of timeouts holds from its next session on."""
        aws, settings = read(described)
        key = (aws, settings)
        if key not in self._nodes:
            if aws not in self._services:
                self._services[aws] = SessionService(aws)
            self._nodes[key] = ManagedNode(self._services[aws], settings)
        self._nodes[key].settings = settings
        return self._nodes[key]

    def begin_run(self) -> None:
        """Count from zero: another controller has come."""
        for node in self._nodes.values():
            node.begin_run()

    async def let_go(self, seconds: float) -> float | None:
        """End the sessions that are not to be kept when their controller has been gone for so long.

        Return in how many seconds the next ones are due, None when there is nothing to keep; they are left to ``close`` then.
        """
        open_nodes = [node for node in self._nodes.values() if node.has_session]
        rests = [node.settings.persist - seconds for node in open_nodes if node.settings.persist > seconds]
        if not rests:
            return None
        due = [node.reset() for node in open_nodes if node.settings.persist <= seconds]
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.gather(*due, return_exceptions=True), min(rests))
        return min(rests)

    def figures(self) -> dict[str, dict[str, t.Any]]:
        """Return what went on, by node id; ``slowest_task`` is Ansible's id of a task and its seconds."""
        sums: dict[str, Figures] = {}
        slowest: dict[str, tuple[str, float]] = {}
        for (_aws, settings), node in self._nodes.items():
            sums[settings.target] = sums.get(settings.target, Figures()) + node.figures
            slowest[settings.target] = max(slowest.get(settings.target, ("", 0.0)), node.times.slowest(), key=lambda task: task[1])
        return {
            target: {**dataclasses.asdict(sums[target]), "slowest_task": slowest[target]}
            for target in sums
            # One that was only kept for this run.
            if sums[target] != Figures()
        }

    @property
    def size(self) -> int:
        """How many nodes there are."""
        return len(self._nodes)

    async def close(self) -> None:
        """Terminate every session."""
        await asyncio.gather(*(node.reset() for node in self._nodes.values()), return_exceptions=True)
        for service in self._services.values():
            service.close()
