# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switch a fleet's machines on and off: simulated agents, or real ones where the fleet file asks for them."""

from __future__ import annotations

import os
import pathlib
import shutil

from tests.emulator.agent import launch
from tests.emulator.fleet import Fleet, Machine
from tests.emulator.node_settings import NodeSettings
from tests.emulator.server import Description

_PLATFORMS: dict[str, dict[str, str]] = {
    "Linux": {},
    "Windows": {
        "platform_type": "Windows",
        "platform_name": "Microsoft Windows Server 2022 Datacenter",
        "platform_version": "10.0.20348",
    },
}


class MachineError(Exception):
    """A machine cannot be started; the text says why."""


def start(folder: pathlib.Path, description: Description, fleet: Fleet) -> None:
    """Switch on every machine that has an identity already: EC2 instances, and hybrid ones with an activation of the emulator's."""
    names = expected(fleet)
    many = [
        _settings(folder, description, machine, **description.identities[machine.name])
        for machine in fleet.machines
        if machine.name in names
    ]
    if many:
        launch.start_nodes(many)


def expected(fleet: Fleet) -> list[str]:
    """Return the machines that are online after ``start``."""
    return [machine.name for machine in fleet.machines if machine.kind == "ec2" or machine.registered]


def register(folder: pathlib.Path, description: Description, machine: Machine, activation_id: str, code: str) -> None:
    """Switch on a bare server that registers itself."""
    if machine.kind != "hybrid":
        raise MachineError(f"{machine.name} is an EC2 instance; only hybrid servers register")
    if launch.Node(folder / "nodes" / machine.name).is_running():
        raise MachineError(f"{machine.name} is registered and running already")
    launch.start_node(_settings(folder, description, machine, activation_id=activation_id, activation_code=code))


def stop_all(folder: pathlib.Path) -> None:
    """Switch off every machine below a folder."""
    nodes = folder / "nodes"
    launch.stop_all([launch.Node(node) for node in nodes.iterdir()] if nodes.exists() else [])


def forget_all(folder: pathlib.Path) -> None:
    """Have new machines below a folder: those of an earlier emulator are registered in an account that is no more."""
    stop_all(folder)
    shutil.rmtree(folder / "nodes", ignore_errors=True)


def _settings(folder: pathlib.Path, description: Description, machine: Machine, **identity: str) -> NodeSettings:
    _check_platform(machine)
    return NodeSettings(
        name=machine.name,
        folder=folder / "nodes" / machine.name,
        region=description.region,
        ssm_url=description.url,
        messages_url=description.messages_url,
        ca_file=pathlib.Path(description.ca_file),
        python=machine.python,
        agent_version=machine.agent_version,
        **_PLATFORMS[machine.platform],
        program_folder=_program_folder(machine),
        **identity,
    )


def _check_platform(machine: Machine) -> None:
    if machine.platform not in _PLATFORMS:
        raise MachineError(f"{machine.name} is to run {machine.platform}; there are {', '.join(_PLATFORMS)}")
    if machine.platform == "Windows" and not all(map(shutil.which, ("mono", "mcs"))):
        raise MachineError(f"{machine.name} is to run Windows: that takes mono and mcs (on Debian: apt-get install mono-mcs)")


def _program_folder(machine: Machine) -> str:
    if machine.agent == "simulated":
        return ""
    folder = os.environ.get("SSM_AGENT_BIN", "")
    if not folder or os.geteuid() != 0:
        raise MachineError(
            f"{machine.name} is to run the real agent: that takes root, and SSM_AGENT_BIN set to its programs' folder"
        )
    if machine.kind != "hybrid":
        raise MachineError(
            f"{machine.name} is to run the real agent: only hybrid machines can, as there is no instance metadata here"
        )
    return folder
