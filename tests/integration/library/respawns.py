# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module for tests that has another interpreter run it."""

from __future__ import annotations

import sys

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common import respawn


def main() -> None:
    """Go on in the other interpreter."""
    module = AnsibleModule({"interpreter": {"type": "path", "required": True}, "probe": {"type": "str", "default": "json"}})
    interpreter = module.params["interpreter"]
    if not respawn.has_respawned():
        found = respawn.probe_interpreters_for_module(["/nowhere/python", interpreter], module.params["probe"])
        if found is None:
            module.fail_json(msg=f"no interpreter has {module.params['probe']}")
        respawn.respawn_module(found)
    module.exit_json(changed=False, executable=sys.executable, arguments=sys.argv[1:], read=sys.stdin.read())


if __name__ == "__main__":
    main()
