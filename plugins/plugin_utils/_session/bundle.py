# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make one text of the node program's files.

Pure, apart from reading them. On the node the text makes modules of the files, under their full names, so that they import each
other there as they do here.
"""

from __future__ import annotations

import ast
import functools
import pathlib

_FOLDER = pathlib.Path(__file__).parent.parent / "_node_program"
_PACKAGE = "ansible_collections.fleet.ssm.plugins.plugin_utils._node_program"

_FILES = (
    "wire", "watchman", "outlet", "courier", "download", "request", "transfer", "execution", "template", "warm", "program",
)  # fmt: skip
"""In the order of their imports."""

_INSTALL = """
import sys, types
def module(name):
    made = sys.modules[name] = types.ModuleType(name)
    made.__path__ = []
    parent, _, last = name.rpartition('.')
    if parent:
        setattr(sys.modules.get(parent) or module(parent), last, made)
    return made
for name, source in sources:
    exec(compile(source, name, 'exec'), module(package + '.' + name).__dict__)
sys.modules[package + '.program'].main(dict(sources), *globals().get('RECEIVED', ()))
"""


@functools.cache
def text() -> str:
    """Return the program. It takes what the first stage read beyond it from the global ``RECEIVED``, a pair as ``main`` has it."""
    sources = [(name, without_comments((_FOLDER / f"{name}.py").read_text(encoding="utf-8"))) for name in _FILES]
    return f"package = {_PACKAGE!r}\nsources = {sources!r}\n{_INSTALL}"


def without_comments(source: str) -> str:
    """Return Python source without comments, docstrings and annotations: two fifths of what would be sent."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for argument in (*node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg):
                if argument is not None:
                    argument.annotation = None
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
