# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the controller for a download session, and send through it what the terminal is too slow for.

A terminal's output reaches the controller with 0.6 MB/s, a NonInteractiveCommands session's with twenty times that, but such a
session has no input. So its command (``courier.py``) connects to a socket here and is given what to write. Everything sent that way
says its position in the request's stream, and is kept until the controller has confirmed it: a download session can break at any
moment, and what it lost is sent again through the next one, or through the terminal.
"""

import binascii
import json
import os
import selectors
import socket
import struct
import sys

from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program import wire
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.outlet import Outlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

    class Surroundings(t.Protocol):
        """What a download session needs of the program."""

        def send(self, kind: int, request: int, body: bytes, flags: int = 0) -> int:
            """Queue a frame to the controller."""

        def watch(self, pipe: t.Any, events: int, callback: t.Any) -> None:
            """Have a callback called when a pipe is ready; no events: not any more."""


# Bytes through the terminal that take it more than a second; a session takes a quarter of one to start.
LARGE = 1024 * 1024
CREDENTIALS = struct.Struct("iII")

# In one module of a package's name, which is all that the courier imports.
SCRIPT = """import sys, types
package = sys.modules[%r] = types.ModuleType("package")
for name, source in %r:
    module = types.ModuleType(name)
    setattr(package, name, module)
    exec(compile(source, name, "exec"), module.__dict__)
package.courier.run(SOCKET, 1)
"""


class Download:
    """The node's side of download sessions, of which there is one at a time.

    :param sources: the program's files by name, of which the courier is sent its own.
    """

    def __init__(self, program: "Surroundings", sources: "t.Dict[str, str]") -> None:
        self.program = program
        package = wire.__name__.rpartition(".")[0]
        self.courier = (SCRIPT % (package, [(name, sources[name]) for name in ("wire", "courier")])).encode()
        #: Without abstract sockets there would have to be one in a folder.
        self.refused = not sys.platform.startswith("linux") or not sys.executable
        self.name = b""
        self.listening = None  # type: t.Optional[socket.socket]
        self.connection = None  # type: t.Optional[socket.socket]
        self.outlet = None  # type: t.Optional[Outlet]

    def ask(self) -> None:
        """Ask for a session unless that was done, or refused."""
        if self.refused or self.name:
            return
        self.name = binascii.hexlify(os.urandom(16))
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(b"\0" + self.name)
        self.listening.listen(1)
        self.listening.setblocking(False)
        self.program.watch(self.listening, selectors.EVENT_READ, self.accept)
        told = {"socket": self.name.decode(), "python": sys.executable}
        self.program.send(wire.DOWNLOAD, 0, json.dumps(told).encode())

    def accept(self) -> None:
        """Take a courier that comes, if it is one of the user that we are: in no file system nothing else guards the socket."""
        if self.listening is None:
            return
        connection, _address = self.listening.accept()
        size = CREDENTIALS.size
        _pid, user, _group = CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        if user != os.geteuid() or self.connection is not None:
            connection.close()
            return
        self.stop_listening()
        connection.setblocking(False)
        self.connection = connection
        self.outlet = Outlet(connection.fileno())
        self.outlet.put(b"%08d" % len(self.courier) + self.courier)
        self.step()

    def send(self, kind: int, request: int, body: bytes, flags: int) -> None:
        """Queue a frame."""
        if self.outlet is not None:
            content = wire.HEADER.pack(kind, flags, request) + body
            self.outlet.put(wire.NUMBER.pack(len(content)) + content)

    def step(self) -> bool:
        """Write what the courier takes just now, and look whether it is still there; return whether who was held back may go on."""
        if self.outlet is None:
            return False
        try:
            made_room = self.outlet.write()
        except OSError:
            self.lose()
            return True
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.outlet.queue else 0)
        self.program.watch(self.connection, events, self.ready)
        return made_room

    def ready(self) -> None:
        """Act on the courier's socket: it never says anything, so something to read is its end."""
        try:
            if self.connection is not None and self.connection.recv(1) == b"":
                self.lose()
                return
        except BlockingIOError:
            pass
        except OSError:
            self.lose()
            return
        self.step()

    def lost(self, name: bytes, for_good: bool) -> None:
        """Take the controller's word that a session is lost, or that there will be none."""
        if name == self.name:
            self.lose()
            self.refused = self.refused or for_good

    def lose(self) -> None:
        """Forget the session; whoever needs one asks for another."""
        self.stop_listening()
        if self.connection is not None:
            self.program.watch(self.connection, 0, None)
            self.connection.close()
        self.connection = self.outlet = None
        self.name = b""

    def stop_listening(self) -> None:
        """Take no courier any more."""
        if self.listening is not None:
            self.program.watch(self.listening, 0, None)
            self.listening.close()
            self.listening = None
