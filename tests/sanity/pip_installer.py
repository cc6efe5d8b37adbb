# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the names under which ansible-test caches the installer of pip that it would download."""

from __future__ import annotations

import pathlib
import re

import ansible_test  # type: ignore[import-untyped]


def names() -> list[str]:
    """Return the file names, one or more by release of ansible-core."""
    source = pathlib.Path(ansible_test.__path__[0], "_internal", "python_requirements.py").read_text(encoding="utf-8")
    versions = re.findall(r"pip='?([\d.]+)|pip_version = '([\d.]+)'", source)
    return [f"get_pip_{(first or second).replace('.', '_')}.py" for first, second in versions]


if __name__ == "__main__":
    print(*names())
