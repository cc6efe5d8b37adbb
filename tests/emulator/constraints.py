# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks an operation's input against its model and words what is wrong as AWS does.

botocore checks types, required members and minima before it sends; AWS checks these, and also maxima, patterns and
enumerations, which is where a client's real mistakes show.
"""

from __future__ import annotations

import collections.abc
import re
import typing as t

import botocore.model
import botocore.validate

from .answers import ApiError

VALIDATOR = botocore.validate.ParamValidator()
INVALID = "ValidationException"


def check_input(shape: botocore.model.StructureShape, params: dict[str, t.Any], code: str = INVALID) -> None:
    """Raise an error of this code for input that AWS would refuse."""
    found = list(violations(shape, params, ""))
    if found:
        plural = "s" if len(found) > 1 else ""
        raise ApiError(code, f"{len(found)} validation error{plural} detected: {'; '.join(found)}")
    report = VALIDATOR.validate(params, shape)
    if report.has_errors():
        raise ApiError("SerializationException", report.generate_report())


def violations(shape: botocore.model.Shape, value: t.Any, path: str) -> collections.abc.Iterator[str]:
    """Yield a sentence for each constraint that a value breaks."""
    yield from (
        f"Value {shown(shape, value)} at '{path}' failed to satisfy constraint: {demand}" for demand in demands(shape, value)
    )
    if isinstance(shape, botocore.model.StructureShape) and isinstance(value, dict):
        for name in shape.required_members:
            if value.get(name) is None:
                yield f"Value null at '{below(path, name)}' failed to satisfy constraint: Member must not be null"
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from violations(member, value[name], below(path, name))
    elif isinstance(shape, botocore.model.ListShape) and isinstance(value, list):
        for index, item in enumerate(value, 1):
            yield from violations(shape.member, item, f"{path}.{index}.member")
    elif isinstance(shape, botocore.model.MapShape) and isinstance(value, dict):
        for key, item in value.items():
            yield from violations(shape.value, item, f"{path}.{key}.member")


def demands(shape: botocore.model.Shape, value: t.Any) -> collections.abc.Iterator[str]:
    """Yield what a shape demands and this value doesn't fulfil."""
    facts = shape.metadata
    if shape.type_name in ("integer", "long") and isinstance(value, int):
        size, what = value, "value"
    elif (shape.type_name, type(value)) in {("string", str), ("list", list), ("map", dict)}:
        size, what = len(value), "length"
    else:
        return
    if "min" in facts and size < facts["min"]:
        yield f"Member must have {what} greater than or equal to {facts['min']}"
    if "max" in facts and size > facts["max"]:
        yield f"Member must have {what} less than or equal to {facts['max']}"
    if shape.type_name == "string":
        if "enum" in facts and value not in facts["enum"]:
            yield f"Member must satisfy enum value set: [{', '.join(facts['enum'])}]"
        if "pattern" in facts and not matches(facts["pattern"], value):
            yield f"Member must satisfy regular expression pattern: {facts['pattern']}"


def matches(pattern: str, value: str) -> bool:
    """Whether a text matches one of the model's patterns, whole."""
    if r"\p{L}" in pattern:  # always "letters, spaces, digits and these signs"
        signs = pattern.partition(r"\p{N}")[2].partition("]")[0]
        return re.fullmatch(rf"[\w\s{signs}]*", value) is not None
    return re.fullmatch(pattern, value) is not None


def shown(shape: botocore.model.Shape, value: t.Any) -> str:
    """Return a value as AWS repeats it: quoted, lists without quotes inside, secrets not at all."""
    if shape.metadata.get("sensitive"):
        return "'***'"
    if isinstance(value, list):
        return "'[" + ", ".join(str(item) for item in value) + "]'"
    return f"'{value}'"


def below(path: str, name: str) -> str:
    """Return the path of a member, in AWS's camel case."""
    name = name[0].lower() + name[1:]
    return f"{path}.{name}" if path else name
