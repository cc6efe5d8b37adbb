# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one text that the node program's files become."""

from __future__ import annotations

import ast
import pathlib

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import bundle


def test_every_file_of_the_program_is_in_it() -> None:
    folder = pathlib.Path(bundle.__file__).parent.parent / "_node_program"
    # A program of its own, which only transfers by S3 need.
    others = {"object_transfer"}
    assert set(bundle._FILES) == {path.stem for path in folder.glob("*.py")} - others


def test_it_is_python_3_6() -> None:
    ast.parse(bundle.text(), feature_version=(3, 6))


def test_docstrings_annotations_and_comments_are_left_out() -> None:
    source = (
        '"""Doc."""\n\n\nclass A:\n    """Doc."""\n\n\n'
        'def f(a: int, *b: str, c: int = 1, **d: str) -> int:\n    """Doc."""  # why\n    return a\n'
    )
    assert bundle.without_comments(source) == "class A:\n    pass\n\ndef f(a, *b, c=1, **d):\n    return a"
