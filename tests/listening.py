# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A port of this machine that is served by a thread for each connection, and by nobody any more once it is closed."""

from __future__ import annotations

import contextlib
import socket
import threading
import typing as t


class Listening:
    """Listens on 127.0.0.1 from the start until it is closed."""

    def __init__(self, serve: t.Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop to listen, with nobody left who waits for a connection.

        Closing alone ends no accept() under way. Interrupted, that one would go on with whatever has the socket's number by then,
        and take the connections of another server.
        """
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = self._socket.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
