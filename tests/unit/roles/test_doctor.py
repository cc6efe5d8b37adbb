# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role doctor says the same of its variables everywhere."""

from __future__ import annotations

import pathlib
import typing as t

import yaml

_ROLE = pathlib.Path(__file__).resolve().parents[3] / "roles/doctor"


def _read(path: str) -> t.Any:
    return yaml.safe_load((_ROLE / path).read_text(encoding="utf-8"))


def test_defaults_are_those_of_the_specification() -> None:
    options = _read("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert _read("defaults/main.yml") == {name: option["default"] for name, option in options.items()}


def test_the_readme_has_each_variable() -> None:
    text = (_ROLE / "README.md").read_text(encoding="utf-8")
    rows = [line.split("`")[1] for line in text.splitlines() if line.startswith("| `doctor_")]
    assert rows == list(_read("defaults/main.yml"))


def test_no_variable_is_without_use() -> None:
    text = "".join(path.read_text(encoding="utf-8") for folder in ("tasks", "templates") for path in (_ROLE / folder).iterdir())
    assert [name for name in _read("defaults/main.yml") if name not in text] == []
