# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operation answers: errors with AWS's names, and output in the JSON 1.1 protocol."""

from __future__ import annotations

import datetime
import json
import typing as t

import botocore.model


class ApiError(Exception):
    """An error as AWS names it."""

    def __init__(self, code: str, message: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class LeaveToMotoError(Exception):
    """The operation is moto's affair for these parameters."""


def encode(shape: botocore.model.Shape, value: t.Any) -> t.Any:
    """Bring a value into the form that its shape has on the wire; a member the model lacks is our mistake."""
    if isinstance(shape, botocore.model.StructureShape):
        unknown = set(value) - set(shape.members)
        if unknown:
            raise TypeError(f"{shape.name} has no {', '.join(sorted(unknown))}")
        return {name: encode(shape.members[name], member) for name, member in value.items() if member is not None}
    if isinstance(shape, botocore.model.ListShape):
        return [encode(shape.member, item) for item in value]
    if isinstance(shape, botocore.model.MapShape):
        return {key: encode(shape.value, item) for key, item in value.items()}
    if isinstance(value, datetime.datetime):
        return round(value.timestamp(), 3)
    return value


def error_body(error: ApiError) -> bytes:
    """Return a JSON 1.1 error."""
    return json.dumps({"__type": error.code, "message": error.message}).encode()


#: how services that don't speak JSON wrap an error, by the protocol in botocore's model
XML_ERRORS = {
    "ec2": "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors></Response>",
    "query": "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>",
    "rest-xml": "<Error><Code>{code}</Code><Message>{message}</Message></Error>",
}
