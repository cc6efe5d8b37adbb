# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A proxy that tunnels (CONNECT) to one place, whatever it is asked for, and writes down for what it was asked."""

from __future__ import annotations

import socket
import threading
import types

from tests.listening import Listening


class ConnectProxy:
    """Listens on 127.0.0.1 as long as the ``with`` block lasts."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self.asked: list[str] = []
        self._listening = Listening(self._tunnel)
        self.url = f"http://127.0.0.1:{self._listening.port}"

    def __enter__(self) -> ConnectProxy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: types.TracebackType | None) -> None:
        self._listening.close()

    def _tunnel(self, client: socket.socket) -> None:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += client.recv(4096)
        self.asked.append(request.split()[1].decode())
        server = socket.create_connection(self._target)
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        threading.Thread(target=_pump, args=(server, client), daemon=True).start()
        _pump(client, server)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
