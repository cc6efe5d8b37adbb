# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a session document as the agent does: puts the parameters in, says which kind of session it is and what it runs.

The rules of ``{{ name }}`` are those of agent/framework/docparser/parameters: a text that is nothing but one parameter becomes its
value whatever that is; inside other text lists are written as JSON, and ``$$`` in a value becomes ``$``.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

_PARAMETER = re.compile(r"\{\{\s*([a-zA-Z0-9]+)\s*\}\}")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a session is to do."""

    kind: str  # Standard_Stream | InteractiveCommands | NonInteractiveCommands | Port
    commands: str
    separate: bool  # standard output and error apart
    elevated: bool  # runs as root
    properties: dict[str, t.Any]
    key: str  # KMS key that encrypts the session
    run_as: str | None  # who it runs as; None: the agent's own choice, an empty text: nobody was named


def read(document: dict[str, t.Any], parameters: dict[str, t.Any], tagged_user: str = "", platform: str = "linux") -> Plan:
    """Return the plan of a document with these parameters on such a node; defaults fill what is not given.

    :param tagged_user: whom the IAM identity of the client has sessions run as; goes before the document's.
    """
    values = values_of(document, parameters)
    properties = substituted(document.get("properties") or {}, values)
    inputs = substituted(document.get("inputs") or {}, values)
    shell = properties.get(platform) or {}
    return Plan(
        kind=document.get("sessionType", "Standard_Stream"),
        commands=str(shell.get("commands") or ""),
        separate=is_true(shell.get("separateOutputStream")),
        elevated=is_true(shell.get("runAsElevated")),
        properties=properties,
        run_as=str(tagged_user or inputs.get("runAsDefaultUser") or "").strip() if is_true(inputs.get("runAsEnabled")) else None,
        key=str(inputs.get("kmsKeyId") or ""),
    )


def values_of(document: dict[str, t.Any], given: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return every parameter's value: the given one or the default."""
    return {name: declared.get("default", "") for name, declared in (document.get("parameters") or {}).items()} | given


def is_true(value: t.Any) -> bool:
    """Read a flag that may be text, as it is when it was a parameter."""
    return str(value).lower() == "true"


def substituted(value: t.Any, parameters: dict[str, t.Any]) -> t.Any:
    """Replace each ``{{ name }}`` in every text of a value."""
    if isinstance(value, dict):
        return {key: substituted(item, parameters) for key, item in value.items()}
    if isinstance(value, list):
        return [substituted(item, parameters) for item in value]
    if not isinstance(value, str):
        return value
    alone = _PARAMETER.fullmatch(value)
    if alone is not None and alone[1] in parameters:
        return parameters[alone[1]]
    return _PARAMETER.sub(lambda found: _text(parameters[found[1]]) if found[1] in parameters else found[0], value)


def _text(value: t.Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value)).replace("$$", "$")
