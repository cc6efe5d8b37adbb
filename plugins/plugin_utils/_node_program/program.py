# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run commands and move files on a managed node: the program that a session starts there.

It is sent to the node as text (``_session/bundle.py``) and lives in memory only, so the files of this folder use the standard
library and each other, and Python 3.6 is enough. The other side is ``_session/node.py``.

Frames come in on file descriptor 0 and go out on 1, which are a terminal in raw mode that the agent reads; ``wire.py`` has their
form.
"""

import errno
import json
import os
import pwd
import selectors
import signal
import sys
import termios
import time

from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program import wire
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.download import Download
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.execution import Execution
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.outlet import Outlet
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.request import Part, Request
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.transfer import Delivery, Reception
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.warm import Templates
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.watchman import Watchman

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t


class Program:
    """The loop over the terminal, the commands' pipes and the clock."""

    def __init__(self, sources: "t.Dict[str, str]") -> None:
        self.watchman = Watchman()
        self.templates = Templates(self, sources["template"])
        self.download = Download(self, sources)
        self.selector = selectors.DefaultSelector()
        self.decoder = wire.Decoder()
        self.pieces = wire.Pieces()
        self.newest = 0
        self.requests = {}  # type: t.Dict[int, Request]
        self.abandoned = []  # type: t.List[t.Any]
        self.terminal = Outlet(1)
        self.environment = {name: value for name, value in os.environb.items() if name != b"TERM"}
        self.stopping = False

    def watch(self, pipe: "t.Any", events: int, callback: "t.Any") -> None:
        """Have a callback called when a pipe is ready; no events: not any more."""
        try:
            known = self.selector.get_key(pipe)
        except (KeyError, ValueError):
            if events:
                self.selector.register(pipe, events, callback)
            return
        if not events:
            self.selector.unregister(pipe)
        elif known.events != events:
            self.selector.modify(pipe, events, callback)

    def send(self, kind: int, request: int, body: bytes, flags: int = 0) -> int:
        """Queue a frame to the controller; return the bytes that takes of the terminal."""
        line = wire.armour(kind, request, body, flags)
        self.terminal.put(line)
        return len(line)

    def read(self) -> None:
        """Take input and act on its frames."""
        try:
            data = os.read(0, 256 * 1024)
        except BlockingIOError:
            return
        if not data:
            self.stopping = True
        self.take(data)

    def take(self, data: bytes) -> None:
        """Act on the frames that some input completes."""
        for kind, flags, number, body in self.decoder.feed(data):
            self.handle(kind, flags, number, body)

    def handle(self, kind: int, flags: int, number: int, body: bytes) -> None:
        """Act on one frame."""
        request = self.requests.get(number)
        if kind in OPENING:
            length, at = wire.read_number(body, 0)
            order, at = wire.slice_of(body, at, length)
            # Also for a request that was here before: its pieces must be remembered.
            part = Part(wire.expand(body[at:], self.pieces), len(body) - at, bool(flags & wire.LAST))
            # Whatever came twice, nothing is done twice: ids are given in order.
            if number > self.newest:
                self.newest = number
                self.open(kind, flags, number, order, part)
        elif kind == wire.DATA:
            part = Part(wire.expand(body, self.pieces), len(body), bool(flags & wire.LAST))
            if request is not None:
                request.data(part)
        elif kind == wire.DOWNLOAD:
            self.download.lost(body, bool(flags & wire.LAST))
        elif request is None:
            return
        elif kind == wire.CREDIT:
            request.confirmed(wire.count(body))
        elif kind == wire.CANCEL:
            request.cancel()

    def open(self, kind: int, flags: int, number: int, order: bytes, part: Part) -> None:
        """Begin a request."""
        try:
            self.requests[number] = OPENING[kind](self, number, order, flags)
            self.requests[number].begin(part)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            # The last four: an order that is none.
            self.requests.get(number, Request(self, number)).fail(error)

    def step(self) -> "t.Optional[float]":
        """Let every request do what is due; return the seconds until the next one is."""
        now = time.monotonic()
        due = [request.step(now) for request in list(self.requests.values())]
        due.append(self.templates.step(now))
        self.abandoned = [process for process in self.abandoned if process.poll() is None]
        waits = [moment for moment in due if moment is not None]
        return max(0.0, min(waits) - now) if waits else None

    def run(self, received: bytes, parcels: int) -> None:
        """Serve until the terminal is gone."""
        wake_read, wake_write = os.pipe()
        for descriptor in (0, 1, wake_read, wake_write):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(wake_write)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGHUP, self.stop)
        signal.signal(signal.SIGTERM, self.stop)
        self.watch(0, selectors.EVENT_READ, self.read)
        self.watch(wake_read, selectors.EVENT_READ, lambda: os.read(wake_read, 4096))
        self.send(wire.HELLO, 0, json.dumps(facts()).encode())
        self.decoder.parcels.expected = parcels
        self.take(received)
        try:
            while not self.stopping:
                timeout = self.step()
                # Nothing would wake who was held back: where all was written there is nothing to wait for.
                made_room = self.terminal.write()
                if self.download.step() or made_room:
                    continue
                self.watch(1, selectors.EVENT_WRITE if self.terminal.queue else 0, self.terminal.write)
                for key, _events in self.selector.select(timeout):
                    key.data()
        finally:
            for request in list(self.requests.values()):
                request.cancel()
            self.templates.close()

    def stop(self, *_: "t.Any") -> None:
        """Leave at the next turn."""
        self.stopping = True


def facts() -> "t.Dict[str, t.Any]":
    """Return what the controller wants to know of this side."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    return {"python": "%d.%d.%d" % sys.version_info[:3], "user": user, "uid": os.geteuid()}


OPENING = {
    wire.EXEC: Execution,
    wire.PUT: lambda program, number, order, _flags: Reception(program, number, order),
    wire.GET: lambda program, number, order, _flags: Delivery(program, number, order),
}  # type: t.Dict[int, t.Callable[[Program, int, bytes, int], Request]]


def go_home() -> None:
    """Work where a login would: the agent starts sessions in its own folder."""
    for folder in (os.environ.get("HOME"), "/"):
        try:
            os.chdir(folder or "/")
        except OSError:
            continue
        return


def make_raw() -> None:
    """Make the terminal 8-bit clean, should ``stty`` have been missing."""
    try:
        mode = termios.tcgetattr(0)
    except termios.error:
        return
    mode[0] = mode[1] = 0
    mode[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    mode[2] = mode[2] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
    termios.tcsetattr(0, termios.TCSANOW, mode)


def main(sources: "t.Dict[str, str]", received: bytes = b"", parcels: int = 0) -> None:
    """Serve this session.

    :param sources: the program's files by name, for what it starts itself.
    :param received: what the first stage has read beyond this program, and how many parcels the program itself was.
    """
    make_raw()
    go_home()
    try:
        Program(sources).run(received, parcels)
    except wire.ProtocolError as error:
        os.set_blocking(1, True)
        told = {"code": "PROTOCOL", "message": str(error), "path": None}
        os.write(1, wire.armour(wire.FAIL, 0, json.dumps(told).encode()))
        sys.exit(3)
    except OSError as error:
        # The terminal is gone with the session.
        sys.exit(0 if error.errno in (errno.EIO, errno.EPIPE) else 4)
