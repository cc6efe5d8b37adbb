# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages Distributor has, and what their scripts are on a node; ordered by ``POST /_emulator/packages``.

The body is an object::

    {
        "nodes": ["mi-0123456789abcdef0"],     ids; all nodes of all accounts and regions unless given
        "scripts": ["/path/to/program", "x"],   run here in place of a package's scripts, with three more arguments: install or
                                                uninstall, the package's name, its version; what it prints and how it ends is
                                                what the script does. Empty: scripts do nothing, and that works
        "versions": ["1.0.0", "1.0.1"]          of each package that AWS publishes, the newest last
    }
"""

from __future__ import annotations

import typing as t

from tests.emulator.accounts import Accounts

NAMES = ("AmazonCloudWatchAgent",)
_MEMBERS = {"nodes", "scripts", "versions"}


class BadPackagesError(ValueError):
    """The order cannot be understood; the text is a sentence for whoever gave it."""


def order(accounts: Accounts, body: t.Any) -> dict[str, int]:
    """Take an order in JSON; return for how many nodes it was."""
    if not isinstance(body, dict) or set(body) - _MEMBERS:
        raise BadPackagesError(f"An order is an object of {', '.join(sorted(_MEMBERS))}, not {body!r}.")
    found = [(state, node) for state in accounts.all() for node in state.nodes]
    chosen = [(state, node) for state, node in found if node in body.get("nodes", [node])]
    for state, node in chosen:
        with state.lock:
            if "scripts" in body:
                state.package_scripts[node] = list(body["scripts"])
    for state in accounts.all():
        with state.lock:
            state.package_versions = list(body.get("versions", state.package_versions))
    return {"nodes": len(chosen)}
