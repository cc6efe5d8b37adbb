# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-ConfigureAWSPackage, answered by the emulator as agent/plugins/configurepackage of aws/amazon-ssm-agent answers it.

Each node has the agent's record of what Distributor installed on it. It is all that the agent looks at: a package that somebody
else removed is installed for it, and one that somebody else installed is not. What the scripts of a package do is ordered by
``tests.emulator.packages``.
"""

from __future__ import annotations

import subprocess

from tests.emulator import packages
from tests.emulator.command_delivery import Printed
from tests.emulator.operations import stand_ins
from tests.emulator.operations.registry import Caller
from tests.emulator.state import Command

_IN_PLACE = "In-place update"
# AWS's packages have none.
_NO_UPDATE_SCRIPT = (
    "missing update script required for in-place update\n"
    "Please create a Distributor package with update script and retry the install with 'In-place update' installation type,"
    " or choose 'Uninstall and reinstall' installation type\n"
)
_SCRIPT_SECONDS = 60


def configure_package(caller: Caller, command: Command, node_id: str) -> Printed:
    """Install a package on a node, or uninstall it."""
    given = {name: values[0] for name, values in command.parameters.items() if values}
    name, versions = given["name"], caller.state.package_versions
    version = given.get("version", "")
    if version in ("", "latest"):
        version = versions[-1] if versions else ""
    if name not in packages.NAMES or version not in versions:
        return Printed(1, "", f"failed to download manifest: package {name} {version} does not exist\n")
    if given["action"] == "Uninstall":
        return _uninstall(caller, node_id, name)
    return _install(caller, node_id, name, version, in_place=given.get("installationType") == _IN_PLACE)


stand_ins.DOCUMENTS["AWS-ConfigureAWSPackage"] = stand_ins.Document(configure_package, "configurePackage")


def _install(caller: Caller, node_id: str, name: str, version: str, *, in_place: bool) -> Printed:
    before = caller.state.packages.get((node_id, name), "")
    if before == version:
        return Printed(0, f"{name} {version} is already installed\n")
    if before and in_place:
        return Printed(1, "", _NO_UPDATE_SCRIPT)
    said = ""
    if before:
        outcome = _uninstall(caller, node_id, name)
        said = outcome.stdout
        if outcome.response_code:
            return outcome
    code, stdout, stderr = _script(caller, node_id, "install", name, version)
    said += f"Initiating {name} {version} install\n{stdout}"
    if code:
        return Printed(1, said, f"{stderr}Failed to install package; install status Failed\n")
    caller.state.packages[node_id, name] = version
    return Printed(0, f"{said}Successfully installed {name} {version}\n", stderr)


def _uninstall(caller: Caller, node_id: str, name: str) -> Printed:
    version = caller.state.packages.get((node_id, name), "")
    if not version:
        return Printed(0, f"version: {version} is not installed\n")
    code, stdout, stderr = _script(caller, node_id, "uninstall", name, version)
    said = f"Initiating {name} {version} uninstall\n{stdout}"
    if code:
        return Printed(1, said, f"{stderr}Failed to uninstall version {version} of package; uninstall status Failed\n")
    del caller.state.packages[node_id, name]
    return Printed(0, f"{said}Successfully uninstalled {name} {version}\n", stderr)


def _script(caller: Caller, node_id: str, action: str, name: str, version: str) -> tuple[int, str, str]:
    program = caller.state.package_scripts.get(node_id)
    if not program:
        return 0, "", ""
    done = subprocess.run([*program, action, name, version], capture_output=True, text=True, timeout=_SCRIPT_SECONDS, check=False)
    return done.returncode, done.stdout, done.stderr
