# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What workers and the broker say to each other over their unix socket: a JSON header and a binary body.

Pure. Both sides are one version of this collection on one machine, so the format needs no room for others.
"""

from __future__ import annotations

import json
import struct
import typing as t

LENGTHS = struct.Struct(">II")
BLOCK = 64 * 1024
"""Bytes of a file in one message."""

SILENCE_SECONDS = 60
"""A broker that says nothing for so long is dead; while a request is under way it says something every 15 seconds."""

HEARTBEAT_SECONDS = 15

LARGEST_HEADER, LARGEST_BODY = 64 * 1024 * 1024, 1024 * 1024 * 1024
"""Bytes; the header has the command."""

Header = dict[str, t.Any]

MEMBERS: dict[str, dict[str, type]] = {
    "announce": {"node": dict},
    "execute": {"node": dict, "command": str, "task": str, "flags": int, "converses": bool},
    "put": {"node": dict, "path": str, "task": str, "size": int, "sha256": str, "source": str, "bucket": dict},
    "get": {"node": dict, "path": str, "task": str, "bucket": dict},
    "check_connected": {"node": dict, "seconds": float},
    "reset": {"node": dict},
    "figures": {},
    "adopt": {"controller": int},
}
"""What the header of a request has, by operation. All are answered but ``announce``: it says that another is about to come."""

_LARGEST = {"flags": 255}


class MalformedRequest(ValueError):
    """Bytes that no worker of ours sends."""


def encode(header: Header, body: bytes = b"") -> bytes:
    """Return a message."""
    text = json.dumps(header).encode()
    return LENGTHS.pack(len(text), len(body)) + text + body


def decode_lengths(data: bytes) -> tuple[int, int]:
    """Return the lengths of a message's header and body; raise MalformedRequest when they are beyond all bounds."""
    header, body = LENGTHS.unpack(data)
    if header > LARGEST_HEADER or body > LARGEST_BODY:
        raise MalformedRequest(f"a message of {header} and {body} bytes")
    return header, body


def decode_header(text: bytes) -> Header:
    """Return the header of a message; raise MalformedRequest when it is none."""
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedRequest(f"a header is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise MalformedRequest("a header is not an object")
    return header


def check(header: Header) -> None:
    """Raise MalformedRequest when a header asks for nothing that can be done."""
    members = MEMBERS.get(str(header.get("operation")))
    if members is None:
        raise MalformedRequest("a request for no operation")
    for name, kind in members.items():
        # A bool is an int too.
        if not isinstance(header.get(name), kind) or (kind is int and isinstance(header[name], bool)):
            raise MalformedRequest(f"{name} of a request is not of type {kind.__name__}")
        if kind is int and not 0 <= header[name] <= _LARGEST.get(name, header[name]):
            raise MalformedRequest(f"{name} of a request is out of bounds")
