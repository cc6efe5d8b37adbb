# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which patches simulated nodes lack, and what goes wrong with them; ordered by ``POST /_emulator/patches``.

The body is an object or a list of objects, each for some nodes::

    {
        "nodes": ["i-0123456789abcdef0"],   ids; all nodes of all accounts and regions unless given
        "missing": ["openssl", "hotfix-1"],   what they lack from now on, and nothing else; installed patches go
        "fails": ["openssl"],               what cannot be installed there; the others can
        "error": "No space left on device",  why no patching works there at all; empty: it does
        "rebooted": true                    they were rebooted
    }

A node of which nobody said anything lacks a handful of patches. Patches with names that are not of that handful are important
security updates. Which patches a baseline approves makes no difference here.
"""

from __future__ import annotations

import datetime
import typing as t

from tests.emulator.accounts import Accounts
from tests.emulator.state import Node, Patch, Patching, State

_MEMBERS = {"nodes", "missing", "fails", "error", "rebooted"}

# Name, version, classification, severity, CVEs.
_CATALOGUE = {
    "openssl": ("3.0.15-1", "Security", "Critical", "CVE-2024-5535"),
    "linux-image": ("6.1.115-1", "Security", "Important", "CVE-2024-50264,CVE-2024-53057"),
    "curl": ("7.88.1-10", "Security", "Medium", "CVE-2024-8096"),
    "tzdata": ("2024b-0", "Bugfix", "Low", ""),
}
_LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
_INSTALLED = ("bash", "coreutils", "systemd")


class BadPatchesError(ValueError):
    """The order cannot be understood; the text is a sentence for whoever gave it."""


def of(state: State, node: Node) -> Patching:
    """Return a node's patches; those of an agent that has connected anew are installed, for it was rebooted."""
    if node.instance_id not in state.patching:
        names = state.missing_patches.get(node.computer_name, list(_CATALOGUE))
        state.patching[node.instance_id] = Patching([*installed(), *map(missing, names)])
    patching = state.patching[node.instance_id]
    for patch in patching.patches:
        if patch.state == "InstalledPendingReboot" and node.connected and patch.installed and node.connected > patch.installed:
            patch.state = "Installed"
    return patching


def order(accounts: Accounts, body: t.Any) -> dict[str, int]:
    """Take an order in JSON; return for how many nodes it was."""
    count = 0
    for one in body if isinstance(body, list) else [body]:
        if not isinstance(one, dict) or set(one) - _MEMBERS:
            raise BadPatchesError(f"An order is an object of {', '.join(sorted(_MEMBERS))}, not {one!r}.")
        found = [(state, node) for state in accounts.all() for node in state.nodes.values()]
        chosen = [(state, node) for state, node in found if node.instance_id in one.get("nodes", [node.instance_id])]
        for state, node in chosen:
            with state.lock:
                _change(of(state, node), one)
        count += len(chosen)
    return {"nodes": count}


def _change(patching: Patching, order: dict[str, t.Any]) -> None:
    if "missing" in order:
        patching.patches = [*installed(), *map(missing, order["missing"])]
    patching.error = order.get("error", patching.error)
    for patch in patching.patches:
        if "fails" in order:
            patch.fails = patch.kb_id in order["fails"]
        if order.get("rebooted"):
            reboot(patch)


def reboot(patch: Patch) -> None:
    """Have a patch be as after a reboot."""
    if patch.state == "InstalledPendingReboot":
        patch.state = "Installed"


def missing(name: str) -> Patch:
    """Make a patch that is missing."""
    version, classification, severity, cves = _CATALOGUE.get(name, ("1.0-1", "Security", "Important", ""))
    return Patch(name, f"{name}:{version}", classification, severity, cves)


def installed() -> list[Patch]:
    """Make the patches that every node has."""
    return [Patch(name, f"{name}:1.0-1", "", "", state="Installed", installed=_LONG_AGO) for name in _INSTALLED]
