# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What machine this is: its packages, its architecture, whether its services run. Runs on the node: Python 3.6."""

import os
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent import platforms

# os-release(5): the first that is there counts.
_OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
# sd_booted(3).
_BOOTED = "/run/systemd/system"


class System(t.NamedTuple):
    """What this machine takes: ``kind`` deb, rpm or pkg, ``architecture`` amd64, 386, arm64 or arm; whether it is ``booted``."""

    kind: str
    architecture: str
    booted: bool


def this_system() -> System:
    """Look at this machine; raises UnsupportedError where there is no agent for it."""
    kind = platforms.PKG if is_macos() else platforms.package_kind(platforms.read_os_release(_os_release()))
    return System(kind, platforms.architecture(os.uname().machine), is_booted())


def is_booted() -> bool:
    """Say whether systemd runs this machine; it does not where an image is built. launchd always runs a Mac."""
    return is_macos() or os.path.isdir(_BOOTED)


def is_macos() -> bool:
    """Say whether this is a Mac."""
    return os.uname().sysname == "Darwin"


def distribution_names() -> "list[str]":
    """Return what this system calls itself, and then what it is like."""
    return platforms.names(platforms.read_os_release(_os_release()))


def _os_release() -> str:
    for path in _OS_RELEASE:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                return file.read()
    return "PRETTY_NAME={0}".format(os.uname().sysname)
