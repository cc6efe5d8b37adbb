# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the agent does to the output of a shell on its way out (agent/session/shell/shell.go, processStdoutData).

It decodes UTF-8 as it goes: up to three trailing bytes that are no whole character are held back until more comes, and lost when
nothing does. A literal U+FFFD, which Go cannot tell from a decoding error, leaves only its first byte. Other invalid bytes pass.
"""

from __future__ import annotations

_REPLACEMENT = "\ufffd".encode()
_LONGEST = 4


class Utf8Filter:
    """The state between two reads of a terminal."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return what is passed on."""
        data = self._held + data
        if data.isascii():
            self._held = b""
            return data
        out = bytearray()
        at = 0
        while at < len(data):
            width = _width(data[at : at + _LONGEST])
            if width == 0 and len(data) - at < _LONGEST:
                break
            character = data[at : at + max(width, 1)]
            # The agent writes one byte for every decoding error, and takes a real U+FFFD for one while skipping all of it.
            out += character[:1] if character == _REPLACEMENT else character
            at += max(width, 1)
        self._held = data[at:]
        return bytes(out)


def _width(data: bytes) -> int:
    """Return the bytes of the UTF-8 character at the start, 0 when there is no valid one."""
    for width in range(1, len(data) + 1):
        try:
            data[:width].decode()
        except UnicodeDecodeError:
            continue
        return width
    return 0
