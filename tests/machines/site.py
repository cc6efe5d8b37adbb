# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network with its machines: what one test file has, and takes away again."""

from __future__ import annotations

import itertools
import os
import pathlib
import shutil
import types

from tests.machines import bases, control_groups, network
from tests.machines.machine import Machine

_PLACE = bases.CACHE / "sites"
_NUMBERS = itertools.count()


class Site:
    """Machines in one private network; leaving the ``with`` block removes all of them."""

    def __init__(self) -> None:
        # Names of namespaces and control groups are this computer's, so they hold our process id.
        self.name = f"fleet-{os.getpid()}-{next(_NUMBERS)}"
        self.folder = _PLACE / self.name
        self.folder.mkdir(parents=True)
        self.network = network.Network(self.name)
        self.machines: dict[str, Machine] = {}

    def boot(
        self, name: str, base: str, names: tuple[str, ...] = (), authority: str = "", services: tuple[str, ...] = ()
    ) -> Machine:
        """Boot one more machine; ``services`` are names that lead to the network's second address."""
        machine = Machine(self.folder / f"{self.name}-{name}")
        addresses = {**dict.fromkeys(names, network.ADDRESS), **dict.fromkeys(services, network.SERVICES_ADDRESS)}
        machine.boot(base, self.network, len(self.machines) + 2, addresses, authority)
        self.machines[name] = machine
        return machine

    def __enter__(self) -> Site:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: types.TracebackType | None) -> None:
        for machine in self.machines.values():
            machine.remove()
        self.network.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


def remove_orphans() -> list[str]:
    """Remove what test runs left that were killed: machines, mounts, namespaces, control groups and folders."""
    with bases.locked():
        return _remove_orphans()


def _remove_orphans() -> list[str]:
    removed = []
    for folder in sorted(_PLACE.iterdir()) if _PLACE.exists() else []:
        owner = folder.name.split("-")[1]
        if pathlib.Path(f"/proc/{owner}").exists():
            continue
        for machine in [path for path in folder.iterdir() if path.is_dir()]:
            Machine(machine).remove()
        network.remove_namespace(folder.name)
        control_groups.remove(folder.name)
        shutil.rmtree(folder)
        removed.append(folder.name)
    return removed
