# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make this clone importable as ansible_collections.<namespace>.<name>, whatever its folder is called.

ansible-core looks for collections on sys.path, so one symbolic link in the virtual environment's site-packages is enough
for ansible-playbook, ansible-doc, ansible-lint, pytest, mypy and plain imports.
"""

from __future__ import annotations

import pathlib
import sysconfig

import yaml


def link_clone() -> pathlib.Path:
    """Create or correct the link and return its path."""
    clone = pathlib.Path(__file__).resolve().parents[1]
    galaxy = yaml.safe_load((clone / "galaxy.yml").read_text(encoding="utf-8"))
    link = pathlib.Path(sysconfig.get_path("purelib"), "ansible_collections", galaxy["namespace"], galaxy["name"])
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():
        link.unlink()
    link.symlink_to(clone, target_is_directory=True)
    return link


if __name__ == "__main__":
    print(link_clone())
