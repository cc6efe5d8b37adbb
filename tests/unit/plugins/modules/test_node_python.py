# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules that run on managed nodes, whose Python may be 3.6."""

from __future__ import annotations

import ast
import pathlib

import pytest

_PLUGINS = pathlib.Path(__file__).resolve().parents[4] / "plugins"
_FOLDERS = ("_agent", "_cloudwatch", "_downloads", "_machine")
_MODULES = (
    "verified_download",
    "agent_config",
    "agent_info",
    "agent_package",
    "agent_registration",
    "cloudwatch_agent_config",
    "cloudwatch_agent_info",
    "cloudwatch_agent_package",
)
_FILES = [
    *(path for folder in _FOLDERS for path in (_PLUGINS / "module_utils" / folder).glob("*.py")),
    *(_PLUGINS / "modules" / f"{name}.py" for name in _MODULES),
]


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.name)
def test_a_file_is_python_3_6(path: pathlib.Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 6))
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert "__future__" not in imported
    assert [part for name in imported for part in str(name).split(".")].count("boto3") == 0
