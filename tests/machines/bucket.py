# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The buckets from which AWS hands out agents, served over TLS under their real names, and broken on demand."""

from __future__ import annotations

import dataclasses
import http
import http.server
import pathlib
import socket
import socketserver
import threading
import types
import typing as t

from tests.emulator.certificates import Certificates

# The names a machine's hosts file leads to us.
NAMES = (
    "s3.amazonaws.com",
    "s3.us-east-1.amazonaws.com",
    "amazon-ssm-us-east-1.s3.us-east-1.amazonaws.com",
    "s3.cn-north-1.amazonaws.com.cn",
    "ssm.us-east-1.amazonaws.com",
    "amazoncloudwatch-agent-us-east-1.s3.us-east-1.amazonaws.com",
)

Post = t.Callable[[str, bytes], tuple[int, bytes]]


@dataclasses.dataclass
class Content:
    """What there is, by path, and what goes wrong; tests change it while it is served."""

    files: dict[str, bytes] = dataclasses.field(default_factory=dict)
    # The length after which a transfer is cut, by path.
    cut: dict[str, int] = dataclasses.field(default_factory=dict)
    # What is answered instead of a file that is there.
    refused: dict[str, http.HTTPStatus] = dataclasses.field(default_factory=dict)
    # What answers POST: from the host and the body to a status and a body.
    post: Post | None = None
    asked: list[str] = dataclasses.field(default_factory=list)

    def tamper(self, path: str) -> None:
        """Change a byte in the middle of a file."""
        content = bytearray(self.files[path])
        content[len(content) // 2] ^= 1
        self.files[path] = bytes(content)

    def heal(self, files: dict[str, bytes]) -> None:
        """Have these files again, and nothing broken."""
        self.files = dict(files)
        self.cut.clear()
        self.refused.clear()
        self.asked.clear()


class Bucket:
    """Serves a content on a listening socket, in a thread, as long as the ``with`` block lasts."""

    def __init__(self, listening: socket.socket, folder: pathlib.Path, names: tuple[str, ...] = NAMES) -> None:
        self.content = Content()
        certificates = Certificates(folder, names)
        self.authority = certificates.authority.read_text(encoding="ascii")
        self._server = _Server(listening, self.content)
        self._server.socket = certificates.server_context().wrap_socket(
            listening, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True
        )
        self.port: int = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Bucket:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: types.TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True

    def __init__(self, listening: socket.socket, content: Content) -> None:
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.server_address = listening.getsockname()
        self.content = content

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """Say nothing of clients that hang up or do not trust us; those are tests."""


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = self._content()
        content.asked.append(self.path)
        status = content.refused.get(self.path) or (http.HTTPStatus.OK if self.path in content.files else http.HTTPStatus.NOT_FOUND)
        body = content.files[self.path] if status is http.HTTPStatus.OK else f"<Code>{status.phrase}</Code>".encode()
        self._answer(status, body, content.cut.get(self.path, len(body)))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        post = self._content().post
        status, answer = post(self.headers["Host"], body) if post else (http.HTTPStatus.NOT_FOUND, b"")
        self._answer(status, answer, len(answer))

    def log_message(self, *args: t.Any) -> None:
        pass

    def _content(self) -> Content:
        server = t.cast(_Server, self.server)
        return server.content

    def _answer(self, status: int, body: bytes, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:length])
