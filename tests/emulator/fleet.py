# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a fleet file: which machines there are, and in which region; ``fleet.yml`` says how it is written."""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t

import yaml

from tests.emulator.node_settings import NodeSettings

DEMO = pathlib.Path(__file__).with_name("fleet.yml")


@dataclasses.dataclass(frozen=True)
class Machine:
    """One machine."""

    name: str
    kind: str = "ec2"
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    python: bool = True
    platform: str = "Linux"
    agent: str = "simulated"
    registered: bool = False
    agent_version: str = NodeSettings.agent_version
    missing_patches: list[str] | None = None


@dataclasses.dataclass(frozen=True)
class Fleet:
    """All machines of a region."""

    region: str
    machines: tuple[Machine, ...]

    def machine(self, name: str) -> Machine:
        """Return a machine by its name."""
        for machine in self.machines:
            if machine.name == name:
                return machine
        raise BadFleetError(f"there is no machine called {name}; there are {', '.join(machine.name for machine in self.machines)}")


class BadFleetError(ValueError):
    """The file, or a name, is not what it should be."""


def read(path: pathlib.Path) -> Fleet:
    """Read a file; BadFleetError says what is wrong with it."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or not isinstance(content.get("nodes"), list):
        raise BadFleetError(f"{path} has no list called nodes")
    machines = tuple(machine for node in content["nodes"] for machine in _machines(path, node))
    return Fleet(str(content.get("region", "us-east-1")), machines)


def _machines(path: pathlib.Path, node: dict[str, t.Any]) -> t.Iterator[Machine]:
    known = {field.name for field in dataclasses.fields(Machine)} | {"count"}
    unknown = set(node) - known
    if unknown or "name" not in node:
        raise BadFleetError(f"{path}: a node has {', '.join(sorted(known))}; this one is {node}")
    members = {key: value for key, value in node.items() if key != "count"}
    if "count" not in node:
        yield Machine(**members)
        return
    for number in range(1, int(node["count"]) + 1):
        yield Machine(**{**members, "name": f"{node['name']}-{number}"})
