# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Number the bytes on their way to a node, so that what arrives twice is taken once, and what was lost can be sent again.

Pure. An agent counts a message as handled only when it could send the acknowledgement (datachannel.go, handleStreamDataMessage).
When its socket is cut in between, it writes the same message to the terminal once more. So each message carries one whole parcel,
and the node's program, which has the reading half (``Parcels`` in ``_node_program/wire.py``), drops those it had. It waits for
those it misses: what an agent gets before it is ready it may throw away (``protocol.py``).

==================================  ====================================================================
number ``:`` base64 ``\\n``           a parcel that survives a terminal which is not raw yet; an empty one ends the program
0, 4 byte number, 2 byte length, …  a parcel for a raw terminal, binary
==================================  ====================================================================
"""

from __future__ import annotations

import base64
import struct

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import messages

_BINARY_HEADER = struct.Struct(">xIH")

ARMOURED_CONTENT = 744
"""Bytes in an armoured parcel; base64 makes 992 of them, which leaves room for a long number."""

BINARY_CONTENT = messages.MAX_PAYLOAD - _BINARY_HEADER.size


FILLER = b"\n"
"""Input that says nothing, between parcels: the reading half passes over a line that is none, a shell over an empty one."""


class ParcelWriter:
    """One session's stream to its node. ``next`` is the number of the parcel that comes next."""

    def __init__(self) -> None:
        self.next = 0

    def write(self, data: bytes, *, armoured: bool) -> list[bytes]:
        """Return the parcels that carry these bytes; each is to be a message of its own."""
        content = ARMOURED_CONTENT if armoured else BINARY_CONTENT
        pack = self._armoured if armoured else self._binary
        return [pack(data[start : start + content]) for start in range(0, len(data), content)]

    def end(self) -> bytes:
        """Return the parcel that ends the program."""
        return self._armoured(b"")

    def _armoured(self, content: bytes) -> bytes:
        return b"%d:%s\n" % (self._take_number(), base64.b64encode(content))

    def _binary(self, content: bytes) -> bytes:
        return _BINARY_HEADER.pack(self._take_number(), len(content)) + content

    def _take_number(self) -> int:
        number = self.next
        self.next += 1
        return number
