# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the tables of variables in the roles' READMEs from their argument specifications, or check that they are written.

``python -m tests.role_documentation`` writes them, with ``--check`` it names those that differ. (aar-doc knows half of Ansible's
markup only, and cannot check.)
"""

from __future__ import annotations

import json
import pathlib
import re
import sys
import typing as t

import yaml
from antsibull_docs_parser import dom
from antsibull_docs_parser.md import MDFormatter, to_md
from antsibull_docs_parser.parser import Context, parse

ROLES = pathlib.Path(__file__).resolve().parents[1] / "roles"

_BEGIN, _END = "<!-- variables of {} -->", "<!-- end of variables -->"
_HEAD = "| variable | default | what it is |\n| --- | --- | --- |\n"

Option = dict[str, t.Any]


class NoPlaceError(Exception):
    """A README has no place for a table; the text says what to write there."""


def roles() -> list[pathlib.Path]:
    """Give the folders of the roles that say what their variables are."""
    return sorted(path.parents[1] for path in ROLES.glob("*/meta/argument_specs.yml"))


def entry_points(role: pathlib.Path) -> dict[str, dict[str, Option]]:
    """Give the variables of each entry point of a role."""
    content = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    return {name: spec.get("options", {}) for name, spec in content["argument_specs"].items()}


def written(role: pathlib.Path) -> str:
    """Give the text of a role's README as it is to be."""
    text = (role / "README.md").read_text(encoding="utf-8")
    for name, options in entry_points(role).items():
        begin = _BEGIN.format(name)
        before, found, after = text.partition(begin + "\n")
        _old, ended, rest = after.partition(_END + "\n")
        if not found or not ended:
            raise NoPlaceError(f"roles/{role.name}/README.md has no lines {begin} and {_END} for the table of the variables.")
        text = f"{before}{found}\n{_HEAD}{''.join(_rows(options))}\n{ended}{rest}"
    return text


def _rows(options: dict[str, Option], prefix: str = "") -> t.Iterator[str]:
    for name, option in options.items():
        yield f"| `{prefix}{name}` | {_default(option)} | {_description(option)} |\n"
        inner = "[]." if option.get("type") == "list" else "."
        yield from _rows(option.get("options", {}), f"{prefix}{name}{inner}")


def _default(option: Option) -> str:
    if option.get("required"):
        return "required"
    value = option.get("default")
    if value in (None, ""):
        return ""
    return _code(value if isinstance(value, str) else json.dumps(value))


def _description(option: Option) -> str:
    said = option["description"]
    paragraphs = [said] if isinstance(said, str) else said
    choices = [choice for choice in option.get("choices", []) if not any(f"V({choice}" in one for one in paragraphs)]
    more = [f"One of {', '.join(f'V({choice})' for choice in option['choices'])}."] if choices else []
    text = to_md(parse([*paragraphs, *more], Context(), errors="exception"), formatter=_Formatter(), par_sep=" ")
    return re.sub(r"\s+", " ", text).strip()


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


class _Formatter(MDFormatter):
    """Markdown that can be read as text too: antsibull's own is made of HTML."""

    def format_bold(self, part: dom.BoldPart) -> str:
        return f"**{part.text}**"

    def format_code(self, part: dom.CodePart) -> str:
        return _code(part.text)

    def format_italic(self, part: dom.ItalicPart) -> str:
        return f"*{part.text}*"

    def format_module(self, part: dom.ModulePart, url: str | None) -> str:
        return _code(part.fqcn)

    def format_plugin(self, part: dom.PluginPart, url: str | None) -> str:
        return _code(part.plugin.fqcn)

    def format_text(self, part: dom.TextPart) -> str:
        return part.text.replace("|", "\\|").replace("<", "\\<")

    def format_env_variable(self, part: dom.EnvVariablePart) -> str:
        return _code(part.name)

    def format_option_name(self, part: dom.OptionNamePart, url: str | None) -> str:
        name = _code(part.name if part.value is None else f"{part.name}: {part.value}")
        return f"{name} of {_code(part.plugin.fqcn)}" if part.plugin else name

    def format_option_value(self, part: dom.OptionValuePart) -> str:
        return _code(part.value)

    def format_return_value(self, part: dom.ReturnValuePart, url: str | None) -> str:
        name = _code(part.name if part.value is None else f"{part.name}: {part.value}")
        return f"{name} of {_code(part.plugin.fqcn)}" if part.plugin else name


def main(check: bool) -> list[str]:
    """Write the READMEs, or only look; return what is wrong."""
    wrong = []
    for role in roles():
        file = role / "README.md"
        try:
            text = written(role)
        except NoPlaceError as error:
            wrong.append(str(error))
            continue
        if not check:
            file.write_text(text, encoding="utf-8")
        elif text != file.read_text(encoding="utf-8"):
            wrong.append(f"roles/{role.name}/README.md does not say what meta/argument_specs.yml says: make role-readmes")
    return wrong


if __name__ == "__main__":
    problems = main(check="--check" in sys.argv[1:])
    print(*problems, sep="\n", end="\n" if problems else "")
    sys.exit(bool(problems))
