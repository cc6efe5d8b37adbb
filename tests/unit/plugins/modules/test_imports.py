# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules import, and what that imports, read in their sources: no module carries what it has no use for."""

from __future__ import annotations

import ast
import functools
import pathlib
import typing as t

import pytest
import yaml

_PLUGINS = pathlib.Path(__file__).parents[4] / "plugins"
_COLLECTION = "ansible_collections.fleet.ssm.plugins."
_MODULES = sorted((_PLUGINS / "modules").glob("*.py"))
# What every package may build on.
_GROUND = frozenset({"_aws", "_engine"})


@functools.cache
def _imported(path: pathlib.Path) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def _ours(path: pathlib.Path) -> set[pathlib.Path]:
    """Give the files of this collection that a file imports."""
    names = (name.removeprefix(_COLLECTION) for name in _imported(path) if name.startswith(_COLLECTION))
    files = {_PLUGINS.joinpath(*name.split(".")).with_suffix(".py") for name in names}
    return {file for file in files if file.exists()}


@functools.cache
def _all_of(path: pathlib.Path) -> frozenset[pathlib.Path]:
    """Give a file and all of ours that come with it."""
    found: set[pathlib.Path] = set()
    left = {path}
    while left:
        file = left.pop()
        found.add(file)
        left |= _ours(file) - found
    return frozenset(found)


def _package(path: pathlib.Path) -> str:
    return path.relative_to(_PLUGINS / "module_utils").parts[0]


def _asks_aws(module: pathlib.Path) -> bool:
    (documentation,) = (
        node.value.value
        for node in ast.parse(module.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "DOCUMENTATION"
        and isinstance(node.value, ast.Constant)
    )
    return "fleet.ssm.aws" in yaml.safe_load(t.cast("str", documentation)).get("extends_documentation_fragment", [])


@pytest.mark.parametrize("module", _MODULES, ids=lambda path: path.stem)
def test_a_module_imports_no_other_and_nothing_of_plugins(module: pathlib.Path) -> None:
    others = {file for file in _all_of(module) if file != module and (_PLUGINS / "module_utils") not in file.parents}
    assert others == set()


@pytest.mark.parametrize("module", _MODULES, ids=lambda path: path.stem)
def test_only_modules_that_ask_aws_import_its_library_and_from_one_place(module: pathlib.Path) -> None:
    libraries = {name.partition(".")[0] for file in _all_of(module) for name in _imported(file)}
    assert "boto3" not in libraries
    where = {file.name for file in _all_of(module) if any(name.partition(".")[0] == "botocore" for name in _imported(file))}
    assert where == ({"sessions.py"} if _asks_aws(module) else set())


@pytest.mark.parametrize("module", _MODULES, ids=lambda path: path.stem)
def test_a_module_brings_only_packages_that_it_or_one_of_those_names(module: pathlib.Path) -> None:
    """A file in the package of another thing would bring all that this has need of, too."""
    named = {_package(file) for file in _ours(module)}
    brought = {_package(file) for file in _all_of(module) if file != module}
    reached = named | {_package(file) for package in named - _GROUND for file in _in_package(module, package)}
    assert brought - _GROUND - reached == set()


def _in_package(module: pathlib.Path, package: str) -> set[pathlib.Path]:
    inside = (file for file in _all_of(module) if file != module and _package(file) == package)
    return {file for one in inside for file in _ours(one)}


def test_packages_do_not_go_round() -> None:
    files = [path for path in (_PLUGINS / "module_utils").rglob("*.py") if path.name != "__init__.py"]
    edges = {(_package(path), _package(other)) for path in files for other in _ours(path)}
    below: dict[str, set[str]] = {}
    for one, other in edges:
        below.setdefault(one, set()).update({other} - {one})
    # Those that nothing left builds on go, until what is left goes round.
    while free := {package for package in below if not any(package in others for others in below.values())}:
        below = {package: others for package, others in below.items() if package not in free}
    assert below == {}
