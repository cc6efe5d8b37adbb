# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run simulated agents: ``python -m tests.emulator.agent FOLDER …``, each folder with its settings; returns when all run."""

from __future__ import annotations

import asyncio
import hashlib
import os
import pathlib
import signal
import sys

from tests.emulator.agent import api, isolation, launch, real
from tests.emulator.agent.control import Agent
from tests.emulator.agent.identity import Credentials, HybridKey, Vault
from tests.emulator.node_settings import NodeSettings


def main(folders: list[str]) -> None:
    """Fork an agent for each folder."""
    for folder in folders:
        if os.fork() == 0:
            os.setsid()
            live(pathlib.Path(folder).resolve())
    # Only when each has its process id on disk is it switched on.
    while not all(launch.Node(pathlib.Path(folder)).pid for folder in folders):
        os.sched_yield()


def live(folder: pathlib.Path) -> None:
    """Be the machine of a folder, until killed."""
    settings = launch.read_settings(folder)
    launch.write_pid(folder)
    log = os.open(folder / "agent.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor, target in ((os.open(os.devnull, os.O_RDONLY), 0), (log, 1), (log, 2)):
        os.dup2(descriptor, target)
    if settings.program_folder:
        real.live(settings, folder)
    own_root = isolation.possible()
    agent_api = identify(settings, folder / "upper" if own_root else folder)
    if own_root:
        isolation.enter(folder, settings.hostname or settings.name)
    machine = isolation.furnish(settings.python) if own_root else isolation.stay(folder, settings.python)
    if settings.platform_type == "Windows":
        machine = isolation.with_powershell(machine, folder, own_root)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        asyncio.run(Agent(agent_api, machine).run())
    finally:
        os._exit(1)


def identify(settings: NodeSettings, root: pathlib.Path) -> api.Api:
    """Find out who the node is, registering it when that was not done yet."""
    if settings.instance_id:
        credentials = Credentials(settings.access_key, settings.secret_key, settings.session_token)
        return api.Api(settings, settings.instance_id, credentials, None)
    vault = Vault(root)
    kept = vault.load()
    if kept is None:
        key = HybridKey.generate()
        fingerprint = hashlib.sha256(str(settings.folder).encode()).hexdigest()
        node = api.register(settings, settings.activation_id, settings.activation_code, key, fingerprint)
        vault.save(node, key, fingerprint)
        kept = node, key, fingerprint
    return api.Api(settings, kept[0], None, api.Registration(kept[1], kept[2]))


if __name__ == "__main__":
    main(sys.argv[1:])
