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

Header = dict[str, t.Any]


def encode(header: Header, body: bytes = b"") -> bytes:
    """Return a message."""
    text = json.dumps(header).encode()
    return LENGTHS.pack(len(text), len(body)) + text + body


def decode_header(text: bytes) -> Header:
    """Return the header of a message."""
    header: Header = json.loads(text)
    return header
