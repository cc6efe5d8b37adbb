# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which capabilities systemd-nspawn withholds from a machine, so that they do not come back with who enters it.

A process that enters a machine's namespaces from here keeps the capabilities it has here: ``date -s`` in the machine would set
this computer's clock.
"""

from __future__ import annotations

import pathlib
import re

# By number, from 0 on: include/uapi/linux/capability.h.
# fmt: off
_NAMES = (
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "linux_immutable",
    "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot",
    "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod",
    "lease", "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend",
    "audit_read", "perfmon", "bpf", "checkpoint_restore",
)
# fmt: on
_BOUNDING = re.compile(r"^CapBnd:\s*([0-9a-f]+)$", re.MULTILINE)


def withheld(ours: int, theirs: int) -> list[str]:
    """Name what is in our bounding set and not in theirs, as setpriv wants it."""
    numbers = [number for number in range(ours.bit_length()) if ours >> number & 1 and not theirs >> number & 1]
    return [_NAMES[number] if number < len(_NAMES) else f"cap_{number}" for number in numbers]


def bounding_set(process: int | str) -> int:
    """Read the bounding set of a process, a bit for each capability."""
    found = _BOUNDING.search(pathlib.Path(f"/proc/{process}/status").read_text(encoding="utf-8"))
    if found is None:
        raise OSError(f"/proc/{process}/status has no CapBnd")
    return int(found.group(1), 16)
