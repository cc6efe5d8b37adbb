# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Write the content of an SSM document, and compare two whatever format they are written in. Pure."""

from __future__ import annotations

import contextlib
import json
import typing as t

# PyYAML comes with ansible-core, but a module may run on another machine; the engine tells of it when it is missing.
with contextlib.suppress(ImportError):
    import yaml

TEXT = "TEXT"
_VERSION = "schemaVersion"


class Written(t.NamedTuple):
    """A content as AWS wants it."""

    text: str
    content_format: str


def written(given: t.Any, content_format: str | None) -> Written:
    """Write what the user gave, a dictionary or a text, in the format wanted; without one, in that which the text has."""
    if isinstance(given, str):
        return Written(given, content_format or _format_of(given))
    content = _with_text_version(given)
    if content_format == "YAML":
        return Written(yaml.safe_dump(content, sort_keys=False), content_format)
    return Written(json.dumps(content, indent=2), content_format or "JSON")


def parsed(text: str) -> t.Any:
    """Give the dictionary that a text of JSON or YAML stands for; the text itself where it is neither."""
    try:
        value = json.loads(text)
    except ValueError:
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            value = None
    return _with_text_version(value) if isinstance(value, dict) else text


def same(have: str | None, want: str) -> bool:
    """Say whether two contents mean the same."""
    if have is None:
        return False
    one, other = parsed(have), parsed(want)
    if isinstance(one, str) and isinstance(other, str):
        # AWS gives a calendar's lines back with ends of its own.
        return one.split() == other.split() and [*map(str.rstrip, one.splitlines())] == [*map(str.rstrip, other.splitlines())]
    return bool(one == other)


def _format_of(text: str) -> str:
    try:
        json.loads(text)
    except ValueError:
        return "YAML" if isinstance(parsed(text), dict) else TEXT
    return "JSON"


def _with_text_version(content: dict[str, t.Any]) -> dict[str, t.Any]:
    # YAML has a number for 2.2 without quotes, which AWS does not take.
    return {**content, _VERSION: str(content[_VERSION])} if _VERSION in content else content
