# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this computer must have for machines, and what it lacks."""

from __future__ import annotations

import os
import shutil
import sys

PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "apt-get": "apt",
    "ip": "iproute2",
    "mount": "mount",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
}
# What makes and signs packages of a stub agent.
PACKAGING_PROGRAMS = {"dpkg-deb": "dpkg", "rpmbuild": "rpm", "gpg": "gpg"}


def missing() -> str:
    """Say in a sentence why there can be no machines, or nothing when there can be."""
    if sys.platform != "linux":
        return "machines need Linux"
    if os.geteuid() != 0:
        return "machines need root, for namespaces and mounts"
    return missing_of(PROGRAMS)


def missing_of(programs: dict[str, str]) -> str:
    """Say which packages with programs are missing, if any."""
    lacking = sorted({package for program, package in programs.items() if shutil.which(program) is None})
    return f"not installed: {', '.join(lacking)} (on Debian: apt-get install {' '.join(lacking)})" if lacking else ""
