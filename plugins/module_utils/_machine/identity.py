# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""By what this machine can be told from its copies, and whether EC2 runs it. Runs on the node: Python 3.6."""

import os
import socket
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent import platforms
from ansible_collections.fleet.ssm.plugins.module_utils._machine import system
from ansible_collections.fleet.ssm.plugins.module_utils._machine.programs import run

_MACHINE_ID = "/etc/machine-id"


def describe() -> "dict[str, t.Any]":
    """Return machine_id, hostname, addresses and on_ec2."""
    return {
        "machine_id": _read(_MACHINE_ID),
        "hostname": socket.gethostname(),
        "addresses": run("hostname", "--all-ip-addresses").output.split(),
        # As the agent itself has it (ec2detector/darwinec2detector): there it works on EC2 only.
        "on_ec2": system.is_macos() or platforms.is_ec2(_read),
    }


def _read(path: str) -> str:
    if not os.path.exists(path):
        return ""
    # Some need root.
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
