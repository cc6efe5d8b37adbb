# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all requests have in common: credit both ways, and how they fail."""

import collections
import errno
import json

from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

    from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.warm import Templates
    from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.watchman import Watchman

    class Surroundings(t.Protocol):
        """What a request needs of the program."""

        environment: t.Dict[bytes, bytes]
        requests: t.Dict[int, "Request"]
        abandoned: t.List[t.Any]
        outbox_bytes: int

        @property
        def watchman(self) -> Watchman:
            """Who cleans up when the program is killed."""

        @property
        def templates(self) -> Templates:
            """The warm interpreters."""

        def send(self, kind: int, request: int, body: bytes, flags: int = 0) -> None:
            """Queue a frame to the controller."""

        def watch(self, pipe: t.Any, events: int, callback: t.Any) -> None:
            """Have a callback called when a pipe is ready; no events: not any more."""


OUTBOX_LIMIT = 256 * 1024
SEND_AHEAD = 1024 * 1024

Part = collections.namedtuple("Part", "content cost last")
"""A part of the incoming stream; ``cost`` is what it took of the controller's credit."""


class Request:
    """One command or transfer. Subclasses handle what arrives for it."""

    def __init__(self, program: "Surroundings", number: int) -> None:
        self.program = program
        self.number = number
        self.uncredited = 0
        self.unconfirmed = 0

    def send(self, kind: int, body: bytes, flags: int = 0) -> None:
        """Send a frame for this request."""
        self.unconfirmed += len(body)
        self.program.send(kind, self.number, body, flags)

    def may_send(self) -> bool:
        """Return whether the controller keeps up and the terminal takes more."""
        return self.unconfirmed < SEND_AHEAD and self.program.outbox_bytes < OUTBOX_LIMIT

    def confirmed(self, count: int) -> None:
        """Take the controller's word that it has worked off so many bytes."""
        self.unconfirmed -= count

    def credit(self) -> None:
        """Tell the controller that it may send as much again as it did."""
        if self.uncredited:
            self.program.send(wire.CREDIT, self.number, str(self.uncredited).encode())
            self.uncredited = 0

    def fail(self, error: Exception) -> None:
        """Report an error and forget the request."""
        code = errno.errorcode.get(getattr(error, "errno", None) or 0, "")
        message = getattr(error, "strerror", None) or str(error)
        path = getattr(error, "filename", None)
        if isinstance(path, bytes):
            path = path.decode("utf-8", "surrogateescape")
        self.send(wire.FAIL, json.dumps({"code": code, "message": message, "path": path}).encode())
        self.end()

    def end(self) -> None:
        """Forget the request."""
        self.program.requests.pop(self.number, None)

    def begin(self, part: Part) -> None:
        """Take what came with the request itself."""
        if part.cost or part.last:
            self.data(part)

    def data(self, part: Part) -> None:
        """Take a part of the incoming stream."""

    def cancel(self) -> None:
        """Stop: nobody waits for the result any more."""
        self.end()

    def step(self, now: float) -> "t.Optional[float]":
        """Do what is due; return when to be called again at the latest."""
