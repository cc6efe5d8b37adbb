# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What roles and playbooks include while they run."""

from __future__ import annotations

import collections.abc
import pathlib
import typing as t

import pytest
import yaml

_COLLECTION = pathlib.Path(__file__).parents[3]
_FILES = sorted([*_COLLECTION.glob("roles/*/tasks/*.yml"), *_COLLECTION.glob("playbooks/**/*.yml")])
_INCLUDES = ("ansible.builtin.include_tasks", "ansible.builtin.include_role")


def _includes(node: t.Any) -> collections.abc.Iterator[t.Any]:
    """Give the arguments of every include, however deep in blocks."""
    for item in node if isinstance(node, list) else node.values() if isinstance(node, dict) else ():
        yield from _includes(item)
    if isinstance(node, dict):
        yield from (node[name] for name in _INCLUDES if name in node)


# A tag that a play, a role or an import has been given is on the include and not on what is included, which would then be left out,
# even where it is to fail, see "Tag inheritance for includes" in
# https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_tags.html
@pytest.mark.parametrize("path", _FILES, ids=lambda path: str(path.relative_to(_COLLECTION)))
def test_what_is_included_runs_where_a_tag_has_chosen_the_include(path: pathlib.Path) -> None:
    for arguments in _includes(yaml.safe_load(path.read_text(encoding="utf-8"))):
        assert arguments["apply"] == {"tags": "always"}, arguments
