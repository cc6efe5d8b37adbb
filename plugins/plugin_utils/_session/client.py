# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talk to the broker from a worker, and start it when there is none.

Blocking, as Ansible's workers are. Nothing here touches AWS: a forked worker on macOS must not.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import pathlib
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import requests
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import (
    BY_NAME,
    BrokerBroken,
    FileMissing,
    NodeUnreachable,
    SessionFailure,
    TransferFailed,
)

_BROKER = "ansible_collections.fleet.ssm.plugins.plugin_utils._session.broker"
_BACKLOG = 512
_PR_SET_PDEATHSIG = 1

Message = tuple[requests.Header, bytes]


def runtime_folder() -> pathlib.Path:
    """Return the folder of this user's broker sockets; made when missing, refused when somebody else could look in."""
    # Not below HOME, which may be read-only or too long: a socket's path has at most 103 characters.
    folder = pathlib.Path(tempfile.gettempdir(), f"fleet.ssm-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise BrokerBroken(
            f"{folder} belongs to somebody else or is open to others. Remove it, or set TMPDIR to a folder of your own."
        )
    return folder


def end_with_controller(controller: int) -> None:
    """Have the kernel end this worker when its controller is killed; it would wait for a task nobody wants any more."""
    if sys.platform != "linux" or os.getppid() != controller:
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != controller:
        os.kill(os.getpid(), signal.SIGKILL)


class BrokerClient:
    """A connection to the broker of one controller run.

    :param controller: process id of ansible-playbook; its end is the broker's end.
    """

    def __init__(self, controller: int) -> None:
        self._controller = controller
        self._socket: socket.socket | None = None

    def execute(self, node: dict[str, t.Any], command: str, stdin: bytes, *, warm: bool = False) -> tuple[int, bytes, bytes]:
        """Run a command; return exit code, stdout and stderr."""
        output: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        for header, body in self._ask({"operation": "execute", "node": node, "command": command, "warm": warm}, stdin):
            if header["event"] == "exit":
                return header["code"], b"".join(output["stdout"]), b"".join(output["stderr"])
            output[header["event"]].append(body)
        raise BrokerBroken("the broker's answer had no exit code")

    def put(self, node: dict[str, t.Any], source: str, path: str) -> None:
        """Send a local file."""
        try:
            with pathlib.Path(source).open("rb") as file:
                digest = hashlib.sha256()
                size = 0
                while block := file.read(requests.BLOCK):
                    digest.update(block)
                    size += len(block)
                file.seek(0)
                request = {"operation": "put", "node": node, "path": path, "size": size, "sha256": digest.hexdigest()}
                for _message in self._ask(request, b"", self._blocks(file, size)):
                    pass
        except FileNotFoundError as error:
            raise FileMissing(f"{source} does not exist on the controller") from error
        except OSError as error:
            raise TransferFailed(f"{source} cannot be read: {error.strerror}") from error

    def get(self, node: dict[str, t.Any], path: str, target: str) -> None:
        """Fetch a file; it gets its name when it is whole."""
        destination = pathlib.Path(target)
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{destination.name[:64]}.", dir=destination.parent)
            temporary = pathlib.Path(name)
            try:
                self._receive(node, path, descriptor)
                mask = os.umask(0)
                os.umask(mask)
                temporary.chmod(0o666 & ~mask)
                temporary.replace(destination)
            except BaseException:
                temporary.unlink()
                raise
        except OSError as error:
            raise TransferFailed(f"{target} cannot be written on the controller: {error.strerror}") from error

    def reset(self, node: dict[str, t.Any]) -> None:
        """End the node's session, if there is one."""
        if self._connect_existing() is not None:
            for _message in self._ask({"operation": "reset", "node": node}):
                pass

    def figures(self) -> dict[str, dict[str, int]]:
        """Return what went on so far, by node id; nothing when no broker runs."""
        if self._connect_existing() is None:
            return {}
        for header, _body in self._ask({"operation": "figures"}):
            return dict(header["figures"])
        return {}

    def close(self) -> None:
        """Hang up; the broker drops what this worker had under way, and keeps the sessions."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # -- conversation -------------------------------------------------------------------------------------------------

    def _ask(self, header: requests.Header, body: bytes = b"", more: t.Iterable[bytes] = ()) -> t.Iterator[Message]:
        """Send a request and yield what is answered, up to its end."""
        connection = self._connect()
        ended = False
        try:
            connection.sendall(requests.encode(header, body))
            for block in more:
                connection.sendall(block)
            while not ended:
                answer, content = self._read(connection)
                ended = answer["event"] in ("exit", "done", "failed")
                if answer["event"] == "failed":
                    raise BY_NAME.get(answer["failure"], SessionFailure)(answer["text"])
                if answer["event"] != "alive":
                    yield answer, content
        except (ConnectionError, EOFError, TimeoutError) as error:
            raise NodeUnreachable(
                f"the broker, which holds the sessions, has gone ({type(error).__name__}). What was under way may or may not have"
                f" been carried out; the next task starts a new broker.{self._last_words()}"
            ) from error
        finally:
            if not ended:
                # The answer was not read to its end, so this conversation cannot go on.
                self.close()

    def _blocks(self, file: t.BinaryIO, size: int) -> t.Iterator[bytes]:
        while size > 0:
            block = file.read(min(size, requests.BLOCK))
            if not block:
                raise TransferFailed(f"{file.name} became shorter while it was sent")
            size -= len(block)
            yield block

    def _receive(self, node: dict[str, t.Any], path: str, descriptor: int) -> None:
        digest = hashlib.sha256()
        with open(descriptor, "wb") as file:
            for header, body in self._ask({"operation": "get", "node": node, "path": path}):
                if header["event"] == "done":
                    if header["sha256"] != digest.hexdigest():
                        raise TransferFailed(f"{path} arrived with another SHA-256 than it was sent with")
                    return
                digest.update(body)
                file.write(body)

    @staticmethod
    def _read(connection: socket.socket) -> Message:
        lengths = requests.LENGTHS.unpack(_read_exactly(connection, requests.LENGTHS.size))
        header = requests.decode_header(_read_exactly(connection, lengths[0]))
        return header, _read_exactly(connection, lengths[1])

    # -- finding and starting the broker ------------------------------------------------------------------------------

    @property
    def _path(self) -> pathlib.Path:
        return runtime_folder() / f"{self._controller}.sock"

    def _connect(self) -> socket.socket:
        """Return a connection; start the broker when there is none."""
        if self._socket is not None or self._connect_existing() is not None:
            return t.cast(socket.socket, self._socket)
        path = self._path
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            connection = self._connect_existing()
            if connection is None:
                start_broker(path, self._controller)
                connection = self._connect_existing()
        if connection is None:
            raise BrokerBroken(f"the broker could not be started.{self._last_words()}")
        return connection

    def _connect_existing(self) -> socket.socket | None:
        if self._socket is None:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(requests.SILENCE_SECONDS)
            try:
                connection.connect(str(self._path))
            except (FileNotFoundError, ConnectionRefusedError):
                connection.close()
                return None
            self._socket = connection
        return self._socket

    def _last_words(self) -> str:
        try:
            text = self._path.with_suffix(".log").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""
        return f" Its last words: {text[-2000:]}" if text else ""


def start_broker(path: pathlib.Path, controller: int) -> None:
    """Start the broker of a controller run, listening at a path; it can be connected to when this returns."""
    _sweep(path.parent)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listening, path.with_suffix(".log").open("wb") as log:
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(_BACKLOG)
        subprocess.Popen(
            [sys.executable, "-m", _BROKER, str(path), str(controller), str(listening.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(_import_path())},
            pass_fds=[listening.fileno()],
            start_new_session=True,
        )


def _sweep(folder: pathlib.Path) -> None:
    """Remove what brokers that were killed left behind: those whose controller is gone too."""
    for leftover in folder.iterdir():
        if leftover.stem.isdigit() and not _is_alive(int(leftover.stem)):
            leftover.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _import_path() -> list[str]:
    """Return where the broker finds what this process finds; Ansible finds collections in folders of its own."""
    folders = [pathlib.Path(folder) for folder in getattr(sys.modules.get("ansible_collections"), "__path__", [])]
    # Only ours: ansible-core has one inside its own package, whose neighbours would hide modules of the standard library.
    ours = [str(folder.parent) for folder in folders if folder.joinpath("fleet", "ssm").exists()]
    return [folder for folder in dict.fromkeys([*sys.path, *ours]) if folder]


def _read_exactly(connection: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        received = connection.recv(min(count - len(data), 1024 * 1024))
        if not received:
            raise EOFError("the broker hung up")
        data += received
    return bytes(data)
