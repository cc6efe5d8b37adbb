# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Download sessions on the node: asked for when there is much, used when the right user's courier comes, lost and replaced."""

from __future__ import annotations

import collections.abc
import contextlib
import hashlib
import json
import os
import pathlib
import select
import socket
import subprocess
import sys
import time
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program import download
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import frames
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.download import courier_command
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Frame, Kind

from tests.unit.interpreters import interpreters
from tests.unit.plugins.plugin_utils._node_program.test_program import Node as PlainNode

_LARGE = os.urandom(3 * download.LARGE)


class Node(PlainNode):
    """A program of which it is remembered what came before it asked for a download session."""

    def __init__(self, folder: pathlib.Path, interpreter: str = sys.executable) -> None:
        super().__init__(folder, interpreter)
        self.home = folder
        self.early: list[Frame] = []

    def __enter__(self) -> Node:
        return self

    def read_ahead(self) -> list[Frame]:
        """Return the frames that came together with the last one."""
        found, self._found = self._found, []
        return found


@pytest.fixture(params=sorted(set(interpreters())), ids=lambda path: path)
def any_node(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> collections.abc.Iterator[Node]:
    """A program on each Python."""
    with Node(tmp_path, request.param) as running:
        yield running


@pytest.fixture
def node(tmp_path: pathlib.Path) -> collections.abc.Iterator[Node]:
    """A program on this Python."""
    with Node(tmp_path) as running:
        yield running


class Courier:
    """A download session's command, which the agent would run; connected, when this returns."""

    def __init__(self, asked: Frame, **settings: str) -> None:
        wanted = json.loads(asked.body)
        self.decoder = frames.Decoder()
        self.process = subprocess.Popen(
            courier_command(wanted["python"], wanted["socket"]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            **settings,  # type: ignore[call-overload]
        )

        while not self._is_connected(wanted["socket"]):
            assert self.process.poll() is None
            time.sleep(0.01)

    @staticmethod
    def _is_connected(name: str) -> bool:
        sockets = pathlib.Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace").splitlines()
        return any(line.endswith(f"@{name}") and line.split()[5] == "03" for line in sockets)

    def __enter__(self) -> Courier:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def _get(node: Node, folder: pathlib.Path, content: bytes) -> Frame:
    """Have a file fetched; return what the program asks for."""
    (folder / "file").write_bytes(content)
    node.send(Kind.GET, 5, json.dumps({"path": str(folder / "file")}).encode())
    while (frame := node.next()).kind != Kind.DOWNLOAD:
        node.early.append(frame)
    return frame


class _Stream:
    """A request's stream as the controller puts it together, whichever way its frames come."""

    def __init__(self, node: Node, courier: Courier | None = None) -> None:
        self.node = node
        self.courier = courier
        self.content = b""
        self.end: Frame | None = None
        self.by_courier = 0
        self.ahead: dict[int, Frame] = {}
        for frame in [*node.early, *node.read_ahead()]:
            self.take(frame)

    def take(self, frame: Frame) -> None:
        if frame.kind in (Kind.DOWNLOAD, Kind.HELLO, Kind.SIZE):
            return
        self.ahead[len(self.content) if frame.position is None else frame.position] = frame
        while (following := self.ahead.pop(len(self.content), None)) is not None:
            if following.kind not in (Kind.DATA, Kind.STDOUT, Kind.STDERR):
                self.end = following
                return
            self.content += following.body
            self.node.write(Frame(Kind.CREDIT, following.request, str(len(following.body)).encode()))

    def until_asked(self) -> Frame:
        """Receive by the terminal until the program asks for a download session; return its words."""
        while (frame := self.node.next()).kind != Kind.DOWNLOAD:
            self.take(frame)
        for following in self.node.read_ahead():
            self.take(following)
        return frame

    def receive(self, at_least: int | None = None, seconds: float = 20) -> None:
        """Receive until the end, or until there is so much."""
        deadline = time.monotonic() + seconds
        ends: list[Node | Courier] = [self.node, *([self.courier] if self.courier is not None else [])]
        sources = [(end.process.stdout, end.decoder) for end in ends if end.process.stdout is not None]
        while self.end is None and (at_least is None or len(self.content) < at_least):
            assert time.monotonic() < deadline, f"no more than {len(self.content)} bytes came"
            ready = select.select([pipe for pipe, _decoder in sources], [], [], 0.1)[0]
            for pipe, decoder in sources:
                if pipe in ready:
                    for found in decoder.feed(pipe.read(65536)):
                        assert isinstance(found, Frame)
                        self.by_courier += decoder is not self.node.decoder
                        self.take(found)


def _is_whole(stream: _Stream, content: bytes) -> bool:
    assert stream.end is not None
    told = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return stream.content == content and json.loads(stream.end.body) == told


def test_a_large_file_comes_by_the_courier_on_every_python(any_node: Node, tmp_path: pathlib.Path) -> None:
    with Courier(_get(any_node, tmp_path, _LARGE)) as courier:
        stream = _Stream(any_node, courier)
        stream.receive()
        assert _is_whole(stream, _LARGE)
        assert stream.by_courier > 10


def test_what_comes_after_a_download_session_was_refused_comes_by_the_terminal(node: Node, tmp_path: pathlib.Path) -> None:
    asked = _get(node, tmp_path, _LARGE)
    name = json.loads(asked.body)["socket"]
    node.write(Frame(Kind.DOWNLOAD, 0, name.encode(), last=True))
    stream = _Stream(node)
    stream.receive()
    assert _is_whole(stream, _LARGE)
    with pytest.raises(ConnectionRefusedError), socket.socket(socket.AF_UNIX) as late:
        late.connect(b"\0" + name.encode())


@pytest.mark.parametrize("told", [True, False])
def test_a_lost_courier_is_replaced_and_nothing_is_lost_with_it(node: Node, tmp_path: pathlib.Path, told: bool) -> None:
    asked = _get(node, tmp_path, _LARGE)
    with Courier(asked) as courier:
        stream = _Stream(node, courier)
        stream.receive(at_least=download.LARGE)
        if told:
            node.write(Frame(Kind.DOWNLOAD, 0, json.loads(asked.body)["socket"].encode()))
    # What the courier had and nobody read is gone.
    with Courier(stream.until_asked()) as courier:
        stream.courier, stream.by_courier = courier, 0
        stream.receive()
        assert _is_whole(stream, _LARGE)
        assert stream.by_courier > 10


def test_the_end_is_kept_until_the_controller_has_it(node: Node, tmp_path: pathlib.Path) -> None:
    with Courier(_get(node, tmp_path, _LARGE)) as courier:
        stream = _Stream(node, courier)
        stream.receive(at_least=len(_LARGE))
        # The program has sent its last frame by now; this courier dies with it.
        time.sleep(0.3)
    stream.end = None
    stream.ahead.clear()
    with Courier(stream.until_asked()) as courier:
        stream.courier = courier
        stream.receive()
        assert _is_whole(stream, _LARGE)
        node.write(Frame(Kind.CANCEL, 5))
        assert node.run(b"echo on")[1] == b"on\n"


def test_much_output_of_a_command_goes_over_to_the_courier_in_order(node: Node) -> None:
    node.send(Kind.EXEC, 5, b"openssl rand 6000000 | base64 -w 0 > ~/much; cat ~/much; echo end >&2; exit 3")
    stream = _Stream(node)
    with Courier(stream.until_asked()) as courier:
        stream.courier = courier
        stream.receive()
        assert stream.end is not None
        assert (stream.end.kind, stream.end.body) == (Kind.EXIT, b"\0\0\0\3")
        assert stream.content.replace(b"end\n", b"") == (pathlib.Path(node.home, "much").read_bytes())
        assert stream.by_courier > 10


def test_a_small_file_and_one_that_gets_small_ask_for_nothing(node: Node, tmp_path: pathlib.Path) -> None:
    for request, content in enumerate((os.urandom(download.LARGE // 2), bytes(3 * download.LARGE)), start=5):
        (tmp_path / "file").write_bytes(content)
        node.send(Kind.GET, request, json.dumps({"path": str(tmp_path / "file")}).encode())
        stream = _Stream(node)
        node.early.clear()
        while stream.end is None:
            frame = node.next()
            assert frame.kind != Kind.DOWNLOAD
            stream.take(frame)
        assert _is_whole(stream, content)


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root, to come as another user")
def test_another_users_courier_gets_nothing(node: Node, tmp_path: pathlib.Path) -> None:
    asked = _get(node, tmp_path, _LARGE)
    with socket.socket(socket.AF_UNIX) as stranger, contextlib.ExitStack() as stack:
        os.seteuid(65534)
        stack.callback(os.seteuid, 0)
        stranger.connect(b"\0" + json.loads(asked.body)["socket"].encode())
        stranger.settimeout(5)
        assert stranger.recv(1) == b""


def test_a_courier_with_nothing_to_carry_gives_signs_of_life(node: Node, tmp_path: pathlib.Path) -> None:
    with Courier(_get(node, tmp_path, _LARGE)) as courier:
        stream = _Stream(node, courier)
        stream.receive()
        assert courier.process.stdout is not None
        assert select.select([courier.process.stdout], [], [], 4)[0]
        assert courier.process.stdout.read(100) == b"\n"


def test_couriers_end_with_the_program(node: Node, tmp_path: pathlib.Path) -> None:
    with Courier(_get(node, tmp_path, _LARGE)) as courier:
        stream = _Stream(node, courier)
        stream.receive(at_least=download.LARGE)
        node.process.kill()
        assert courier.process.stdout is not None
        while courier.process.stdout.read(65536):
            pass
        assert courier.process.wait(5) == 0


def test_a_program_without_abstract_sockets_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert download.Download(t.cast("t.Any", None), {"wire": "", "courier": ""}).refused
