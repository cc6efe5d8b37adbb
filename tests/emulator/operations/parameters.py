# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parameters by their names, with the selector that moto leaves out; all else of Parameter Store is moto's."""

from __future__ import annotations

import typing as t

import moto.backends

from tests.emulator.operations.registry import Answer, Caller, Params, operation


@operation("GetParameters")
def get_parameters(caller: Caller, params: Params) -> Answer:
    """Give those that there are, in no order, and the names of the others."""
    state = caller.state
    backend: t.Any = moto.backends.get_backend("ssm")[state.account][state.region]
    found = backend.get_parameters(params["Names"])
    return {
        "Parameters": [_told(one, name, params.get("WithDecryption", False), state.region) for name, one in found.items()],
        "InvalidParameters": [name for name in params["Names"] if name not in found],
    }


def _told(parameter: t.Any, asked: str, decrypt: bool, region: str) -> Answer:
    name = asked.rpartition("parameter/")[2] if asked.startswith("arn:") else asked
    _name, colon, selector = name.partition(":")
    members = ("Name", "Type", "Value", "Version", "LastModifiedDate", "ARN", "DataType")
    answer = parameter.response_object(decrypt, region)
    return {**{member: answer[member] for member in members}, **({"Selector": colon + selector} if colon else {})}
