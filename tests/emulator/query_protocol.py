# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads requests and writes answers of the services that speak in forms and XML: ec2, iam and sts.

Source: https://smithy.io/2.0/aws/protocols/aws-query-protocol.html and aws-ec2-query-protocol.html.
"""

from __future__ import annotations

import datetime
import typing as t
import urllib.parse
import uuid
import xml.sax.saxutils

import botocore.model

PROTOCOLS = ("query", "ec2")
INVALID = "ValidationError"
"""What these services call what the others call a ValidationException."""
_SCALARS: dict[str, t.Callable[[str], t.Any]] = {"integer": int, "long": int, "boolean": lambda text: text == "true"}


def read(operation: botocore.model.OperationModel, body: bytes) -> dict[str, t.Any]:
    """Return the parameters in a form."""
    form = {name: values[0] for name, values in urllib.parse.parse_qs(body.decode(), keep_blank_values=True).items()}
    if operation.input_shape is None:
        return {}
    return t.cast("dict[str, t.Any]", _read(operation.input_shape, form, "", operation.service_model.metadata["protocol"]) or {})


def _read(shape: botocore.model.Shape, form: dict[str, str], name: str, protocol: str) -> t.Any:
    """Return the value below a name; None when the form has none."""
    if isinstance(shape, botocore.model.StructureShape):
        start = f"{name}." if name else ""
        members = {
            key: _read(member, form, start + _request_name(key, member, protocol), protocol)
            for key, member in shape.members.items()
            if not name or any(given.startswith(start) for given in form)
        }
        return {key: value for key, value in members.items() if value is not None} or None
    if isinstance(shape, botocore.model.ListShape):
        start = name if protocol == "ec2" else f"{name}.member"
        numbers = sorted({int(given[len(start) + 1 :].split(".")[0]) for given in form if given.startswith(f"{start}.")})
        return [_read(shape.member, form, f"{start}.{number}", protocol) for number in numbers] or None
    return _SCALARS.get(shape.type_name, str)(form[name]) if name in form else None


def _request_name(key: str, shape: botocore.model.Shape, protocol: str) -> str:
    if protocol != "ec2":
        return str(shape.serialization.get("name", key))
    location = str(shape.serialization.get("name", key))
    return str(shape.serialization.get("queryName") or location[0].upper() + location[1:])


def write(operation: botocore.model.OperationModel, result: dict[str, t.Any]) -> bytes:
    """Return the answer's body."""
    item = "item" if operation.service_model.metadata["protocol"] == "ec2" else "member"
    members = "".join(
        element(member, result[key], str(member.serialization.get("name", key)), item)
        for key, member in t.cast(botocore.model.StructureShape, operation.output_shape).members.items()
        if result.get(key) is not None
    )
    request_id = f"<RequestId>{uuid.uuid4()}</RequestId>"
    if operation.service_model.metadata["protocol"] == "ec2":
        inside = f"{request_id.replace('RequestId', 'requestId')}{members}"
    else:
        inside = f"<{operation.name}Result>{members}</{operation.name}Result><ResponseMetadata>{request_id}</ResponseMetadata>"
    return f"<{operation.name}Response>{inside}</{operation.name}Response>".encode()


def element(shape: botocore.model.Shape, value: t.Any, name: str, item: str = "item") -> str:
    """Return a value as XML, entries of lists with their name or this one; text that is Written already is taken as it is."""
    if isinstance(value, Written):
        return f"<{name}>{value}</{name}>"
    if isinstance(shape, botocore.model.StructureShape):
        inside = "".join(
            element(shape.members[key], member, str(shape.members[key].serialization.get("name", key)), item)
            for key, member in value.items()
        )
    elif isinstance(shape, botocore.model.ListShape):
        inside = "".join(element(shape.member, one, str(shape.member.serialization.get("name", item)), item) for one in value)
    elif isinstance(value, datetime.datetime):
        inside = value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    elif isinstance(value, bool):
        inside = str(value).lower()
    else:
        inside = xml.sax.saxutils.escape(str(value))
    return f"<{name}>{inside}</{name}>"


class Written(str):
    """The inside of an element, as XML."""

    __slots__ = ()
