# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each role says the same of its variables everywhere."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml

from tests import role_documentation

_USING = ("tasks", "templates", "vars", "handlers")


@pytest.fixture(params=role_documentation.roles(), ids=lambda role: role.name)
def role(request: pytest.FixtureRequest) -> pathlib.Path:
    """Each role in turn."""
    folder: pathlib.Path = request.param
    return folder


def _options(role: pathlib.Path) -> list[tuple[str, dict[str, t.Any]]]:
    """Give the variables of all entry points."""
    return [pair for options in role_documentation.entry_points(role).values() for pair in options.items()]


def test_every_role_is_specified() -> None:
    assert role_documentation.roles() == sorted(path for path in role_documentation.ROLES.iterdir() if path.is_dir())


def test_defaults_are_those_of_the_specification(role: pathlib.Path) -> None:
    said = {name: option["default"] for name, option in _options(role) if "default" in option}
    assert yaml.safe_load((role / "defaults/main.yml").read_text(encoding="utf-8")) == said


def test_a_variable_of_two_entry_points_is_the_same_in_both(role: pathlib.Path) -> None:
    seen: dict[str, tuple[t.Any, t.Any]] = {}
    for name, option in _options(role):
        facts = (option.get("default"), option["type"])
        assert seen.setdefault(name, facts) == facts, name


def test_no_variable_is_without_use(role: pathlib.Path) -> None:
    files = [path for folder in _USING for path in (role / folder).rglob("*") if path.is_file()]
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    assert [name for name, _option in _options(role) if name not in text] == []


def test_variables_begin_with_the_name_of_the_role(role: pathlib.Path) -> None:
    assert [name for name, _option in _options(role) if not name.startswith(f"{role.name}_")] == []


def test_an_entry_point_is_a_file_of_tasks(role: pathlib.Path) -> None:
    assert [name for name in role_documentation.entry_points(role) if not (role / f"tasks/{name}.yml").is_file()] == []


def test_the_readme_is_as_it_is_generated(role: pathlib.Path) -> None:
    assert role_documentation.written(role) == (role / "README.md").read_text(encoding="utf-8")


_README = "# r\n<!-- variables of main -->\nold\n<!-- end of variables -->\nend\n"


class Written(t.NamedTuple):
    """A role of a test."""

    folder: pathlib.Path

    def table(self, options: dict[str, t.Any], readme: str = _README) -> str:
        """Write it, and give its README."""
        (self.folder / "meta").mkdir()
        specs = {"argument_specs": {"main": {"options": options}}}
        (self.folder / "meta/argument_specs.yml").write_text(yaml.safe_dump(specs), encoding="utf-8")
        (self.folder / "README.md").write_text(readme, encoding="utf-8")
        return role_documentation.written(self.folder)


@pytest.fixture
def a_role(tmp_path: pathlib.Path) -> Written:
    return Written(tmp_path)


def test_a_table_has_a_row_for_each_variable_and_what_is_in_it(a_role: Written) -> None:
    inner = {"key": {"type": "str", "required": True, "description": "A key."}}
    options = {
        "a_x": {"type": "str", "default": "{{ a | b }}", "description": ["One of", "two."]},
        "b_y": {"type": "list", "elements": "dict", "default": [], "options": inner, "description": "All."},
    }
    text = a_role.table(options)
    assert text.startswith("# r\n<!-- variables of main -->\n\n| variable | default | what it is |\n")
    assert "| `a_x` | `{{ a \\| b }}` | One of two. |\n| `b_y` | `[]` | All. |\n| `b_y[].key` | required | A key. |\n" in text
    assert text.endswith("<!-- end of variables -->\nend\n")


@pytest.mark.parametrize(
    ("markup", "markdown"),
    [
        ("O(a_x=1) and V(b) in C(c)", "`a_x: 1` and `b` in `c`"),
        ("M(fleet.ssm.activation), P(fleet.ssm.session#connection)", "`fleet.ssm.activation`, `fleet.ssm.session`"),
        ("as O(fleet.ssm.agent_doctor#module:endpoints)", "as `endpoints` of `fleet.ssm.agent_doctor`"),
        ("RV(x) or E(HOME), B(bold) I(italic)", "`x` or `HOME`, **bold** *italic*"),
        ("a | b <c>", "a \\| b \\<c>"),
    ],
)
def test_ansible_s_markup_becomes_markdown(a_role: Written, markup: str, markdown: str) -> None:
    assert f"|  | {markdown} |\n" in a_role.table({"a_x": {"type": "str", "description": markup}})


def test_choices_are_told_that_the_description_does_not_tell(a_role: Written) -> None:
    option = {"type": "str", "choices": ["a", "b"], "description": "V(a) is best."}
    assert "`a` is best. One of `a`, `b`. |\n" in a_role.table({"a_x": option})


def test_a_readme_without_a_place_for_the_table_is_told(a_role: Written) -> None:
    with pytest.raises(role_documentation.NoPlaceError, match="<!-- variables of main -->"):
        a_role.table({}, readme="# r\n")
