# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep warm interpreters for modules: recognise what they can run, start them, give them up when the machine has changed.

A fresh interpreter spends most of a module's time on importing; a fork of one that has imported does not. ``template.py`` is such
an interpreter. One is kept for each way to start one: interpreter, environment and become, that is, the command without the random
word that become prints. It is started by that very command, so no right is gained, and what the command would print and return, a
fork does.
"""

import array
import binascii
import collections
import contextlib
import json
import os
import re
import selectors
import shlex
import signal
import socket
import subprocess
import time

from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program import template as messages
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

    class Surroundings(t.Protocol):
        """What warm interpreters need of the program."""

        environment: t.Dict[bytes, bytes]
        abandoned: t.List[t.Any]

        def watch(self, pipe: t.Any, events: int, callback: t.Any) -> None:
            """Have a callback called when a pipe is ready; no events: not any more."""


MOST_KEPT = 4
KEPT_SECONDS = 300.0
START_SECONDS = 20.0

# In a namespace of its own, as the module that a fork runs has __main__ for itself.
SCRIPT = """import types
warm = types.ModuleType("warm")
exec(compile(%r, "warm", "exec"), warm.__dict__)
warm.run(warm.Server(%r, %r).serve(), globals())
"""

ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
INTERPRETER = re.compile(r"(?:/[A-Za-z0-9_./+-]*/)?(?:python[0-9.]*|platform-python[0-9.]*)$")
SHELL = re.compile(r"/[A-Za-z0-9_./-]*/(?:sh|bash|dash|ksh|zsh)$")
BECOME = re.compile(r"(?:/[A-Za-z0-9_./-]*/)?(?:sudo|doas|su|runuser|dzdo|pbrun|pfexec)(?: +[A-Za-z0-9_./=@%:+-]+)* *$")
SUCCESS = re.compile(r"echo (BECOME-SUCCESS-[a-z]+) ; (.*)$")
WRAPPER = re.compile(b"^_ANSIBALLZ_WRAPPER = True", re.MULTILINE)

# What decides who a command runs as and with what: when one of these changes, a fresh interpreter could be another one.
WATCHED = (
    "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/nsswitch.conf", "/etc/sudoers", "/etc/sudoers.d", "/etc/doas.conf",
    "/etc/pam.d", "/etc/security", "/etc/environment", "/etc/login.defs", "/etc/ld.so.cache", "/etc/ld.so.preload",
    "/etc/localtime", "/etc/locale.conf", "/etc/default/locale", "/etc/selinux/config",
)  # fmt: skip


def recognised(command: bytes, payload: bytes) -> "t.Optional[t.Tuple[bytes, bytes]]":
    """Say whether a command is nothing but an interpreter that reads a module; return it without its word, and that word's line."""
    if WRAPPER.search(payload) is None:
        return None
    try:
        text = command.decode("ascii")
        words = shlex.split(text)
    except ValueError:
        return None
    if len(words) != 3 or SHELL.match(words[0]) is None or words[1] != "-c":
        return None
    script = words[2][: -len(" && sleep 0")] if words[2].endswith(" && sleep 0") else words[2]
    if is_interpreter(script):
        return command, b""
    word = become_word(script)
    return (command.replace(word, b"BECOME-SUCCESS-"), word + b"\n") if word else None


def become_word(script: str) -> bytes:
    """Return the word that a become command prints before it does nothing but start an interpreter; empty for any other command."""
    try:
        words = shlex.split(script)
    except ValueError:
        return b""
    if len(words) < 4 or words[-2] != "-c" or SHELL.match(words[-3]) is None:
        return b""
    begin = script.split(" %s -c " % words[-3])[0]
    found = SUCCESS.match(words[-1])
    if found is None or BECOME.match(begin) is None or not is_interpreter(found.group(2)):
        return b""
    return found.group(1).encode()


def is_interpreter(script: str) -> bool:
    """Say whether a shell script is an interpreter's name, behind assignments that mean what they say."""
    words = shlex.split(script)
    assignments = words[:-1]
    quoted = ["%s=%s" % (name, shlex.quote(value)) for name, _equals, value in (word.partition("=") for word in assignments)]
    return (
        bool(words)
        and INTERPRETER.match(words[-1]) is not None
        and all(ASSIGNMENT.match(word) for word in assignments)
        and script.split() == " ".join([*quoted, words[-1]]).split()
    )


class Fork:
    """A module that a warm interpreter runs: what ``Command`` is for other commands."""

    def __init__(self, number: int, payload: bytes, preamble: bytes) -> None:
        self.number = number
        self.payload = payload
        self.preamble = preamble
        self.refused = False
        self.template = None  # type: t.Optional[Template]
        self.status = None  # type: t.Optional[int]
        stdin, into_stdin = os.pipe()
        from_stdout, stdout = os.pipe()
        from_stderr, stderr = os.pipe()
        self.theirs = [stdin, stdout, stderr]
        self.stdin = os.fdopen(into_stdin, "wb", 0)
        self.outputs = {
            os.fdopen(from_stdout, "rb", 0): wire.STDOUT,
            os.fdopen(from_stderr, "rb", 0): wire.STDERR,
        }  # type: t.Dict[t.Any, int]

    def end_stdin(self) -> None:
        """Have it read the end of its input."""
        self.stdin.close()

    def poll(self) -> "t.Optional[int]":
        """Return how it ended, as Popen does; None while it has not."""
        if self.status is None:
            return None
        return -os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else os.WEXITSTATUS(self.status)

    def started(self) -> None:
        """Keep nothing that only a fresh interpreter would need."""
        self.payload = b""

    def handed_over(self) -> None:
        """Close what is the fork's own now, after saying what its become command would say."""
        if self.preamble:
            os.write(self.theirs[1], self.preamble)
        for descriptor in self.theirs:
            os.close(descriptor)
        self.theirs = []

    def refuse(self) -> None:
        """Have a fresh interpreter run it."""
        for descriptor in self.theirs:
            os.close(descriptor)
        self.theirs = []
        self.refused = True

    def hang_up(self) -> None:
        """Tell it that nobody waits for it any more."""
        if self.template is not None:
            self.template.hang_up(self)


class Template:
    """A warm interpreter and what it runs."""

    def __init__(self, templates: "Templates", key: bytes, command: bytes) -> None:
        self.templates = templates
        self.key = key
        self.begun = time.monotonic()
        self.token = binascii.hexlify(os.urandom(16)).decode()
        self.socket = None  # type: t.Optional[socket.socket]
        self.files = list(WATCHED)
        self.stamp = stamp(self.files)
        self.forks = {}  # type: t.Dict[int, Fork]
        self.retired = False
        self.process = subprocess.Popen(
            [b"/bin/sh", b"-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=templates.program.environment,
        )
        script = SCRIPT % (templates.source, templates.address, self.token)
        try:
            with self.process.stdin as stdin:  # type: ignore[union-attr]
                stdin.write(script.encode())
        except OSError:
            # It has ended; what it says, the command itself will say once more.
            pass

    def usable(self, now: float) -> bool:
        """Return whether a fresh interpreter would still be the same."""
        return not self.retired and now - self.begun < KEPT_SECONDS and stamp(self.files) == self.stamp

    def run(self, fork: Fork) -> None:
        """Have a module run, at once or when the interpreter is ready."""
        fork.template = self
        self.forks[fork.number] = fork
        if self.socket is not None:
            self.hand_over(fork)

    def hand_over(self, fork: Fork) -> None:
        """Give the interpreter a fork's descriptors."""
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fork.theirs).tobytes())
        try:
            self.socket.sendmsg([messages.MESSAGE.pack(messages.RUN, fork.number, 0)], [rights])  # type: ignore[union-attr]
        except OSError:
            self.fail()
            return
        fork.handed_over()

    def hang_up(self, fork: Fork) -> None:
        """Tell a fork that nobody waits for it."""
        if fork.theirs:
            # It has not begun.
            del self.forks[fork.number]
            fork.refuse()
            fork.status = signal.SIGHUP
        elif self.socket is not None:
            try:
                self.socket.send(messages.MESSAGE.pack(messages.HANG_UP, fork.number, 0))
            except OSError:
                self.fail()

    def accept(self, connection: socket.socket, who: "t.Dict[str, t.Any]") -> None:
        """Take the interpreter's connection, and give it what has waited."""
        self.socket = connection
        self.files += [who["executable"], os.path.realpath(who["executable"]), *who["path"]]
        self.stamp = stamp(self.files)
        self.templates.program.watch(connection, selectors.EVENT_READ, self.receive)
        for fork in list(self.forks.values()):
            self.hand_over(fork)

    def receive(self) -> None:
        """Act on what the interpreter says."""
        try:
            data = self.socket.recv(messages.MESSAGE.size)  # type: ignore[union-attr]
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.fail()
            return
        kind, number, value = messages.MESSAGE.unpack(data)
        fork = self.forks.get(number)
        if fork is None:
            return
        if kind == messages.STARTED:
            fork.started()
            return
        del self.forks[number]
        if kind == messages.EXITED:
            fork.status = value
        else:
            fork.refuse()

    def fail(self) -> None:
        """Give it up: what had not begun is run by others, what had is lost."""
        self.retire()
        for fork in self.forks.values():
            if fork.payload:
                fork.refuse()
            else:
                fork.status = signal.SIGKILL
        self.forks.clear()
        self.templates.cold.add(self.key)
        self.close()

    def retire(self) -> None:
        """Give it nothing new."""
        self.retired = True
        self.templates.forget(self)

    def close(self) -> None:
        """Let the interpreter end, which waits for the end of our connection."""
        if self.socket is not None:
            self.templates.program.watch(self.socket, 0, None)
            self.socket.close()
            self.socket = None
        elif self.process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(self.process.pid, signal.SIGTERM)
        self.templates.program.abandoned.append(self.process)


class Templates:
    """The warm interpreters of a session.

    :param source: of ``template.py``.
    """

    def __init__(self, program: "Surroundings", source: str) -> None:
        self.program = program
        self.source = source
        self.cold = set()  # type: t.Set[bytes]
        self.kept = collections.OrderedDict()  # type: t.OrderedDict[bytes, Template]
        self.leaving = []  # type: t.List[Template]
        self.address = "fleet.ssm-" + binascii.hexlify(os.urandom(16)).decode()
        self.listening = None  # type: t.Optional[socket.socket]
        self.numbers = 0

    def run(self, command: bytes, payload: bytes) -> "t.Optional[Fork]":
        """Have a module run by a warm interpreter; None when it is not for one."""
        known = recognised(command, payload)
        if known is None or known[0] in self.cold or not self.listen():
            return None
        template = self.fitting(known[0], command)
        if template is None:
            return None
        self.numbers += 1
        fork = Fork(self.numbers, payload, known[1])
        template.run(fork)
        return fork

    def fitting(self, key: bytes, command: bytes) -> "t.Optional[Template]":
        """Return the interpreter for a command; None when there are too many others at work."""
        template = self.kept.get(key)
        if template is not None and not template.usable(time.monotonic()):
            template.retire()
            template = None
        if template is None:
            if len(self.kept) >= MOST_KEPT and not self.make_room():
                return None
            template = self.kept[key] = Template(self, key, command)
        self.kept.move_to_end(key)
        return template

    def make_room(self) -> bool:
        """Let go of the idle interpreter that was not used for longest."""
        for template in self.kept.values():
            if not template.forks:
                template.retire()
                return True
        return False

    def forget(self, template: Template) -> None:
        """Keep an interpreter for what it runs only."""
        if self.kept.get(template.key) is template:
            del self.kept[template.key]
            self.leaving.append(template)

    def listen(self) -> bool:
        """Be where interpreters find us; only Linux has sockets without a place in the file system."""
        if self.listening is None:
            if not os.path.exists("/proc/self"):
                return False
            try:
                self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
                self.listening.bind("\0" + self.address)
                self.listening.listen(MOST_KEPT)
            except OSError:
                return False
            self.program.watch(self.listening, selectors.EVENT_READ, self.accept)
        return True

    def accept(self) -> None:
        """Take a connection of an interpreter that we have started: it has its token."""
        try:
            connection, _address = self.listening.accept()  # type: ignore[union-attr]
        except BlockingIOError:
            return
        # Its first message is in the same breath as its connection.
        connection.settimeout(1.0)
        try:
            data = connection.recv(1024 * 1024)
            who = json.loads(data[messages.MESSAGE.size :].decode())
            starting = [one for one in self.kept.values() if one.socket is None and one.token == who["token"]]
        except (OSError, ValueError, KeyError, TypeError):
            starting = []
        if not starting:
            connection.close()
            return
        connection.setblocking(False)
        starting[0].accept(connection, who)

    def step(self, now: float) -> "t.Optional[float]":
        """Give up interpreters that do not come up, and let go of those that have done their last."""
        due = None  # type: t.Optional[float]
        for template in list(self.kept.values()):
            if template.socket is not None:
                continue
            if template.process.poll() is not None or now > template.begun + START_SECONDS:
                template.fail()
            else:
                due = template.begun + START_SECONDS
        for template in [one for one in self.leaving if not one.forks]:
            self.leaving.remove(template)
            template.close()
        return due

    def close(self) -> None:
        """Let all of them end."""
        for template in [*self.kept.values(), *self.leaving]:
            template.close()
        if self.listening is not None:
            self.listening.close()


def stamp(files: "t.List[str]") -> "t.List[t.Tuple[int, ...]]":
    """Return what changes when one of these files does."""
    found = []  # type: t.List[t.Tuple[int, ...]]
    for path in files:
        try:
            status = os.stat(path)
        except OSError as error:
            found.append((error.errno or 0,))
        else:
            found.append((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return found
