# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS's endpoints as an unsigned request meets with them, and a proxy that wants a password, in a machine's network."""

from __future__ import annotations

import email.utils
import http.server
import socket
import ssl
import threading
import time
import types
import typing as t

REGION = "us-east-1"
NAMES = tuple(f"{service}.{REGION}.amazonaws.com" for service in ("ssm", "ssmmessages", "ec2messages", "s3"))

# Services answer 404 to a GET that names no operation, and 403 to a websocket that is not signed; both bear a request's id.
_NO_OPERATION, _NOT_SIGNED = 404, 403


class Endpoints:
    """Answers on a listening socket, in threads, as long as the ``with`` block lasts; without a TLS context it is the proxy."""

    def __init__(self, listening: socket.socket, context: ssl.SSLContext | None = None) -> None:
        self.seconds_ahead = 0.0
        """By how much the clock there, which the header Date tells, is ahead of this computer's."""
        self._server = _Server(listening, context, self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Endpoints:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: types.TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(http.server.ThreadingHTTPServer):
    def __init__(self, listening: socket.socket, context: ssl.SSLContext | None, endpoints: Endpoints) -> None:
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        if context is not None:
            self.socket = context.wrap_socket(listening, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True)
        self.endpoints = endpoints

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """Say nothing of clients that hang up or do not trust us; those are tests."""


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(_NOT_SIGNED if self.headers.get("Upgrade") else _NO_OPERATION, "x-amzn-RequestId")

    def do_CONNECT(self) -> None:
        self._answer(407, "Proxy-Authenticate")

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Give what the header Date says."""
        server = t.cast(_Server, self.server)
        return email.utils.formatdate((timestamp or time.time()) + server.endpoints.seconds_ahead, usegmt=True)

    def log_message(self, *args: t.Any) -> None:
        pass

    def _answer(self, status: int, header: str) -> None:
        self.send_response(status)
        self.send_header(header, "Basic" if status == 407 else "8f3d2c1a-0000-4000-8000-000000000000")
        self.send_header("Content-Length", "0")
        self.end_headers()
