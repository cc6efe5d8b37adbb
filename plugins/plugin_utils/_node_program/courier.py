# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry frames from the node program to the standard output of a download session: what that session runs.

The node program sends this file, with ``wire.py``, to the few words of Python that the session was started with
(``_session/download.py``), and then frames, each behind its length. It gives up when either side is gone.
"""

import os
import socket

from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

# Written when there is nothing to carry, so that the controller can tell a quiet session from a dead one.
SIGN_OF_LIFE = b"\n"
QUIET_SECONDS = 2.0


def run(source: "socket.socket", standard_output: int) -> None:
    """Carry until the node program hangs up."""
    source.settimeout(QUIET_SECONDS)
    buffer = bytearray()
    while True:
        try:
            data = source.recv(256 * 1024)
        except socket.timeout:
            os.write(standard_output, SIGN_OF_LIFE)
            continue
        except OSError:
            return
        if not data:
            return
        buffer += data
        for content in frames(buffer):
            write(standard_output, packed(content))


def packed(content: bytes) -> bytes:
    """Return the line of a frame, its body compressed, fast, where that is of use."""
    kind, flags, request = wire.HEADER.unpack_from(content)
    body = wire.compressed(content[wire.HEADER.size :], 1)
    return wire.line(content if body is None else wire.HEADER.pack(kind, flags | wire.COMPRESSED, request) + body)


def frames(buffer: bytearray) -> "t.Iterator[bytes]":
    """Take the whole frames out of a buffer."""
    at = 0
    while len(buffer) - at >= wire.NUMBER.size:
        begin = at + wire.NUMBER.size
        end = begin + wire.NUMBER.unpack_from(buffer, at)[0]
        if end > len(buffer):
            break
        yield bytes(buffer[begin:end])
        at = end
    del buffer[:at]


def write(descriptor: int, data: bytes) -> None:
    """Write all of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
