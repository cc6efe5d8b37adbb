# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node program as nodes run it: on every Python at hand, commands, files, credit and trouble."""

from __future__ import annotations

import ast
import collections.abc
import hashlib
import json
import os
import pathlib
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import time

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program import execution, request, wire
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import bundle, frames, parcels, pieces
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.cutting import Segment
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Frame, Kind

from tests.unit.interpreters import interpreters

_SOURCES = pathlib.Path(wire.__file__).parent


def _parcel(frame: Frame) -> bytes:
    """Return a frame in one binary parcel, the second one of a session."""
    content = frames.encode(frame)
    return struct.pack(">xIH", 1, len(content)) + content


class Node:
    """A running node program behind two pipes."""

    def __init__(self, folder: pathlib.Path, interpreter: str = sys.executable, **environment: str) -> None:
        self.newest = 0
        self.ledger = pieces.PieceLedger()
        self.parcels = parcels.ParcelWriter()
        self.decoder = frames.Decoder()
        self.process = subprocess.Popen(
            [interpreter, "-I", "-S", "-c", bundle.text()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A module that is killed leaves its temporary folder behind.
            env={"HOME": str(folder), "PATH": os.environ["PATH"], "TMPDIR": str(folder), **environment},
            bufsize=0,
        )
        self.greeting = self.next()

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def send(self, kind: Kind, request: int, order: bytes, stream: bytes = b"", *, last: bool = True) -> None:
        """Open a request."""
        recipe = self.ledger.recipe([Segment((stream,))] if stream else [])
        self.write(Frame(kind, request, pieces.number(len(order)) + order + recipe, last))

    def write(self, frame: Frame) -> None:
        """Send a frame."""
        self.newest = max(self.newest, frame.request)
        assert self.process.stdin is not None
        for parcel in self.parcels.write(frames.encode(frame), armoured=False):
            data = parcel
            while data:
                data = data[self.process.stdin.write(data) :]

    def next(self, seconds: float = 30.0) -> Frame:
        """Return the next frame."""
        assert self.process.stdout is not None
        if not hasattr(self, "_found"):
            self._found: list[Frame] = []
        deadline = time.monotonic() + seconds
        while not self._found:
            assert select.select([self.process.stdout], [], [], deadline - time.monotonic())[0], "the node program says nothing"
            data = self.process.stdout.read(65536)
            assert data, "the node program has ended"
            self._found += [found for found in self.decoder.feed(data) if isinstance(found, Frame)]
        return self._found.pop(0)

    def is_silent(self, seconds: float) -> bool:
        """Return whether nothing comes for so long."""
        assert self.process.stdout is not None
        return not self._found and not select.select([self.process.stdout], [], [], seconds)[0]

    def run(self, command: bytes, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        """Run a command to its end."""
        request = self.newest + 1
        self.send(Kind.EXEC, request, command, stdin)
        return self.outcome(request)

    def outcome(self, request: int) -> tuple[int, bytes, bytes]:
        """Wait for a command's exit code, output and errors: one frame has them all when it is short and the machine not slow."""
        output = {Kind.STDOUT: b"", Kind.STDERR: b""}
        while True:
            frame = self.next()
            if frame.request != request:
                continue
            if frame.kind == Kind.RESULT:
                code, length = int.from_bytes(frame.body[:4], "big"), int.from_bytes(frame.body[4:8], "big")
                return code, frame.body[8 : 8 + length], frame.body[8 + length :]
            if frame.kind == Kind.EXIT:
                return int.from_bytes(frame.body, "big"), output[Kind.STDOUT], output[Kind.STDERR]
            if frame.kind in output:
                output[Kind(frame.kind)] += frame.body
                self.write(Frame(Kind.CREDIT, request, str(len(frame.body)).encode()))

    def refusal(self) -> dict[str, str]:
        """Return what a FAIL frame says."""
        frame = self.next()
        assert frame.kind == Kind.FAIL, frame
        told: dict[str, str] = json.loads(frame.body)
        return told


@pytest.fixture
def node(tmp_path: pathlib.Path) -> collections.abc.Iterator[Node]:
    """A node program on this Python."""
    with Node(tmp_path) as running:
        yield running


@pytest.mark.parametrize("source", sorted(_SOURCES.glob("*.py")), ids=lambda path: path.stem)
def test_the_program_is_python_3_6(source: pathlib.Path) -> None:
    ast.parse(source.read_text(encoding="utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize("interpreter", list(interpreters()))
def test_commands_and_files_work_on(interpreter: str, tmp_path: pathlib.Path) -> None:
    with Node(tmp_path, interpreter) as running:
        greeting = json.loads(running.greeting.body)
        version = subprocess.run([interpreter, "-V"], capture_output=True, check=True).stdout.decode().split()[1]
        assert greeting["python"] == version.rstrip("+")
        assert running.run(b"cat; echo error >&2; exit 3", b"input") == (3, b"input", b"error\n")
        target = tmp_path / "file"
        running.send(Kind.PUT, 2, json.dumps({"path": str(target), "size": 4}).encode(), b"data")
        assert json.loads(running.next().body)["sha256"] == hashlib.sha256(b"data").hexdigest()
        running.send(Kind.GET, 3, json.dumps({"path": str(target)}).encode())
        assert [running.next().body, json.loads(running.next().body)["size"]] == [b"data", 4]


# -- commands ---------------------------------------------------------------------------------------------------------


def test_the_greeting_tells_who_and_what(node: Node) -> None:
    greeting = json.loads(node.greeting.body)
    assert (node.greeting.kind, node.greeting.request) == (Kind.HELLO, 0)
    assert greeting["uid"] == os.geteuid()


def test_a_command_works_in_the_home_folder_without_our_environment(tmp_path: pathlib.Path) -> None:
    with Node(tmp_path, TERM="xterm", LANG="C") as running:
        code, out, _err = running.run(b"pwd; echo $LANG ${TERM:-none}")
    assert (code, out) == (0, f"{tmp_path}\nC none\n".encode())


def test_a_home_folder_that_does_not_exist_is_no_trouble(tmp_path: pathlib.Path) -> None:
    with Node(tmp_path / "missing") as running:
        assert running.run(b"pwd") == (0, b"/\n", b"")


def test_a_signal_becomes_the_shells_exit_code(node: Node) -> None:
    assert node.run(b"kill -TERM $$")[0] == 143


def test_much_output_comes_in_parts_and_waits_for_credit(node: Node) -> None:
    size = 3 * request.SEND_AHEAD
    node.send(Kind.EXEC, 1, f"head -c {size} /dev/zero".encode())
    received = 0
    while received < request.SEND_AHEAD:
        received += len(node.next().body)
    while not node.is_silent(0.5):
        received += len(node.next().body)
    assert request.SEND_AHEAD <= received <= request.SEND_AHEAD + 8 * execution.PIECE
    node.write(Frame(Kind.CREDIT, 1, str(received).encode()))
    assert node.next().kind == Kind.STDOUT


def test_slow_output_is_not_kept_back(node: Node) -> None:
    node.send(Kind.EXEC, 1, b"echo first; sleep 5")
    assert node.next(2.0) == Frame(Kind.STDOUT, 1, b"first\n")


def test_input_is_credited_as_it_is_worked_off(node: Node) -> None:
    node.send(Kind.EXEC, 1, b"sleep 0.2; cat >/dev/null; echo done", last=False)
    node.write(Frame(Kind.DATA, 1, pieces.PieceLedger().recipe([Segment((bytes(300_000),), passing=True)]), False))
    frame = node.next()
    assert frame.kind == Kind.CREDIT
    assert int(frame.body) > 300_000
    node.write(Frame(Kind.DATA, 1, b"", True))
    assert node.next().body[8:] == b"done\n"


def test_a_command_that_does_not_read_its_input_ends_all_the_same(node: Node) -> None:
    node.send(Kind.EXEC, 1, b"exec <&-; sleep 0.1; exit 4", bytes(500_000))
    while (frame := node.next()).kind == Kind.CREDIT:
        pass
    assert frame.body[:4] == b"\0\0\0\x04"


def test_a_process_left_in_the_background_does_not_keep_the_command_open(node: Node) -> None:
    began = time.monotonic()
    assert node.run(b"sleep 30 & echo started")[:2] == (0, b"started\n")
    assert time.monotonic() - began < 3.0


def test_output_of_the_background_is_taken_for_a_moment_and_not_for_ever(node: Node) -> None:
    began = time.monotonic()
    code, out, _err = node.run(b"(while :; do echo x; sleep 0.1; done) & exit 5")
    assert code == 5
    assert out.startswith(b"x\n")
    assert time.monotonic() - began < execution.LINGER_AT_MOST + 2.0


def test_a_cancelled_command_is_hung_up_on_with_its_children(node: Node, tmp_path: pathlib.Path) -> None:
    node.send(Kind.EXEC, 1, f"sleep 77 & echo $! > {tmp_path}/pid; echo started; wait".encode())
    node.next()
    node.write(Frame(Kind.CANCEL, 1))
    assert node.run(b"true")[0] == 0
    pid = int((tmp_path / "pid").read_text(encoding="utf-8"))
    deadline = time.monotonic() + 3
    while _is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _is_running(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_commands_run_side_by_side(node: Node) -> None:
    node.send(Kind.EXEC, 1, b"sleep 1; echo slow")
    node.send(Kind.EXEC, 2, b"echo quick")
    assert [node.next().request, node.next().request] == [2, 1]


def test_a_request_id_in_use_is_not_opened_again(node: Node) -> None:
    node.send(Kind.EXEC, 1, b"sleep 0.3; echo first")
    node.send(Kind.EXEC, 1, b"echo second")
    assert node.next().body[8:] == b"first\n"
    assert node.is_silent(0.3)


def test_a_request_that_has_ended_is_not_carried_out_again(node: Node, tmp_path: pathlib.Path) -> None:
    mark = f"echo x >> {tmp_path}/marks".encode()
    assert node.run(mark)[0] == 0
    node.send(Kind.EXEC, 1, mark)
    (tmp_path / "file").write_bytes(b"changed since")
    node.send(Kind.PUT, 1, json.dumps({"path": str(tmp_path / "file"), "size": 4}).encode(), b"data")
    assert node.run(b"cat file marks") == (0, b"changed sincex\n", b"")
    assert node.is_silent(0.2)


def test_pieces_for_a_request_that_has_ended_are_remembered(node: Node) -> None:
    node.send(Kind.EXEC, 1, b"exec true", last=False)
    node.next()
    piece = bytes(range(256))
    node.write(Frame(Kind.DATA, 1, node.ledger.recipe([Segment((piece,))])))
    assert node.run(b"cat", piece) == (0, piece, b"")
    assert node.ledger.saved == 256


# -- files ------------------------------------------------------------------------------------------------------------


def _put(node: Node, path: pathlib.Path | str, data: bytes, **more: object) -> None:
    order = {"path": str(path), "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), **more}
    node.send(Kind.PUT, node.newest + 1, json.dumps(order).encode(), data)


def test_a_file_has_the_usual_mode_and_an_existing_one_keeps_its_own(node: Node, tmp_path: pathlib.Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    old.write_bytes(b"before")
    old.chmod(0o751)
    for path in (new, old):
        _put(node, path, b"after")
        assert node.next().kind == Kind.DONE
        assert path.read_bytes() == b"after"
    mask = os.umask(0)
    os.umask(mask)
    assert new.stat().st_mode & 0o7777 == 0o666 & ~mask
    assert old.stat().st_mode & 0o7777 == 0o751


def test_a_link_stays_and_its_target_is_written(node: Node, tmp_path: pathlib.Path) -> None:
    (tmp_path / "target").write_bytes(b"before")
    (tmp_path / "link").symlink_to("target")
    _put(node, tmp_path / "link", b"after")
    assert node.next().kind == Kind.DONE
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"after"


def test_a_device_is_written_to_and_stays_a_device(node: Node) -> None:
    _put(node, "/dev/null", b"data")
    assert node.next().kind == Kind.DONE
    assert pathlib.Path("/dev/null").is_char_device()


def test_a_file_that_arrives_damaged_changes_nothing(node: Node, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_bytes(b"before")
    _put(node, tmp_path / "file", b"after", sha256="0" * 64)
    assert "SHA-256" in node.refusal()["message"]
    assert (tmp_path / "file").read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_unfinished_file_leaves_nothing(node: Node, tmp_path: pathlib.Path) -> None:
    order = json.dumps({"path": str(tmp_path / "file"), "size": 10}).encode()
    node.send(Kind.PUT, 5, order, b"some", last=False)
    node.run(b"true")
    assert len(list(tmp_path.iterdir())) == 1
    node.write(Frame(Kind.CANCEL, 5))
    node.run(b"true")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("end", [signal.SIGHUP, signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_the_session_leaves_no_unfinished_file_and_no_command(
    node: Node, tmp_path: pathlib.Path, end: signal.Signals
) -> None:
    node.send(Kind.PUT, 5, json.dumps({"path": str(tmp_path / "file"), "size": 10}).encode(), b"some", last=False)
    node.send(Kind.EXEC, 6, f"echo $$ > {tmp_path}/pid; exec sleep 88".encode())
    deadline = time.monotonic() + 5
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text(encoding="utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    pid = int((tmp_path / "pid").read_text(encoding="utf-8"))
    node.process.send_signal(end)
    node.process.wait(5)
    deadline = time.monotonic() + 5
    while _is_running(pid) or len(list(tmp_path.iterdir())) > 1:
        assert time.monotonic() < deadline, list(tmp_path.iterdir())
        time.sleep(0.01)
    assert [path.name for path in tmp_path.iterdir()] == ["pid"]


def test_what_ended_before_the_session_did_is_left_alone(node: Node, tmp_path: pathlib.Path) -> None:
    (_code, background, _error) = node.run(b"sleep 88 >/dev/null 2>&1 & echo $!")
    _put(node, str(tmp_path / "file"), b"data")
    assert node.next().kind == Kind.DONE
    node.process.kill()
    node.process.wait(5)
    time.sleep(0.3)
    assert _is_running(int(background))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    os.kill(int(background), signal.SIGKILL)


@pytest.mark.parametrize(
    ("path", "code"), [("/nowhere/file", "ENOENT"), ("/", "EISDIR"), ("/dev/null/file", "ENOTDIR"), ("/proc/file", "ENOENT")]
)
def test_a_place_that_cannot_be_written_to_is_named(node: Node, path: str, code: str) -> None:
    _put(node, path, b"data")
    told = node.refusal()
    assert (told["code"], told["path"]) == (code, path)


def test_more_than_there_is_room_for_is_refused_before_it_is_sent(node: Node, tmp_path: pathlib.Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    order = {"path": str(tmp_path / "file"), "size": free * 10}
    node.send(Kind.PUT, 5, json.dumps(order).encode(), last=False)
    told = node.refusal()
    assert told["code"] == "ENOSPC"
    assert f"{free * 10} bytes needed" in told["message"]
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile_fails_the_transfer(node: Node) -> None:
    _put(node, "/dev/full", b"data")
    assert node.refusal()["code"] == "ENOSPC"


def test_a_disk_that_fills_up_half_way_leaves_nothing_of_the_file(node: Node, tmp_path: pathlib.Path) -> None:
    # The kernel refuses to write on, as it does when a disk is full; how much room there is does not show it beforehand.
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    node.send(Kind.PUT, 5, json.dumps({"path": str(tmp_path / "file"), "size": 3_000_000}).encode(), last=False)
    for _block in range(30):
        node.write(Frame(Kind.DATA, 5, node.ledger.recipe([Segment((os.urandom(50_000),), passing=True)])))
    while (frame := node.next()).kind == Kind.CREDIT:
        pass
    assert json.loads(frame.body)["code"] == "EFBIG"
    assert list(tmp_path.iterdir()) == []
    assert node.run(b"echo still here")[1] == b"still here\n"


def test_a_large_file_is_read_as_it_is_credited(node: Node, tmp_path: pathlib.Path) -> None:
    # Not worth a download session, as it is small once it is compressed.
    data = b"a line like any other\n" * (3 * request.SEND_AHEAD // 22)
    (tmp_path / "file").write_bytes(data)
    node.send(Kind.GET, 5, json.dumps({"path": str(tmp_path / "file")}).encode())
    assert node.next().kind == Kind.SIZE
    received = b""
    while (frame := node.next()).kind == Kind.DATA:
        received += frame.body
        node.write(Frame(Kind.CREDIT, 5, str(len(frame.body)).encode()))
    assert received == data
    assert json.loads(frame.body) == {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@pytest.mark.parametrize(("path", "code"), [("/nowhere", "ENOENT"), ("/dev", "EINVAL"), ("/dev/zero", "EINVAL"), ("a\0b", "")])
def test_what_cannot_be_read_is_refused(node: Node, path: str, code: str) -> None:
    node.send(Kind.GET, 5, json.dumps({"path": path}).encode())
    assert node.refusal()["code"] == code


def test_a_named_pipe_does_not_stop_everything(node: Node, tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    node.send(Kind.GET, 5, json.dumps({"path": str(tmp_path / "pipe")}).encode())
    assert node.refusal()["message"] == "Not a regular file"


def test_a_delivery_can_be_cancelled(node: Node, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_bytes(bytes(3 * request.SEND_AHEAD))
    node.send(Kind.GET, 5, json.dumps({"path": str(tmp_path / "file")}).encode())
    node.next()
    node.write(Frame(Kind.CANCEL, 5))
    node.send(Kind.EXEC, 6, b"echo here")
    while (frame := node.next()).request == 5:
        pass
    assert frame.body[8:] == b"here\n"


def test_names_in_any_bytes_are_kept(node: Node, tmp_path: pathlib.Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\xc3\xa9"
    order = {"path": path.decode("utf-8", "surrogateescape"), "size": 1}
    node.send(Kind.PUT, 5, json.dumps(order).encode(), b"x")
    assert node.next().kind == Kind.DONE
    assert os.listdir(os.fsencode(tmp_path)) == [b"\xff\xc3\xa9"]  # noqa: PTH208


@pytest.mark.parametrize("order", [b"", b"[]", b"null", b"{}", b'{"path": 5}', b'{"path": "x", "size": [1]}', b"[" * 100_000])
@pytest.mark.parametrize("kind", [Kind.PUT, Kind.GET])
def test_an_order_that_is_none_fails_alone(node: Node, kind: Kind, order: bytes) -> None:
    node.send(kind, 5, order)
    assert node.refusal()["message"]
    assert node.run(b"echo here")[:2] == (0, b"here\n")


# -- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rubbish",
    [
        b"0:####\n",
        b"0://///////////////////w==\n",
        b"0:AAAABkFB\n1:QUFBQUFBQUFBQQ==\n",
        b"x" * 70_000,
        b"9" * 5000 + b":\n",
        struct.pack(">xIH", 0, 60_000),
        _parcel(Frame(Kind.CREDIT, 1, b"-1")),
        _parcel(Frame(Kind.EXEC, 2, b"\x80" * 300)),
        _parcel(Frame(Kind.EXEC, 2, b"\x00\x00\x09x")),
        _parcel(Frame(Kind.DATA, 1, b"\x01\x05")),
    ],
)
def test_rubbish_ends_the_program_with_a_word_to_the_controller(node: Node, rubbish: bytes) -> None:
    assert node.process.stdin is not None
    if rubbish[0] == 0:
        node.send(Kind.EXEC, 1, b"sleep 5", last=False)
    node.process.stdin.write(rubbish)
    assert node.refusal()["code"] == "PROTOCOL"
    assert node.process.wait(5) == 3


def test_the_program_ends_with_its_input(node: Node) -> None:
    assert node.process.stdin is not None
    node.process.stdin.close()
    assert node.process.wait(5) == 0


def test_a_reader_that_takes_everything_at_once_gets_everything(tmp_path: pathlib.Path) -> None:
    # More than is queued at most and less than is sent before the controller has confirmed some.
    content = os.urandom(900_000)
    (tmp_path / "large").write_bytes(content)
    order = json.dumps({"path": str(tmp_path / "large")}).encode()
    get = Frame(Kind.GET, 1, pieces.number(len(order)) + order, last=True)
    output = tmp_path / "output"
    with output.open("wb") as written:
        node = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", bundle.text()],
            stdin=subprocess.PIPE,
            stdout=written,
            env={"PATH": os.environ["PATH"]},
        )
    assert node.stdin is not None
    try:
        for parcel in parcels.ParcelWriter().write(frames.encode(get), armoured=False):
            node.stdin.write(parcel)
        node.stdin.flush()
        deadline = time.monotonic() + 20
        while b"".join(frame.body for frame in _sent(output) if frame.kind == Kind.DATA) != content:
            assert time.monotonic() < deadline, "the node program has stopped in the middle"
            time.sleep(0.1)
    finally:
        node.stdin.close()
        node.wait(10)


def _sent(output: pathlib.Path) -> list[Frame]:
    return [found for found in frames.Decoder().feed(output.read_bytes()) if isinstance(found, Frame)]
