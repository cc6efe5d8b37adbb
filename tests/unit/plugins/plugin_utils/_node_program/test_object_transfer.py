# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that moves a file between a node and S3: on every Python at hand, against a server of a few lines."""

from __future__ import annotations

import collections.abc
import hashlib
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.s3_route import _READ_PROGRAM, _program

from tests.unit.interpreters import interpreters

_CONTENT = os.urandom(1_000_000)
_REFUSAL = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"


class _Handler(http.server.BaseHTTPRequestHandler):
    """Knows /content, takes what is put, and refuses the rest as S3 does."""

    server: _Server

    def do_GET(self) -> None:
        time.sleep(self.server.slowness)
        found = self.path.startswith("/content?")
        self._answer(200 if found else 403, _CONTENT if found else _REFUSAL)

    def do_PUT(self) -> None:
        self.server.put = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.headers = dict(self.headers.items())
        self._answer(200, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: t.Any) -> None:  # noqa: A002
        """Say nothing."""


class _Server(http.server.ThreadingHTTPServer):
    slowness = 0.0
    put = b""
    headers: dict[str, str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def server() -> collections.abc.Iterator[_Server]:
    """A server of its own for each test."""
    with _Server(("127.0.0.1", 0), _Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def _start(order: dict[str, t.Any], python: str = sys.executable) -> subprocess.Popen[bytes]:
    program = _program()
    process = subprocess.Popen(
        [python, "-I", "-S", "-c", _READ_PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(b"%d\n" % len(program) + program + json.dumps(order).encode())
    process.stdin.close()
    return process


def _run(order: dict[str, t.Any], python: str = sys.executable) -> dict[str, t.Any]:
    with _start(order, python) as process:
        assert process.stdout is not None
        told: dict[str, t.Any] = json.loads(process.stdout.read())
        return told


def _collect(server: _Server, path: pathlib.Path, page: str = "/content?secret", **more: t.Any) -> dict[str, t.Any]:
    digest = hashlib.sha256(_CONTENT).hexdigest()
    about = {"path": str(path), "size": len(_CONTENT), "sha256": digest}
    return {"action": "collect", "url": server.url + page, "headers": {}, **about, **more}


@pytest.mark.parametrize("python", sorted(set(interpreters())))
def test_a_file_goes_both_ways_on(server: _Server, tmp_path: pathlib.Path, python: str) -> None:
    facts = {"size": len(_CONTENT), "sha256": hashlib.sha256(_CONTENT).hexdigest()}
    target = tmp_path / "file"
    target.touch(0o640)
    assert _run(_collect(server, target), python) == facts
    assert target.read_bytes() == _CONTENT
    assert target.stat().st_mode & 0o777 == 0o640
    order = {"action": "store", "url": f"{server.url}/put?secret", "headers": {"x-amz-server-side-encryption": "AES256"}}
    assert _run({**order, "path": str(target)}, python) == facts
    assert server.put == _CONTENT
    assert server.headers is not None
    assert {name.lower(): value for name, value in server.headers.items()}["x-amz-server-side-encryption"] == "AES256"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_with_another_digest_leaves_nothing(server: _Server, tmp_path: pathlib.Path) -> None:
    assert "SHA-256 of the received file is" in _run(_collect(server, tmp_path / "file", sha256="0" * 64))["failed"]
    assert list(tmp_path.iterdir()) == []


def test_a_file_for_which_there_is_no_room_is_not_even_asked_for(server: _Server, tmp_path: pathlib.Path) -> None:
    told = _run(_collect(server, tmp_path / "file", size=10**18))
    assert told["code"] == "ENOSPC"
    assert f"{10**18} bytes needed" in told["failed"]
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_of_s3_is_told_without_the_url(server: _Server, tmp_path: pathlib.Path) -> None:
    told = _run(_collect(server, tmp_path / "file", page="/expired?secret"))
    assert told["failed"] == "S3 answered the node with status 403 (AccessDenied: Request has expired)"
    assert list(tmp_path.iterdir()) == []


def test_a_server_out_of_reach_is_named_without_the_url(server: _Server, tmp_path: pathlib.Path) -> None:
    told = _run(_collect(server, tmp_path / "file", url="http://127.0.0.1:1/content?secret"))
    assert told["failed"].startswith("the node cannot reach 127.0.0.1:1: ")
    assert "secret" not in told["failed"]


@pytest.mark.parametrize(("path", "code"), [("/nowhere", "ENOENT"), ("/dev", "EISDIR"), ("/dev/zero", "EINVAL")])
def test_what_cannot_be_read_is_told(server: _Server, path: str, code: str) -> None:
    assert _run({"action": "store", "url": f"{server.url}/put", "headers": {}, "path": path})["code"] == code


def test_the_url_is_neither_in_arguments_nor_in_the_environment_and_a_hang_up_leaves_nothing(
    server: _Server, tmp_path: pathlib.Path
) -> None:
    server.slowness = 1.0
    with _start(_collect(server, tmp_path / "file")) as process:
        while not list(tmp_path.iterdir()):
            time.sleep(0.01)
        for name in ("cmdline", "environ"):
            assert b"secret" not in pathlib.Path("/proc", str(process.pid), name).read_bytes()
        process.send_signal(1)
        assert process.wait(10) == 1
    assert list(tmp_path.iterdir()) == []
