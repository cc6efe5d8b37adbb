# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module for tests that leaves a daemon behind, which writes a file when it is all alone."""

from __future__ import annotations

import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.service import fork_process


def main() -> None:
    """Leave a daemon behind."""
    module = AnsibleModule({"path": {"type": "path", "required": True}, "keep_output": {"type": "bool", "default": False}})
    path = module.params["path"]
    if module.params["keep_output"]:
        # With the module's own streams, as many a badly made service does.
        if os.fork() == 0:
            os.setsid()
            write(path)
    else:
        if fork_process() == 0:
            write(path)
    module.exit_json(changed=True, path=path)


def write(path: str) -> None:
    """Write a file later, and end without a module's end."""
    try:
        time.sleep(0.5)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"leader of its session: {os.getsid(0) != os.getppid()}, umask {os.umask(0):o}, in {os.getcwd()}\n")
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
