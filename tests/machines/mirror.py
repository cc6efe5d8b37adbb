# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where this computer's own apt gets Debian from, and how."""

from __future__ import annotations

import subprocess

_FORMAT = "$(REPO_URI)"
# A proxy and the like, which hold for the new root file system too.
_SETTINGS = ("Acquire::http", "Acquire::https")


class NoMirrorError(Exception):
    """apt of this computer has no such suite."""


def uri(suite: str) -> str:
    """Return the address of a suite of Debian, such as bookworm, in apt's own sources."""
    filters = ["Created-By: Packages", f"Codename: {suite}", "Component: main", "Origin: Debian"]
    found = _output("apt-get", "indextargets", "--format", _FORMAT, *filters).split()
    if not found:
        raise NoMirrorError(f"apt of this computer knows no Debian {suite}; run apt-get update if it should")
    return found[0]


def settings() -> list[str]:
    """Return apt's settings for downloads, each a line of apt.conf."""
    return [line for line in _output("apt-config", "dump", *_SETTINGS).splitlines() if not line.endswith(' "";')]


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
