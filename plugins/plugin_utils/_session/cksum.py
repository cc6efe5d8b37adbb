# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute what the program ``cksum`` of POSIX prints, for nodes that have nothing better to check files with.

Pure. Its CRC-32 reads each byte from the other end than zlib's does, and counts the length in; with the bits turned round, zlib
computes it as fast as its own.
"""

from __future__ import annotations

import zlib

_TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Cksum:
    """The checksum of a stream."""

    def __init__(self) -> None:
        self._crc = 0xFFFFFFFF
        self._size = 0

    def update(self, data: bytes) -> None:
        """Take more of the stream."""
        self._crc = zlib.crc32(data.translate(_TURNED), self._crc)
        self._size += len(data)

    def value(self) -> int:
        """Return the checksum."""
        length = self._size.to_bytes((self._size.bit_length() + 7) // 8, "little")
        return int(f"{zlib.crc32(length.translate(_TURNED), self._crc):032b}"[::-1], 2)
