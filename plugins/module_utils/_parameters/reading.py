# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read parameters of Parameter Store by their names or by their path, as many at a time as AWS gives. I/O."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api

Parameter = dict[str, t.Any]

_BY_NAMES = "GetParameters"


def by_names(api: Api, names: t.Iterable[str], decrypt: bool = True) -> tuple[dict[str, Parameter], list[str]]:
    """Give parameters by the names or ARNs asked for, in their order, and the names that AWS does not know."""
    asked = list(dict.fromkeys(names))
    size = api.request_shape(_BY_NAMES).members["Names"].metadata["max"]
    found: dict[str, Parameter] = {}
    for start in range(0, len(asked), size):
        answer = api.call(_BY_NAMES, Names=asked[start : start + size], WithDecryption=decrypt)
        found.update({name: one for one in answer["Parameters"] for name in _called(one)})
    return {name: found[name] for name in asked if name in found}, [name for name in asked if name not in found]


def by_path(api: Api, path: str, recursive: bool, decrypt: bool = True) -> list[Parameter]:
    """Give all parameters right below a path, or wherever below it."""
    return list(api.items("GetParametersByPath", "Parameters", Path=path, Recursive=recursive, WithDecryption=decrypt))


def described(api: Api, name: str) -> Parameter | None:
    """Give what there is to tell of a parameter but its value; None when there is no such parameter."""
    only_this = {"Key": "Name", "Option": "Equals", "Values": [name]}
    return next(api.items("DescribeParameters", "Parameters", ParameterFilters=[only_this]), None)


def _called(parameter: Parameter) -> list[str]:
    selector = parameter.get("Selector", "")
    # Whoever asks by an ARN gets the name beside it.
    return [name + selector for name in (parameter["Name"], parameter.get("ARN", ""))]
