# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Pythons at hand, for what runs on nodes."""

from __future__ import annotations

import collections.abc
import os
import pathlib
import sys

_PYENV = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv"), "versions")


def interpreters() -> collections.abc.Iterator[str]:
    """Yield one interpreter of each minor version, this one first."""
    yield sys.executable
    found = {path.parent.parent.name.rpartition(".")[0]: path for path in sorted(_PYENV.glob("3.*/bin/python"))}
    yield from (str(path) for minor, path in found.items() if minor != f"{sys.version_info[0]}.{sys.version_info[1]}")
    if os.path.exists("/usr/bin/python3"):  # noqa: PTH110
        yield "/usr/bin/python3"
