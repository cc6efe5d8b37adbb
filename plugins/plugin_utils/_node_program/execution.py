# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run commands with their three streams."""

import contextlib
import fcntl
import functools
import os
import pty
import selectors
import subprocess
import tempfile
import termios
import time

from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program import watchman, wire
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.request import Part, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

    from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.request import Surroundings

PIECE = 32 * 1024
CREDIT_BELOW = 256 * 1024
SHORT_RESULT = 64 * 1024
LONGEST_ARGUMENT = 100 * 1024
FLUSH_AFTER = 0.05
LINGER = 0.5
LINGER_AT_MOST = 5.0
END_OF_FILE = b"\4"


class Command:
    """A command as a process of its own, by the shell."""

    refused = False

    def __init__(self, program: "Surroundings", command: bytes, terminal: bool) -> None:
        stdin, ours = open_terminal() if terminal else (subprocess.PIPE, -1)
        script = []  # type: t.List[int]
        argv = [b"/bin/sh", b"-c", command]
        if len(command) > LONGEST_ARGUMENT:
            # More than the kernel takes as one argument: the shell reads it as a file.
            script = [unnamed_file(command)]
            argv = [b"/bin/sh", b"/dev/fd/%d" % script[0]]
        process = subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            preexec_fn=own_terminal if terminal else None,
            env=program.environment,
            restore_signals=True,
            pass_fds=script,
        )
        for descriptor in [*script, stdin] if terminal else script:
            os.close(descriptor)
        self.stdin = os.fdopen(ours, "wb", 0) if terminal else process.stdin  # type: t.Any
        #: what is read from it, and as what
        self.outputs = {process.stdout: wire.STDOUT, process.stderr: wire.STDERR}  # type: t.Dict[t.Any, int]
        if terminal:
            self.outputs[os.fdopen(os.dup(ours), "rb", 0)] = wire.STDOUT
        self.terminal = terminal
        self.process = process
        self.minder = program.watchman
        self.minder.begun(process.pid)

    def end_stdin(self) -> None:
        """Have it read the end of its input."""
        if self.terminal:
            with contextlib.suppress(OSError):
                os.write(self.stdin.fileno(), END_OF_FILE)
        self.stdin.close()

    def poll(self) -> "t.Optional[int]":
        """Return how it ended, as Popen does; None while it has not."""
        before, code = self.process.returncode, self.process.poll()
        if before is None and code is not None:
            self.minder.ended(self.process.pid)
        return code

    def hang_up(self) -> None:
        """Tell it that nobody waits for it any more."""
        watchman.hang_up(self.process.pid)
        self.minder.ended(self.process.pid)


def open_terminal() -> "t.Tuple[int, int]":
    """Return a terminal's two ends, the command's first; it echoes nothing and changes no output."""
    ours, theirs = pty.openpty()
    mode = termios.tcgetattr(theirs)
    mode[1] &= ~termios.OPOST
    mode[3] &= ~(termios.ECHO | termios.ECHONL)
    termios.tcsetattr(theirs, termios.TCSANOW, mode)
    return theirs, ours


def own_terminal() -> None:
    """Make standard input the terminal that /dev/tty is; runs in the command's process, a session leader by then."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def unnamed_file(content: bytes) -> int:
    """Return a descriptor of a file in memory, or else of one that has no name any more."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("command", 0)
    else:
        descriptor, path = tempfile.mkstemp()
        os.unlink(path)
    with open(os.dup(descriptor), "wb") as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


class Execution(Request):
    """A command with its three streams."""

    def __init__(self, program: "Surroundings", number: int, command: bytes, flags: int) -> None:
        super().__init__(program, number)
        self.command = command
        self.flags = flags
        self.stdin = bytearray()
        self.stdin_ended = False
        self.collected = {wire.STDOUT: bytearray(), wire.STDERR: bytearray()}
        self.oldest = None  # type: t.Optional[float]
        self.streaming = False
        self.exited = None  # type: t.Optional[float]
        self.last_output = 0.0

    def begin(self, part: Part) -> None:
        """Start the command, as a fork of a warm interpreter where that will do."""
        may_be_warm = self.flags & wire.WARM and part.last
        warmed = self.program.templates.run(self.command, part.content) if may_be_warm else None
        self.attend(warmed or self.cold())
        super().begin(part)

    def cold(self) -> Command:
        """Start the command as a process of its own."""
        return Command(self.program, self.command, bool(self.flags & wire.TERMINAL))

    def attend(self, process: "t.Any") -> None:
        """Look after a process that was started."""
        self.process = process
        self.pipes = dict(process.outputs)
        for pipe in (process.stdin, *self.pipes):
            os.set_blocking(pipe.fileno(), False)

    def start_again(self) -> None:
        """Start the command as a process of its own: the warm interpreter did not want it, and has done nothing of it."""
        payload = self.process.payload
        self.let_go()
        self.attend(self.cold())
        self.stdin[:] = payload
        self.stdin_ended = True
        self.write_stdin()

    def let_go(self) -> None:
        """Close what leads to the process."""
        for pipe in list(self.pipes):
            self.close_pipe(pipe)
        self.program.watch(self.process.stdin, 0, None)
        self.process.stdin.close()

    def data(self, part: Part) -> None:
        """Queue bytes for the command's standard input."""
        self.uncredited += part.cost
        self.stdin += part.content
        self.stdin_ended = self.stdin_ended or part.last
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
        if len(self.stdin) < CREDIT_BELOW and not self.stdin_ended:
            self.credit()
        waits = bool(self.stdin)
        self.program.watch(pipe, selectors.EVENT_WRITE if waits else 0, self.write_stdin)
        if self.stdin_ended and not waits and not pipe.closed:
            self.program.watch(pipe, 0, self.write_stdin)
            self.process.end_stdin()

    def read_pipe(self, pipe: "t.Any") -> None:
        """Take some output; an empty read is its end."""
        try:
            data = os.read(pipe.fileno(), 64 * 1024)
        except BlockingIOError:
            return
        except OSError:
            # A terminal that nobody has open any more.
            data = b""
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
        held_up = False
        for pipe in list(self.pipes):
            room = self.may_send() and len(self.collected[self.pipes[pipe]]) < 4 * PIECE
            held_up = held_up or not room
            self.program.watch(pipe, selectors.EVENT_READ if room else 0, functools.partial(self.read_pipe, pipe))
        if self.process.refused:
            self.start_again()
        if self.process.poll() is None:
            return self.flush(now)
        if self.exited is None or held_up:
            # What a slow controller leaves in the pipes is not silence.
            self.exited = self.last_output = now
        quiet = min(self.last_output + LINGER, self.exited + LINGER_AT_MOST)
        # A process left in the background may hold the pipes open for ever.
        if not self.pipes or (now >= quiet and not held_up):
            self.finish()
            return None
        if held_up:
            self.send_collected()
        return quiet

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
        self.let_go()
        code = self.process.poll()
        code = 128 - code if code < 0 else code
        out, err = self.collected[wire.STDOUT], self.collected[wire.STDERR]
        if self.streaming or len(out) + len(err) > SHORT_RESULT:
            self.send_collected(all_of_it=True)
            self.send(wire.EXIT, wire.NUMBER.pack(code))
        else:
            self.send(wire.RESULT, wire.NUMBER.pack(code) + wire.NUMBER.pack(len(out)) + out + err)
        self.end()

    def cancel(self) -> None:
        """Hang up on the command and its children."""
        self.process.hang_up()
        self.let_go()
        self.program.abandoned.append(self.process)
        self.forget()
