# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a shell is to do for one request, and what is known of the bytes that go with it. Pure."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import re

from ansible_collections.fleet.ssm.plugins.plugin_utils._session.cksum import Cksum
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Kind

PART = 512 * 1024
"""Bytes of a stream that go to the node in one piece: each takes two round trips."""


class Refused(Exception):
    """The request cannot be done: a code as FAIL frames have it, and a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Damaged(Refused):
    """What came is not what was sent; the node has it, and must drop it."""

    def __init__(self, message: str) -> None:
        super().__init__("EIO", message)


@dataclasses.dataclass(slots=True)
class Job:
    """One request; ``parts`` are those of its stream that have not been said, with what each costs of the sender's credit."""

    request: int
    kind: int
    order: bytes
    flags: int
    ended: bool
    parts: collections.deque[tuple[bytes, int]]
    begun: bool = False
    cancelled: bool = False
    unconfirmed: int = 0
    held: bool = False

    @property
    def path(self) -> str | None:
        """What it is about, unless it is a command."""
        return None if self.kind == Kind.EXEC else str(json.loads(self.order)["path"])

    def next_parts(self) -> tuple[bytes, int]:
        """Return the beginning of its stream, as much as goes in one piece, and how many parts that is."""
        data, count = b"", 0
        while count < len(self.parts) and len(data) < PART:
            data += self.parts[count][0]
            count += 1
        return data, count

    @property
    def content(self) -> bytes:
        """What has come of its stream and was not said yet."""
        return b"".join(part for part, _cost in self.parts)


class Content:
    """What is known of bytes that were sent or received, in the words of any checker."""

    def __init__(self) -> None:
        self.size = 0
        self.sha256 = hashlib.sha256()
        self._cksum = Cksum()

    def update(self, data: bytes) -> None:
        """Take more of them."""
        self.size += len(data)
        self.sha256.update(data)
        self._cksum.update(data)

    def matches(self, checker: str, told: str) -> bool:
        """Return whether the node's checker printed what it must; ``-`` is what is said of that which cannot be read again."""
        # Behind it comes the name of what was read, for lack of one a dash.
        return told == "-" or re.match(rf"\s*{self._expected(checker)[1]}\b", told) is not None

    def check(self, checker: str, told: str) -> None:
        """Raise when it did not."""
        if not self.matches(checker, told):
            name, expected = self._expected(checker)
            raise Damaged(f"{name} of the received file is {told.rstrip(' -')}, not {expected}")

    def _expected(self, checker: str) -> tuple[str, str]:
        return {
            "cksum": ("Checksum and size", f"{self._cksum.value()} {self.size}"),
            "wc": ("Size", str(self.size)),
        }.get(checker, ("SHA-256", self.sha256.hexdigest()))


class CommandOutput:
    """One stream of a command, up to the mark."""

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._held = b""
        self._over = False

    def feed(self, data: bytes) -> bytes:
        """Take data and return what certainly belongs to the command."""
        if self._over:
            return b""
        self._held += data
        at = self._held.find(self._mark)
        self._over = at >= 0
        kept = at if self._over else max(0, len(self._held) - len(self._mark) + 1)
        told, self._held = self._held[:kept], self._held[kept:]
        return told

    def close(self) -> bytes:
        """Return what was held back and turned out to be no mark."""
        return b"" if self._over else self._held
