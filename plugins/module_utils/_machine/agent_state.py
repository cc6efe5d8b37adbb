# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What the agent on this machine is and does, as it says itself. Runs on the node: Python 3.6."""

import json
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent.platforms import PKG, SNAP, UNITS
from ansible_collections.fleet.ssm.plugins.module_utils._machine.installation import Installed
from ansible_collections.fleet.ssm.plugins.module_utils._machine.programs import run

# Of packages whose programs are on nobody's PATH.
_FOLDERS = {SNAP: "/snap/amazon-ssm-agent/current/", PKG: "/opt/aws/ssm/bin/"}


def program(kind: str, name: str = "amazon-ssm-agent") -> str:
    """Return what to start for one of the agent's programs, by the kind of package that it is installed as."""
    return _FOLDERS.get(kind, "") + name


def describe(there: "list[Installed]", booted: bool) -> "dict[str, t.Any]":
    """Return kind, version and unit of the agent, the state of its service, and its registration; all null where there is none."""
    if not there:
        return dict.fromkeys(("kind", "version", "unit", "running", "enabled", "node_id", "region"))
    # Whichever is first; that there are two is for the caller to notice.
    agent = there[0]
    unit = UNITS[agent.kind]
    identity = _identity(program(agent.kind, "ssm-cli"))
    running, enabled = _service(agent.kind, unit) if booted else (None, None)
    return {
        "kind": agent.kind,
        "version": agent.version,
        "unit": unit,
        "running": running,
        "enabled": enabled,
        "node_id": identity.get("instance-id"),
        "region": identity.get("region"),
    }


def _service(kind: str, unit: str) -> "tuple[bool, bool]":
    if kind == PKG:
        # As the agent's own diagnostics ask. What launchd has loaded it runs, and again at boot: RunAtLoad, KeepAlive.
        loaded = run("launchctl", "list", unit).code == 0
        return loaded, loaded
    return run("systemctl", "is-active", unit).code == 0, run("systemctl", "is-enabled", unit).code == 0


def _identity(cli: str) -> "dict[str, t.Any]":
    # The file /var/lib/amazon/ssm/registration may name a node that is no more; the agent's own answer is the truth.
    said = run(cli, "get-instance-information")
    try:
        answer = json.loads(said.output) if said.code == 0 else {}
    except ValueError:
        answer = {}
    return answer if isinstance(answer, dict) else {}
