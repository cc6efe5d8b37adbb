# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What machine this is: its packages, its architecture, whether systemd runs it. Runs on the node: Python 3.6."""

import os
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent import platforms

# os-release(5): the first that is there counts.
_OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
# sd_booted(3).
_BOOTED = "/run/systemd/system"


class System(t.NamedTuple):
    """What this machine takes: ``kind`` deb or rpm, ``architecture`` amd64, arm64 or arm; ``booted`` by systemd."""

    kind: str
    architecture: str
    booted: bool


def this_system() -> System:
    """Look at this machine; raises UnsupportedError where there is no agent for it."""
    kind = platforms.package_kind(platforms.read_os_release(_os_release()))
    return System(kind, platforms.architecture(os.uname().machine), os.path.isdir(_BOOTED))


def _os_release() -> str:
    for path in _OS_RELEASE:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                return file.read()
    return ""
