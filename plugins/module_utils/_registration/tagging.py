# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Work out which tags an activation can give to all of its nodes, and which remain for each."""

from __future__ import annotations

import typing as t

Tags = dict[str, str]


def as_texts(given: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, Tags]:
    """Return tags by machine, with each value as the text that AWS keeps."""
    return {name: {str(key): str(value) for key, value in (tags or {}).items()} for name, tags in given.items()}


def common(many: t.Sequence[Tags]) -> Tags:
    """Return the tags that are the same in all of them."""
    if not many:
        return {}
    return {key: value for key, value in many[0].items() if all(tags.get(key) == value for tags in many)}


def missing(wanted: Tags, there: t.Mapping[str, str]) -> Tags:
    """Return the tags that are not there, or otherwise."""
    return {key: value for key, value in wanted.items() if there.get(key) != value}
