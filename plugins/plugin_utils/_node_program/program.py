# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run commands and move files on a managed node: the program that a session starts there.

It is sent to the node as text and lives in memory only, so this file is all of it: the standard library, Python 3.6 or newer,
nothing of this collection. The other side is ``_session/frames.py``, ``_session/pieces.py`` and ``_session/node.py``.

Frames come in on file descriptor 0 and go out on 1, which are a terminal in raw mode that the agent reads. What goes out is
ASCII, a line a frame, because the agent passes all output through a UTF-8 filter. What comes in is a stream of frames in numbered
parcels, because the agent may write a parcel twice; ``_session/parcels.py`` has their layout.

======================  =====================================================================
``<`` base64 ``\\n``      a frame to the controller: content, CRC-32
length, …               a frame to the node: 4 byte length of the content, content, CRC-32
content                 kind, flags (1 body is compressed, 2 last of its stream), 4 byte request id, body
======================  =====================================================================
"""

import base64
import binascii
import collections
import contextlib
import errno
import functools
import hashlib
import json
import os
import pwd
import selectors
import signal
import stat
import struct
import subprocess
import sys
import termios
import time
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

VERSION = 1
EXEC, DATA, PUT, GET, CANCEL, CREDIT = 1, 2, 3, 4, 5, 6
HELLO, STDOUT, STDERR, EXIT, RESULT, DONE, FAIL = 32, 33, 34, 35, 36, 37, 38
COMPRESSED, LAST = 1, 2
LITERAL, REFERENCE, REMEMBER, BASE64_BEGIN, BASE64_END, FORGET = range(6)

PIECE = 32 * 1024
OUTBOX_LIMIT = 256 * 1024
SEND_AHEAD = 1024 * 1024
DRAINED = 256 * 1024
SHORT_RESULT = 64 * 1024
FLUSH_AFTER = 0.05
LINGER = 0.5
LINGER_AT_MOST = 5.0
HEADER = struct.Struct(">BBI")
NUMBER = struct.Struct(">I")
PARCEL = struct.Struct(">xIH")
LONGEST_LINE = 64 * 1024
MOST_AHEAD = 4096
LARGEST_FRAME = 16 * 1024 * 1024


class ProtocolError(Exception):
    """The controller's bytes make no sense; the session is of no use any more."""


def read_number(data: bytes, at: int) -> "t.Tuple[int, int]":
    """Read an unsigned LEB128 number; return it and where the next byte is."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def encoded(path: str) -> bytes:
    """Return a path as the controller means it, whatever this system's locale is."""
    return path.encode("utf-8", "surrogateescape")


def armour(kind: int, request: int, body: bytes, flags: int = 0) -> bytes:
    """Return a frame to the controller as one line."""
    if len(body) > 64:
        packed = zlib.compress(body, 6)
        if len(packed) < len(body):
            body, flags = packed, flags | COMPRESSED
    content = HEADER.pack(kind, flags, request) + body
    return b"<" + base64.b64encode(content + NUMBER.pack(zlib.crc32(content))) + b"\n"


def unpack(content: bytes) -> "t.Tuple[int, int, int, bytes]":
    """Check a frame's content; return kind, flags, request id and body."""
    if len(content) < HEADER.size + 4 or NUMBER.pack(zlib.crc32(content[:-4])) != content[-4:]:
        raise ProtocolError("a frame arrived damaged")
    kind, flags, request = HEADER.unpack_from(content)
    body = content[HEADER.size : -4]
    return kind, flags, request, zlib.decompress(body) if flags & COMPRESSED else body


class Parcels:
    """Put the parcels together to the stream that was sent."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.expected = 0
        self.ahead = {}  # type: t.Dict[int, bytes]

    def feed(self, data: bytes) -> "t.Iterator[bytes]":
        """Take bytes of the terminal and yield what they add to the stream."""
        self.buffer += data
        while self.buffer:
            parcel = self.binary() if self.buffer[0] == 0 else self.line()
            if parcel is None:
                return
            number, content = parcel
            if number >= self.expected:
                self.ahead[number] = content
            while self.expected in self.ahead:
                yield self.ahead.pop(self.expected)
                self.expected += 1
            if len(self.ahead) > MOST_AHEAD:
                raise ProtocolError("parcel %d did not arrive" % self.expected)

    def binary(self) -> "t.Optional[t.Tuple[int, bytes]]":
        """Return a binary parcel, None when more bytes must come."""
        if len(self.buffer) < PARCEL.size:
            return None
        number, length = PARCEL.unpack_from(self.buffer)
        end = PARCEL.size + length
        if len(self.buffer) < end:
            return None
        content = bytes(self.buffer[PARCEL.size : end])
        del self.buffer[:end]
        return number, content

    def line(self) -> "t.Optional[t.Tuple[int, bytes]]":
        """Return an armoured parcel, None when more bytes must come."""
        end = self.buffer.find(b"\n")
        if end < 0:
            if len(self.buffer) > LONGEST_LINE:
                raise ProtocolError("a line does not end")
            return None
        number, colon, text = bytes(self.buffer[:end]).partition(b":")
        del self.buffer[: end + 1]
        if not colon or not number.isdigit():
            # The command that started this program, written twice.
            return -1, b""
        return int(number), base64.b64decode(text, validate=True)


class Decoder:
    """Cut the stream into frames."""

    def __init__(self) -> None:
        self.parcels = Parcels()
        self.buffer = bytearray()

    def feed(self, data: bytes) -> "t.Iterator[t.Tuple[int, int, int, bytes]]":
        """Take bytes of the terminal and yield the frames they complete."""
        for content in self.parcels.feed(data):
            self.buffer += content
            while len(self.buffer) >= NUMBER.size:
                length = NUMBER.unpack_from(self.buffer)[0]
                if length > LARGEST_FRAME:
                    raise ProtocolError("a frame of %d bytes" % length)
                end = NUMBER.size + length + NUMBER.size
                if len(self.buffer) < end:
                    break
                frame = bytes(self.buffer[NUMBER.size : end])
                del self.buffer[:end]
                yield unpack(frame)


def expand(recipe: bytes, pieces: "t.Dict[int, bytes]") -> bytes:
    """Return the bytes that a recipe stands for; what it names is remembered for the whole session."""
    out = []  # type: t.List[bytes]
    target = out
    at = 0
    while at < len(recipe):
        step = recipe[at]
        number, at = read_number(recipe, at + 1)
        if step == LITERAL:
            target.append(recipe[at : at + number])
            at += number
        elif step == REFERENCE:
            target.append(pieces[number])
        elif step == REMEMBER:
            length, at = read_number(recipe, at)
            pieces[number] = recipe[at : at + length]
            target.append(pieces[number])
            at += length
        elif step == BASE64_BEGIN:
            target = []
        elif step == BASE64_END:
            pieces[number] = base64.b64encode(b"".join(target))
            target = out
            target.append(pieces[number])
        elif step == FORGET:
            del pieces[number]
        else:
            raise ProtocolError("unknown step %d in a recipe" % step)
    return b"".join(out)


class Watchman:
    """A process of its own that cleans up when this program is killed, as the agent does to end a session (execcmd.go, Kill)."""

    def __init__(self) -> None:
        reading, self.pipe = os.pipe()
        if os.fork() == 0:
            try:
                self.serve(reading)
            finally:
                os._exit(0)
        os.close(reading)

    def serve(self, reading: int) -> None:
        """Read what there is to clean up until nobody can write any more, and do it."""
        os.setsid()
        os.close(self.pipe)
        for descriptor in range(3):
            os.close(descriptor)
        left = set()  # type: t.Set[bytes]
        with open(reading, "rb") as told:
            for line in told:
                mark, what = line[:1], base64.b64decode(line[1:])
                (left.add if mark == b"+" else left.discard)(what)
        for what in left:
            if what.startswith(b"/"):
                remove(what)
            else:
                hang_up(int(what))

    def begun(self, what: "t.Union[int, bytes]") -> None:
        """Mind a process group or an unfinished file."""
        self.tell(b"+", what)

    def ended(self, what: "t.Union[int, bytes]") -> None:
        """Mind it no more."""
        self.tell(b"-", what)

    def tell(self, mark: bytes, what: "t.Union[int, bytes]") -> None:
        """Write a line."""
        name = what if isinstance(what, bytes) else b"%d" % what
        # Should somebody have killed it, commands run all the same.
        with contextlib.suppress(OSError):
            os.write(self.pipe, mark + base64.b64encode(name) + b"\n")


def hang_up(group: int) -> None:
    """Tell a process group that its user is gone, as the end of a terminal does."""
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGHUP)
        os.killpg(group, signal.SIGCONT)


def remove(path: bytes) -> None:
    """Remove a file if it is there."""
    with contextlib.suppress(OSError):
        os.unlink(path)


class Request:
    """One command or transfer. Subclasses handle what arrives for it."""

    def __init__(self, program: "Program", number: int) -> None:
        self.program = program
        self.number = number
        self.uncredited = 0
        self.unconfirmed = 0

    def send(self, kind: int, body: bytes, flags: int = 0) -> None:
        """Send a frame for this request."""
        self.unconfirmed += len(body)
        self.program.send(kind, self.number, body, flags)

    def may_send(self) -> bool:
        """Return whether the controller keeps up and the terminal takes more."""
        return self.unconfirmed < SEND_AHEAD and self.program.outbox_bytes < OUTBOX_LIMIT

    def confirmed(self, count: int) -> None:
        """Take the controller's word that it has worked off so many bytes."""
        self.unconfirmed -= count

    def credit(self) -> None:
        """Tell the controller that it may send as much again as it did."""
        if self.uncredited:
            self.program.send(CREDIT, self.number, str(self.uncredited).encode())
            self.uncredited = 0

    def fail(self, error: Exception) -> None:
        """Report an error and forget the request."""
        code = errno.errorcode.get(getattr(error, "errno", None) or 0, "")
        message = getattr(error, "strerror", None) or str(error)
        path = getattr(error, "filename", None)
        if isinstance(path, bytes):
            path = path.decode("utf-8", "surrogateescape")
        self.send(FAIL, json.dumps({"code": code, "message": message, "path": path}).encode())
        self.end()

    def end(self) -> None:
        """Forget the request."""
        self.program.requests.pop(self.number, None)

    def data(self, recipe: bytes, last: bool) -> None:
        """Take a part of the incoming stream."""

    def cancel(self) -> None:
        """Stop: nobody waits for the result any more."""
        self.end()

    def step(self, now: float) -> "t.Optional[float]":
        """Do what is due; return when to be called again at the latest."""


class Execution(Request):
    """A command with its three streams."""

    def __init__(self, program: "Program", number: int, command: bytes) -> None:
        super().__init__(program, number)
        self.stdin = bytearray()
        self.stdin_ended = False
        self.collected = {STDOUT: bytearray(), STDERR: bytearray()}
        self.oldest = None  # type: t.Optional[float]
        self.streaming = False
        self.exited = None  # type: t.Optional[float]
        self.last_output = 0.0
        process = subprocess.Popen(
            [b"/bin/sh", b"-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            env=program.environment,
            restore_signals=True,
        )
        self.process = process  # type: t.Any
        program.watchman.begun(process.pid)
        self.pipes = {self.process.stdout: STDOUT, self.process.stderr: STDERR}
        for pipe in (process.stdin, process.stdout, process.stderr):
            os.set_blocking(pipe.fileno(), False)  # type: ignore[union-attr]

    def data(self, recipe: bytes, last: bool) -> None:
        """Queue bytes for the command's standard input."""
        self.uncredited += len(recipe)
        self.stdin += expand(recipe, self.program.pieces)
        self.stdin_ended = self.stdin_ended or last
        self.write_stdin()

    def write_stdin(self) -> None:
        """Give the command what it takes just now."""
        pipe = self.process.stdin
        if pipe.closed:
            self.stdin.clear()
        try:
            while self.stdin:
                del self.stdin[: os.write(pipe.fileno(), self.stdin[: 64 * 1024])]
        except BlockingIOError:
            pass
        except OSError:
            # It has closed its standard input; what is left is of no use to anybody.
            self.stdin.clear()
            self.stdin_ended = True
        if len(self.stdin) < DRAINED and not self.stdin_ended:
            self.credit()
        waits = bool(self.stdin)
        self.program.watch(pipe, selectors.EVENT_WRITE if waits else 0, self.write_stdin)
        if self.stdin_ended and not waits and not pipe.closed:
            self.program.watch(pipe, 0, self.write_stdin)
            pipe.close()

    def read_pipe(self, pipe: "t.Any") -> None:
        """Take some output; an empty read is its end."""
        try:
            data = os.read(pipe.fileno(), 64 * 1024)
        except BlockingIOError:
            return
        now = time.monotonic()
        if not data:
            self.close_pipe(pipe)
            return
        self.collected[self.pipes[pipe]] += data
        self.last_output = now
        if self.oldest is None:
            self.oldest = now

    def close_pipe(self, pipe: "t.Any") -> None:
        """Stop reading one stream."""
        self.program.watch(pipe, 0, None)
        del self.pipes[pipe]
        pipe.close()

    def step(self, now: float) -> "t.Optional[float]":
        """Watch the pipes, send output that has waited, end when all is said."""
        for pipe in list(self.pipes):
            room = self.may_send() and len(self.collected[self.pipes[pipe]]) < 4 * PIECE
            self.program.watch(pipe, selectors.EVENT_READ if room else 0, functools.partial(self.read_pipe, pipe))
        if self.exited is None and self.process.poll() is not None:
            self.exited = self.last_output = now
            self.program.watchman.ended(self.process.pid)
        if self.exited is not None:
            quiet = min(self.last_output + LINGER, self.exited + LINGER_AT_MOST)
            # A process left in the background may hold the pipes open for ever.
            if not self.pipes or (now >= quiet and self.may_send()):
                self.finish()
                return None
            return quiet
        return self.flush(now)

    def flush(self, now: float) -> "t.Optional[float]":
        """Send output when there is a whole piece of it or it has waited long enough."""
        if self.oldest is None:
            return None
        due = self.oldest + FLUSH_AFTER
        if now < due and sum(map(len, self.collected.values())) < PIECE:
            return due
        self.send_collected()
        return None if self.oldest is None else now + FLUSH_AFTER

    def send_collected(self, all_of_it: bool = False) -> None:
        """Send collected output piece by piece, as far as the terminal takes it."""
        for kind, collected in self.collected.items():
            while collected and (all_of_it or self.may_send()):
                self.streaming = True
                self.send(kind, bytes(collected[:PIECE]))
                del collected[:PIECE]
        if not any(self.collected.values()):
            self.oldest = None

    def finish(self) -> None:
        """Send the exit code, with all of the output when that is short."""
        for pipe in list(self.pipes):
            self.close_pipe(pipe)
        self.program.watch(self.process.stdin, 0, None)
        self.process.stdin.close()
        code = self.process.returncode
        code = 128 - code if code < 0 else code
        out, err = self.collected[STDOUT], self.collected[STDERR]
        if self.streaming or len(out) + len(err) > SHORT_RESULT:
            self.send_collected(all_of_it=True)
            self.send(EXIT, NUMBER.pack(code))
        else:
            self.send(RESULT, NUMBER.pack(code) + NUMBER.pack(len(out)) + out + err)
        self.end()

    def cancel(self) -> None:
        """Hang up on the command and its children."""
        hang_up(self.process.pid)
        self.program.watchman.ended(self.process.pid)
        for pipe in list(self.pipes):
            self.close_pipe(pipe)
        self.program.watch(self.process.stdin, 0, None)
        self.process.stdin.close()
        self.program.abandoned.append(self.process)
        self.end()


class Reception(Request):
    """A file that comes from the controller: written beside its target, checked, renamed into place."""

    def __init__(self, program: "Program", number: int, order: "t.Dict[str, t.Any]") -> None:
        super().__init__(program, number)
        self.target = os.path.realpath(encoded(order["path"]))
        self.digest = hashlib.sha256()
        self.expected = order.get("sha256")
        self.size = 0
        self.temporary = None  # type: t.Optional[bytes]
        if os.path.isdir(self.target):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), order["path"])
        self.mode = self.existing_mode()
        if self.mode is not None and not stat.S_ISREG(self.mode):
            # A device or a pipe is written to, not replaced.
            self.file = os.open(self.target, os.O_WRONLY)
        else:
            folder, name = os.path.split(self.target)
            unique = binascii.hexlify(os.urandom(8))
            temporary = os.path.join(folder, b".ansible-" + name[:64] + b"." + unique)
            program.watchman.begun(temporary)
            try:
                self.file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except OSError as error:
                program.watchman.ended(temporary)
                raise OSError(error.errno, error.strerror, self.target) from error
            self.temporary = temporary
        self.announced = int(order.get("size") or 0)
        self.check_room()

    def existing_mode(self) -> "t.Optional[int]":
        """Return the target's mode, None when there is none."""
        try:
            return os.stat(self.target).st_mode
        except FileNotFoundError:
            return None

    def check_room(self) -> None:
        """Refuse at once what the file system has no room for."""
        if self.temporary is None:
            return
        room = os.statvfs(self.temporary)
        free = room.f_bavail * room.f_frsize
        if self.announced > free:
            self.discard()
            raise OSError(
                errno.ENOSPC,
                "No space left on device (%d bytes needed, %d free)" % (self.announced, free),
                self.target,
            )

    def data(self, recipe: bytes, last: bool) -> None:
        """Write a part; the last one is checked and renamed into place."""
        self.uncredited += len(recipe)
        try:
            content = memoryview(expand(recipe, self.program.pieces))
            self.digest.update(content)
            self.size += len(content)
            while content:
                content = content[os.write(self.file, content) :]
            if last:
                self.finish()
            elif self.uncredited >= DRAINED:
                self.credit()
        except OSError as error:
            self.discard()
            self.fail(OSError(error.errno, error.strerror, self.target))

    def finish(self) -> None:
        """Give the file its mode and name."""
        found = self.digest.hexdigest()
        if self.expected and found != self.expected:
            raise OSError(errno.EIO, "SHA-256 of the received file is %s, not %s" % (found, self.expected))
        if self.temporary is not None:
            mask = os.umask(0)
            os.umask(mask)
            os.fchmod(self.file, 0o666 & ~mask if self.mode is None else stat.S_IMODE(self.mode))
        os.close(self.file)
        self.file = -1
        if self.temporary is not None:
            os.rename(self.temporary, self.target)
            self.program.watchman.ended(self.temporary)
            self.temporary = None
        self.send(DONE, json.dumps({"size": self.size, "sha256": found}).encode())
        self.end()

    def discard(self) -> None:
        """Leave nothing of an unfinished file."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1
        if self.temporary is not None:
            remove(self.temporary)
            self.program.watchman.ended(self.temporary)
            self.temporary = None

    def cancel(self) -> None:
        """Drop the unfinished file."""
        self.discard()
        self.end()


class Delivery(Request):
    """A file that goes to the controller."""

    def __init__(self, program: "Program", number: int, order: "t.Dict[str, t.Any]") -> None:
        super().__init__(program, number)
        self.digest = hashlib.sha256()
        self.size = 0
        # Opening a named pipe would wait for its writer, and everything else with it.
        self.file = os.open(encoded(order["path"]), os.O_RDONLY | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(self.file).st_mode):
            os.close(self.file)
            raise OSError(errno.EINVAL, "Not a regular file", order["path"])

    def step(self, now: float) -> "t.Optional[float]":
        """Send pieces as long as they are taken."""
        while self.may_send():
            try:
                data = os.read(self.file, PIECE)
            except OSError as error:
                os.close(self.file)
                self.fail(error)
                return None
            if not data:
                os.close(self.file)
                self.send(DONE, json.dumps({"size": self.size, "sha256": self.digest.hexdigest()}).encode())
                self.end()
                return None
            self.digest.update(data)
            self.size += len(data)
            self.send(DATA, data)
        return None

    def cancel(self) -> None:
        """Stop sending."""
        os.close(self.file)
        self.end()


class Program:
    """The loop over the terminal, the commands' pipes and the clock."""

    def __init__(self) -> None:
        self.watchman = Watchman()
        self.selector = selectors.DefaultSelector()
        self.decoder = Decoder()
        self.pieces = {}  # type: t.Dict[int, bytes]
        self.requests = {}  # type: t.Dict[int, Request]
        self.abandoned = []  # type: t.List[t.Any]
        self.outbox = collections.deque()  # type: t.Deque[bytes]
        self.outbox_bytes = 0
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

    def send(self, kind: int, request: int, body: bytes, flags: int = 0) -> None:
        """Queue a frame to the controller."""
        line = armour(kind, request, body, flags)
        self.outbox.append(line)
        self.outbox_bytes += len(line)

    def write(self) -> None:
        """Write as much as the terminal takes; it must never block, or input would not be read either."""
        try:
            while self.outbox:
                line = self.outbox[0]
                count = os.write(1, line)
                self.outbox_bytes -= count
                if count == len(line):
                    self.outbox.popleft()
                else:
                    self.outbox[0] = line[count:]
        except BlockingIOError:
            pass

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
            if request is None:
                self.open(kind, flags, number, body)
        elif request is None:
            # The request has ended meanwhile. Its pieces must be remembered all the same.
            if kind == DATA:
                expand(body, self.pieces)
        elif kind == DATA:
            request.data(body, bool(flags & LAST))
        elif kind == CREDIT:
            request.confirmed(int(body))
        elif kind == CANCEL:
            request.cancel()

    def open(self, kind: int, flags: int, number: int, body: bytes) -> None:
        """Begin a request."""
        length, at = read_number(body, 0)
        order, recipe = body[at : at + length], body[at + length :]
        stand_in = Request(self, number)
        try:
            self.requests[number] = OPENING[kind](self, number, order)
        except (OSError, ValueError) as error:
            stand_in.fail(error)
            expand(recipe, self.pieces)
            return
        if recipe or flags & LAST:
            self.requests[number].data(recipe, bool(flags & LAST))

    def step(self) -> "t.Optional[float]":
        """Let every request do what is due; return the seconds until the next one is."""
        now = time.monotonic()
        due = [request.step(now) for request in list(self.requests.values())]
        self.abandoned = [process for process in self.abandoned if process.poll() is None]
        waits = [moment for moment in due if moment is not None]
        return max(0.0, min(waits) - now) if waits else None

    def run(self, received: bytes = b"", parcels: int = 0) -> None:
        """Serve until the terminal is gone.

        What was received before, behind the parcels that this program itself came in, is passed on by its first stage.
        """
        wake_read, wake_write = os.pipe()
        for descriptor in (0, 1, wake_read, wake_write):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(wake_write)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGHUP, self.stop)
        signal.signal(signal.SIGTERM, self.stop)
        self.watch(0, selectors.EVENT_READ, self.read)
        self.watch(wake_read, selectors.EVENT_READ, lambda: os.read(wake_read, 4096))
        self.send(HELLO, 0, json.dumps(facts()).encode())
        self.decoder.parcels.expected = parcels
        self.take(received)
        try:
            while not self.stopping:
                timeout = self.step()
                self.write()
                self.watch(1, selectors.EVENT_WRITE if self.outbox else 0, self.write)
                for key, _events in self.selector.select(timeout):
                    key.data()
        finally:
            for request in list(self.requests.values()):
                request.cancel()

    def stop(self, *_: "t.Any") -> None:
        """Leave at the next turn."""
        self.stopping = True


def facts() -> "t.Dict[str, t.Any]":
    """Return what the controller wants to know of this side."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    return {"version": VERSION, "python": "%d.%d.%d" % sys.version_info[:3], "user": user, "uid": os.geteuid()}


OPENING = {
    EXEC: Execution,
    PUT: lambda program, number, order: Reception(program, number, json.loads(order.decode())),
    GET: lambda program, number, order: Delivery(program, number, json.loads(order.decode())),
}  # type: t.Dict[int, t.Callable[[Program, int, bytes], Request]]


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


def main() -> None:
    """Serve this session."""
    make_raw()
    go_home()
    try:
        Program().run(*globals().get("RECEIVED", ()))
    except (ProtocolError, binascii.Error, zlib.error, KeyError, IndexError, struct.error) as error:
        os.set_blocking(1, True)
        os.write(1, armour(FAIL, 0, json.dumps({"code": "PROTOCOL", "message": repr(error), "path": None}).encode()))
        sys.exit(3)
    except OSError as error:
        # The terminal is gone with the session.
        sys.exit(0 if error.errno in (errno.EIO, errno.EPIPE) else 4)


if __name__ == "__main__":
    main()
