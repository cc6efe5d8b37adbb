# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all requests have in common: credit both ways, the way their output takes, and how they fail."""

import collections
import errno
import json

from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program import wire
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.download import LARGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

    from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.download import Download
    from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.outlet import Outlet
    from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.warm import Templates
    from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.watchman import Watchman

    class Surroundings(t.Protocol):
        """What a request needs of the program."""

        environment: t.Dict[bytes, bytes]
        requests: t.Dict[int, "Request"]
        abandoned: t.List[t.Any]
        terminal: Outlet

        @property
        def download(self) -> Download:
            """The way for much output."""

        @property
        def watchman(self) -> Watchman:
            """Who cleans up when the program is killed."""

        @property
        def templates(self) -> Templates:
            """The warm interpreters."""

        def send(self, kind: int, request: int, body: bytes, flags: int = 0) -> int:
            """Queue a frame to the controller; return the bytes that takes of the terminal."""

        def watch(self, pipe: t.Any, events: int, callback: t.Any) -> None:
            """Have a callback called when a pipe is ready; no events: not any more."""


SEND_AHEAD = 1024 * 1024
PLACED_AHEAD = 4 * SEND_AHEAD
STREAMS = (wire.STDOUT, wire.STDERR, wire.DATA)

Placed = collections.namedtuple("Placed", "kind position body flags")
"""A frame and its position in the request's stream."""

Part = collections.namedtuple("Part", "content cost last")
"""A part of the incoming stream; ``cost`` is what it took of the controller's credit."""


class Request:
    """One command or transfer. Subclasses handle what arrives for it."""

    def __init__(self, program: "Surroundings", number: int) -> None:
        self.program = program
        self.number = number
        self.uncredited = 0
        self.unconfirmed = 0
        self.position = 0
        self.confirmed_position = 0
        self.through_terminal = 0
        #: since a download session has been there, what must be sent again should it break
        self.kept = None  # type: t.Optional[t.Deque[Placed]]
        self.given = 0
        self.given_to = b""

    def send(self, kind: int, body: bytes, flags: int = 0) -> None:
        """Send a frame for this request."""
        if self.kept is None and kind in STREAMS and self.is_large() and self.program.download.outlet is not None:
            self.kept = collections.deque()
        frame = Placed(kind, self.position, body, flags)
        if kind in STREAMS:
            self.position += len(body)
            self.unconfirmed += len(body)
        if self.kept is None:
            self.through_terminal += self.program.send(kind, self.number, body, flags)
        else:
            self.kept.append(frame)
            self.pass_on()

    def is_large(self) -> bool:
        """Say whether this is worth a download session, and ask for one when it is."""
        if self.through_terminal < LARGE:
            return False
        self.program.download.ask()
        return True

    def pass_on(self) -> None:
        """Give what is kept to the download session, or to the terminal while there is none."""
        if self.kept is None:
            return
        download = self.program.download
        download.ask()
        if self.given_to != download.name:
            # Whatever the one before was given may be lost.
            self.given_to, self.given = download.name, 0
        while self.given < len(self.kept) and self.has_room():
            kind, position, body, flags = self.kept[self.given]
            send = self.program.send if download.outlet is None else download.send
            send(kind, self.number, wire.POSITION.pack(position) + body, flags | wire.PLACED)
            self.given += 1

    def has_room(self) -> bool:
        """Return whether what output goes through takes more."""
        outlet = self.program.terminal if self.kept is None else self.program.download.outlet or self.program.terminal
        return not outlet.is_full()

    def may_send(self) -> bool:
        """Return whether the controller keeps up and there is room for more."""
        if self.kept is None:
            return self.unconfirmed < SEND_AHEAD and self.has_room()
        self.pass_on()
        return self.unconfirmed < PLACED_AHEAD and self.given == len(self.kept) and self.has_room()

    def confirmed(self, count: int) -> None:
        """Take the controller's word that it has worked off so many bytes."""
        self.unconfirmed -= count
        self.confirmed_position += count
        while self.kept and self.kept[0].position + len(self.kept[0].body) <= self.confirmed_position:
            if self.kept[0].kind not in STREAMS:
                break
            self.kept.popleft()
            self.given = max(0, self.given - 1)

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
        self.program.send(wire.FAIL, self.number, json.dumps({"code": code, "message": message, "path": path}).encode())
        self.forget()

    def end(self) -> None:
        """Forget the request, once nothing of it can be lost any more."""
        if self.kept:
            self.program.requests[self.number] = Remainder(self)
        else:
            self.forget()

    def forget(self) -> None:
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
        self.forget()

    def step(self, now: float) -> "t.Optional[float]":
        """Do what is due; return when to be called again at the latest."""


class Remainder(Request):
    """What is left of a request that is over: the end of its output, until the controller says that it has it."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.program, request.number)
        self.position, self.unconfirmed = request.position, request.unconfirmed
        self.confirmed_position = request.confirmed_position
        self.kept, self.given, self.given_to = request.kept, request.given, request.given_to

    def step(self, now: float) -> "t.Optional[float]":
        """Send what there was no room for, and again what was lost."""
        self.pass_on()
        return None
