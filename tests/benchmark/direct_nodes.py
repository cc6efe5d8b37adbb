# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes of a running emulator without Ansible and without a broker: the session layer on an event loop of one's own."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import hashlib
import os
import pathlib
import tempfile
import typing as t

import yaml
from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Kind
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.node import ManagedNode
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.session_service import SessionService
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.settings import NodeSettings

from tests.integration.running_emulator import RunningEmulator

_BLOCK = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came of a command."""

    code: int
    out: bytes
    err: bytes


class DirectNodes:
    """What one controller has open."""

    def __init__(self, emulator: RunningEmulator, **settings: float) -> None:
        environment = emulator.environment
        self.options = AwsOptions(
            region=environment["AWS_REGION"],
            endpoint_url=emulator.url,
            ca_bundle=environment["AWS_CA_BUNDLE"],
            access_key=environment["AWS_ACCESS_KEY_ID"],
            secret_key=environment["AWS_SECRET_ACCESS_KEY"],
        )
        self.ids = emulator.nodes()
        self._service = SessionService(self.options)
        times = {"connection_timeout": 60.0, "reconnect_timeout": 60.0, "stall_timeout": 120.0}
        self._settings: dict[str, t.Any] = {**times, **settings}

    def settings(self, machine: str) -> NodeSettings:
        """Return what a machine's sessions are made with."""
        return NodeSettings(target=self.ids[machine], reason="test", pythons=("python3",), download_sessions=True, **self._settings)

    def node(self, machine: str) -> ManagedNode:
        """Return a machine with no session yet."""
        return ManagedNode(self._service, self.settings(machine))

    def close(self) -> None:
        """Let go of the service."""
        self._service.close()


async def run(node: ManagedNode, command: str, stdin: bytes = b"") -> Answer:
    """Run a command to its end."""
    streams: dict[Kind, list[bytes]] = {Kind.STDOUT: [], Kind.STDERR: []}
    async for result in node.execute(command, stdin):
        if result.kind is Kind.EXIT:
            return Answer(result.code, b"".join(streams[Kind.STDOUT]), b"".join(streams[Kind.STDERR]))
        streams[result.kind].append(result.data)
    raise AssertionError("there was no exit code")


async def put(node: ManagedNode, path: str, content: bytes) -> None:
    """Write a file."""

    async def blocks() -> collections.abc.AsyncIterator[bytes]:
        for start in range(0, len(content), _BLOCK):
            yield content[start : start + _BLOCK]

    await node.put(path, len(content), hashlib.sha256(content).hexdigest(), blocks())


async def get(node: ManagedNode, path: str) -> bytes:
    """Read a file."""
    results = [result async for result in node.get(path)]
    content = b"".join(result.data for result in results)
    facts = results[-1].facts or {}
    if facts.get("sha256") != hashlib.sha256(content).hexdigest():
        raise AssertionError("the node has sent another file than has arrived")
    return content


@contextlib.contextmanager
def running_fleet(count: int, *, real: bool) -> collections.abc.Iterator[RunningEmulator]:
    """Run an emulator with so many machines, called node-1 and so on; with real agents, SSM_AGENT_BIN has their programs."""
    machine: dict[str, t.Any] = {"name": "node", "count": count, "kind": "hybrid", "registered": True}
    if real:
        if not os.environ.get("SSM_AGENT_BIN") or os.geteuid() != 0:
            raise SystemExit("Real agents need root, and SSM_AGENT_BIN set to the folder with amazon-ssm-agent.")
        machine["agent"] = "real"
    # Sessions run as another user, who must be able to enter.
    with tempfile.TemporaryDirectory(prefix="fleet.ssm-chaos-", ignore_cleanup_errors=True) as made:
        folder = pathlib.Path(made)
        folder.chmod(0o755)
        fleet = folder / "fleet.yml"
        fleet.write_text(yaml.safe_dump({"nodes": [machine]}), encoding="utf-8")
        emulator = RunningEmulator(folder, fleet)
        try:
            yield emulator
        finally:
            emulator.command("down")
