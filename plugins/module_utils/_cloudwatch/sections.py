# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Set values in the sections of a TOML or INI file and leave every other line as it is. Runs on the node: Python 3.6.

Enough of both for common-config.toml and ~/.aws/config: one line for each value, and strings only. Python 3.6 has no tomllib.
"""

import json
import re
import typing as t

_HEADER = re.compile(r"\s*\[\s*([^\]]+?)\s*\]\s*(?:[#;].*)?$")

Values = t.Mapping[str, "str | None"]
Write = t.Callable[[str, str], str]
Read = t.Callable[[str], "str | None"]


class Format(t.NamedTuple):
    """How a line with a value is written, and what value one that is there has."""

    write: Write
    read: Read


def _write_toml(name: str, value: str) -> str:
    # A string of JSON is a basic string of TOML, as long as no character is written as a surrogate pair.
    return "{0} = {1}".format(name, json.dumps(value, ensure_ascii=False))


def _read_toml(value: str) -> "str | None":
    if value[:1] == "'":
        return value[1:].partition("'")[0]
    try:
        read, _end = json.JSONDecoder().raw_decode(value)
    except ValueError:
        return None
    return read if isinstance(read, str) else None


TOML = Format(_write_toml, _read_toml)
INI = Format("{0} = {1}".format, str)


def edit(text: str, section: str, values: Values, form: Format) -> str:
    """Return the text with these values in the section; None takes one out. A line that says the same already stays."""
    lines = text.splitlines()
    begin, end = _bounds(lines, section)
    left = dict(values)
    kept = [line for line in (_edited(line, left, form) for line in lines[begin:end]) if line is not None]
    added = [form.write(name, value) for name, value in left.items() if value is not None]
    if begin > len(lines):
        if not added:
            return text
        return "\n".join([*lines, *([""] if lines and lines[-1].strip() else []), "[{0}]".format(section), *added, ""])
    # New ones go before the empty lines at the section's end.
    last = len(kept)
    while last and not kept[last - 1].strip():
        last -= 1
    edited = [*lines[:begin], *kept[:last], *added, *kept[last:], *lines[end:]]
    return text if edited == lines else "\n".join([*edited, ""])


def _bounds(lines: "list[str]", section: str) -> "tuple[int, int]":
    """Return the lines from behind the section's header to before the next one; behind the end when there is no such section."""
    headers = [(number, match.group(1)) for number, match in enumerate(map(_HEADER.match, lines)) if match]
    begin = next((number + 1 for number, name in headers if name == section), len(lines) + 1)
    end = next((number for number, _name in headers if number >= begin), len(lines))
    return begin, end


def _edited(line: str, left: "dict[str, str | None]", form: Format) -> "str | None":
    """Return a line as it is to be, None for one that goes; what it is about is taken from ``left``."""
    name, equals, there = (part.strip() for part in line.partition("="))
    if not equals or name not in left:
        return line
    value = left.pop(name)
    if value is None:
        return None
    return line if form.read(there) == value else form.write(name, value)
