# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nodes in an emulated account, with the patches that they lack."""

from __future__ import annotations

import typing as t

from tests.emulator import patches
from tests.emulator.operations import patching
from tests.emulator.state import Command, Node, Patching, now
from tests.unit.plugins.modules.emulated_account import EmulatedAccount


def add_nodes(
    emulated: EmulatedAccount, count: int, missing: t.Sequence[str] = (), *, fails: t.Container[str] = (), scanned: bool = True
) -> list[str]:
    """Add nodes that are alike; return their ids."""
    start = len(emulated.state.nodes)
    ids = [f"mi-{number:017x}" for number in range(start, start + count)]
    for node_id in ids:
        node = Node(node_id, "ManagedInstance", ping_status="Online", tags={"PatchGroup": "web"})
        emulated.state.nodes[node_id] = node
        lacking = [patches.missing(name) for name in missing]
        for patch in lacking:
            patch.fails = patch.kb_id in fails
        emulated.state.patching[node_id] = Patching([*patches.installed(), *lacking])
    if scanned:
        scan(emulated, ids)
    return ids


def scan(emulated: EmulatedAccount, ids: t.Iterable[str]) -> None:
    """Have Patch Manager know how nodes are."""
    command = Command("c", "AWS-RunPatchBaseline", {"Operation": ["Scan"]}, "", now(), 60)
    for node_id in ids:
        patching.run_patch_baseline(emulated.caller, command, node_id)
