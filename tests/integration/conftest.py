# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running emulator for the integration tests, and Ansible to run against it."""

from __future__ import annotations

import collections.abc
import os
import pathlib
import tempfile
import typing as t

import pytest

from tests.integration.running_emulator import Ansible, RunningEmulator

_HERE = pathlib.Path(__file__).parent


def _run(nodes: pathlib.Path) -> collections.abc.Iterator[RunningEmulator]:
    # Not below pytest's folder, which other users cannot enter: sessions run as one.
    with tempfile.TemporaryDirectory(prefix="fleet.ssm-tests-", ignore_cleanup_errors=True) as folder:
        path = pathlib.Path(folder)
        path.chmod(0o755)
        emulator = RunningEmulator(path, nodes)
        try:
            yield emulator
        finally:
            emulator.command("down")


@pytest.fixture(scope="session")
def run_emulator() -> t.Callable[[pathlib.Path], collections.abc.Iterator[RunningEmulator]]:
    """What runs an emulator with the nodes of a fleet file."""
    return _run


@pytest.fixture(scope="session")
def running_emulator() -> collections.abc.Iterator[RunningEmulator]:
    """One emulator with simulated nodes for all tests."""
    yield from _run(_HERE / "fleet.yml")


@pytest.fixture(scope="session")
def running_real_agents() -> collections.abc.Iterator[RunningEmulator]:
    """One with three real agents, where there are any."""
    _need_real_agents()
    yield from _run(_HERE / "real_fleet.yml")


@pytest.fixture
def bare_real_server(tmp_path: pathlib.Path) -> collections.abc.Iterator[RunningEmulator]:
    """One with nothing but a server, ``bare``, that has a real agent and is not registered yet."""
    _need_real_agents()
    fleet = tmp_path / "bare_fleet.yml"
    fleet.write_text("nodes: [{name: bare, kind: hybrid, agent: real}]\n", encoding="utf-8")
    yield from _run(fleet)


def _need_real_agents() -> None:
    if not os.environ.get("SSM_AGENT_BIN"):
        pytest.skip("SSM_AGENT_BIN is not set: no real amazon-ssm-agent to test with")
    if os.geteuid() != 0:
        pytest.skip("real agents need root, for a root folder of their own")


@pytest.fixture
def emulator(running_emulator: RunningEmulator) -> RunningEmulator:
    """The emulator, with nothing counted and nothing ordered."""
    running_emulator.reset()
    return running_emulator


@pytest.fixture
def real_agents(running_real_agents: RunningEmulator) -> RunningEmulator:
    """The same with real agents."""
    running_real_agents.reset()
    return running_real_agents


@pytest.fixture
def ansible(tmp_path: pathlib.Path, emulator: RunningEmulator) -> Ansible:
    """Ansible against simulated nodes."""
    return Ansible(tmp_path, emulator)


@pytest.fixture
def ansible_on_real_agents(tmp_path: pathlib.Path, real_agents: RunningEmulator) -> Ansible:
    """Ansible against real agents."""
    return Ansible(tmp_path, real_agents)
