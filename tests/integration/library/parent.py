# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module for tests that says whether its process is a fork of an interpreter, which has loaded what it uses, or a fresh one."""

from __future__ import annotations

import os
import pathlib

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Compare our command line with our parent's: that of a fresh interpreter is a shell, or what become runs."""
    module = AnsibleModule({}, supports_check_mode=True)
    ours, parents = (pathlib.Path("/proc", str(pid), "cmdline").read_bytes() for pid in (os.getpid(), os.getppid()))
    module.exit_json(changed=False, forked=ours == parents, parent=parents.decode(errors="replace"))


if __name__ == "__main__":
    main()
