# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Walk the shapes of botocore's model: options into requests, answers into results, and limits checked before AWS does."""

from __future__ import annotations

import datetime
import itertools
import typing as t

Naming = t.Callable[[str], str]
Values = dict[str, t.Any]

# AWS spells a tag one way in nearly every service; users write a dictionary.
_TAG_MEMBERS = {"Key", "Value"}
# Structures that do nothing but hold a list: users write the list.
_HOLDERS = {"PatchRuleGroup": "PatchRules", "PatchFilterGroup": "PatchFilters"}


def to_request(shape: t.Any, options: t.Mapping[str, t.Any], name: Naming) -> Values:
    """Give the members of a structure that the options set; an option of None is not set."""
    said = ((member, inner, options.get(name(member))) for member, inner in shape.members.items())
    return {member: _into(inner, value, name) for member, inner, value in said if value is not None}


def to_result(shape: t.Any, value: t.Any, name: Naming) -> t.Any:
    """Give an answer, or a part of one, in plain JSON with the names of options; unknown members are left out."""
    if _is_tags(shape):
        return {tag["Key"]: tag["Value"] for tag in value}
    if held := _HOLDERS.get(shape.name):
        return to_result(shape.members[held], value.get(held, []), name)
    if shape.type_name == "structure":
        return {name(key): to_result(inner, value[key], name) for key, inner in shape.members.items() if value.get(key) is not None}
    if shape.type_name == "list":
        return [to_result(shape.member, item, name) for item in value]
    if shape.type_name == "map":
        return {key: to_result(shape.value, item, name) for key, item in value.items()}
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat(timespec="seconds")
    return value


def problems(shape: t.Any, request: t.Mapping[str, t.Any], name: Naming, later: t.Container[str] = ()) -> list[str]:
    """Say which members are missing, but for those set later, or break the limits of the model, in the words of the options."""
    needed = (member for member in shape.required_members if member not in later)
    missing = [f"{name(member)} is required" for member in needed if member not in request]
    return missing + [
        f"{name(member)} must be {limit}, not {_shown(value)}"
        for member, value in request.items()
        if (limit := _broken_limit(shape.members[member], value))
    ]


def renamed(values: t.Mapping[str, t.Any], names: t.Mapping[str, str]) -> Values:
    """Give a result with other names for some of its own members."""
    return {names.get(name, name): value for name, value in values.items()}


def filters(shape: t.Any, wanted: t.Mapping[str, t.Sequence[str]]) -> list[Values]:
    """Give a list of filters as the shape has them: one member holds the key, the other the values, or a single value."""
    members = shape.member.members
    key_member, *value_member = (member for member, inner in members.items() if inner.type_name == "string")
    if value_member:
        return [{key_member: key, value_member[0]: value} for key, values in wanted.items() for value in values]
    values_member = next(member for member, inner in members.items() if inner.type_name == "list")
    return [{key_member: key, values_member: list(values)} for key, values in wanted.items()]


def batches(shape: t.Any, wanted: t.Mapping[str, t.Sequence[str]]) -> list[dict[str, t.Sequence[str]]]:
    """Split filters with more values than the shape lets one have, so that together they ask for the same."""
    values = next((inner for inner in shape.member.members.values() if inner.type_name == "list"), None)
    # A filter that has no list has a single value.
    most = values.metadata.get("max") if values else 1
    parts = [
        [(key, listed[start : start + most]) for start in range(0, len(listed), most)] if most else [(key, listed)]
        for key, listed in wanted.items()
    ]
    return [dict(chosen) for chosen in itertools.product(*parts)]


def _into(shape: t.Any, value: t.Any, name: Naming) -> t.Any:
    if _is_tags(shape):
        return [{"Key": str(key), "Value": str(text)} for key, text in value.items()]
    if held := _HOLDERS.get(shape.name):
        return {held: _into(shape.members[held], value, name)}
    if shape.type_name == "structure":
        return to_request(shape, value, name)
    if shape.type_name == "list":
        return [_into(shape.member, item, name) for item in value]
    if shape.type_name == "map":
        return {str(key): _into(shape.value, item, name) for key, item in value.items()}
    return value


def _is_tags(shape: t.Any) -> bool:
    if shape.type_name != "list" or shape.member.type_name != "structure":
        return False
    return set(shape.member.members) == _TAG_MEMBERS


def _broken_limit(shape: t.Any, value: t.Any) -> str:
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        return "one of " + ", ".join(allowed)
    measure, unit = _measure(shape, value)
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if measure is None or ((low is None or measure >= low) and (high is None or measure <= high)):
        return ""
    if high is None:
        return f"at least {low}{unit}"
    return f"at most {high}{unit}" if not low else f"from {low} to {high}{unit}"


def _measure(shape: t.Any, value: t.Any) -> tuple[int | None, str]:
    if shape.type_name in {"integer", "long"}:
        return int(value), ""
    if shape.type_name == "string" and isinstance(value, str):
        return len(value), " characters long"
    if shape.type_name in {"list", "map"}:
        return len(value), " entries"
    return None, ""


def _shown(value: t.Any) -> str:
    return f"{len(value)}" if isinstance(value, str | list | dict) else str(value)
