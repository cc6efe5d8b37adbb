# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold a node's side of the conversation where it has no Python: frames from here, lines there.

Pure. The shell there does one thing after another, so requests wait here for their turn. Each is a script of what is said and what
must be answered. What the controller's side sends in recipes is written out here, and requests that have not begun can be given to
a program that understands them, once there is one.
"""

from __future__ import annotations

import collections
import json
import struct
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program import wire
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import posix_lines
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.flags import Flags
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Frame, Kind
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.posix_job import (
    CommandOutput,
    Content,
    Damaged,
    Job,
    Refused,
)
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.posix_lines import Line

_HOLD_ABOVE, _HOLD_BELOW = 1024 * 1024, 512 * 1024
"""Bytes of output that were not taken yet; about a quarter of what ``exchange.py`` puts up with."""

_LONGEST_ARGUMENT = 100 * 1024
"""Of a longer command the shell makes a file, as the kernel takes no such argument."""

_SCRIPT_OVER = frozenset({"x", "o.", "e.", "z"})

Script = t.Generator[None, Line | None, None]
"""Goes on with each line of the node for its request, and with None when something came from this side."""


class Conversation:
    """What is said with the shell on one node.

    :param say: puts a line on its way.
    :param tell: takes a frame for the controller's side.
    :param mark: what ends a command's output, as the program was given it.
    :param advice: the sentence for whoever wants what needs a Python.
    """

    def __init__(self, say: t.Callable[[bytes], None], tell: t.Callable[[Frame], None], mark: bytes, advice: str) -> None:
        self._say = say
        self._tell = tell
        self._mark = mark
        self._advice = advice
        self._armour = ""
        self._checker = ""
        self._number = self._place = 0
        self._pieces = wire.Pieces()
        self._jobs: collections.OrderedDict[int, Job] = collections.OrderedDict()
        self._script: Script | None = None

    def take(self, frame: Frame) -> None:
        """Take a frame for the node."""
        if frame.kind in _SCRIPTS:
            length, at = wire.read_number(frame.body, 0)
            recipe = frame.body[at + length :]
            parts = [(wire.expand(recipe, self._pieces), len(recipe))] if recipe else []
            order = frame.body[at : at + length]
            self._jobs[frame.request] = Job(frame.request, frame.kind, order, frame.flags, frame.last, collections.deque(parts))
            self._begin()
            return
        content = wire.expand(frame.body, self._pieces) if frame.kind == Kind.DATA else b""
        job = self._jobs.get(frame.request)
        if job is None:
            return
        if frame.kind == Kind.DATA:
            job.parts.append((content, len(frame.body)))
            job.ended = frame.last
        elif frame.kind == Kind.CREDIT:
            job.unconfirmed -= int(frame.body)
            self._keep_pace(job)
        elif frame.kind == Kind.CANCEL:
            job.cancelled = True
            if not job.begun:
                del self._jobs[frame.request]
        if job.begun:
            self._go_on(None)

    def hear(self, line: Line) -> None:
        """Take a line of the node."""
        if line.name == "h":
            self._greet(line)
        elif line.request == self._number:
            # Others are what is left of a request that was stopped.
            self._go_on(line)

    def hand_over(self) -> list[Job]:
        """Return the requests that have not begun on the node, when that has become another program instead."""
        jobs = [job for job in self._jobs.values() if not job.cancelled]
        for job in jobs:
            # They are sent again, in other words and at another cost.
            self._credit(job, sum(cost for _part, cost in job.parts))
        return jobs

    # -- one after the other ------------------------------------------------------------------------------------------

    def _greet(self, line: Line) -> None:
        self._armour, self._checker, uid, user, *missing = line.text.split(" ")
        if missing:
            programs = ", ".join(name.replace("|", " or ") for name in missing)
            message = f"it has no Python and lacks what to do without one: {programs}. {self._advice}"
            self._tell(Frame(Kind.FAIL, 0, json.dumps({"code": "", "message": message}).encode()))
            return
        self._tell(Frame(Kind.HELLO, 0, json.dumps({"python": "none", "user": user, "uid": int(uid)}).encode()))
        self._begin()

    def _begin(self) -> None:
        """Begin the next request, when there is one and none is under way."""
        if self._script is None and self._armour and self._jobs:
            job = next(iter(self._jobs.values()))
            job.begun = True
            self._script = self._serve(job)
            self._go_on(None)

    def _go_on(self, event: Line | None) -> None:
        if self._script is None:
            return
        try:
            self._script.send(event)
        except StopIteration:
            self._script = None
            self._begin()

    def _serve(self, job: Job) -> Script:
        try:
            self._order("look")
            try:
                yield from _SCRIPTS[job.kind](self, job)
            except Damaged:
                self._order("drop")
                yield from self._wait("z")
                raise
        except Refused as refused:
            told = {"code": refused.code, "message": str(refused), "path": job.path}
            self._answer(job, Kind.FAIL, json.dumps(told).encode())
        del self._jobs[job.request]

    def _answer(self, job: Job, kind: Kind, body: bytes) -> None:
        self._tell(Frame(kind, job.request, body))

    def _credit(self, job: Job, cost: int) -> None:
        if cost:
            self._answer(job, Kind.CREDIT, str(cost).encode())

    def _order(self, verb: str, argument: bytes = b"") -> None:
        lines = posix_lines.order(self._number + 1, verb, argument)
        self._number += len(lines)
        for line in lines:
            self._say(line)

    def _wait(self, *names: str) -> t.Generator[None, Line | None, Line]:
        """Wait for one of these lines."""
        while True:
            line = yield
            if line is None:
                continue
            if line.name == "f":
                raise self._refusal(line)
            if line.name in names:
                return line

    def _refusal(self, line: Line) -> Refused:
        code, _space, message = line.text.partition(" ")
        return Refused(code, posix_lines.unarmour(self._armour, message).decode(errors="replace"))

    # -- scripts ------------------------------------------------------------------------------------------------------

    def _execute(self, job: Job) -> Script:
        if job.flags & (Flags.TERMINAL | Flags.CONVERSES):
            self._order("nothing")
            yield from self._wait("z")
            raise Refused("PYTHON", f"become with a password, or with a terminal, needs a Python on the node. {self._advice}")
        text = job.order
        if len(text) > _LONGEST_ARGUMENT:
            command = Job(job.request, job.kind, b"", 0, True, collections.deque([(text, 0)]))
            yield from self._spool("c", command)
            text = b""
        if job.parts or not job.ended:
            yield from self._spool("i", job)
        if job.cancelled:
            self._order("drop")
            yield from self._wait("z")
        else:
            self._order("run", text)
            yield from self._attend(job)

    def _spool(self, name: str, job: Job) -> Script:
        """Have the node keep a stream."""
        self._order("spool", name.encode())
        yield from self._stream(job)

    def _attend(self, job: Job) -> Script:
        """Pass on what a command prints, and how it ends."""
        outputs = {name: (kind, CommandOutput(self._mark)) for name, kind in (("o", Kind.STDOUT), ("e", Kind.STDERR))}
        heard: dict[str, str] = {}
        counts = dict.fromkeys(outputs, 0)
        stopped = False
        while not heard.keys() >= _SCRIPT_OVER and not (stopped and "z" in heard):
            line = yield
            if job.cancelled and not stopped:
                self._say(posix_lines.word(self._number, "stop"))
                stopped = True
            if line is None:
                continue
            if line.name in outputs:
                kind, output = outputs[line.name]
                self._pass_on(job, kind, output.feed(self._data(line)))
                counts[line.name] += 1
            else:
                heard[line.name] = line.text
                if line.name == "z" and "x" not in heard and not stopped:
                    raise Refused("LOST", "what ran the command on the node was killed; whether it was carried out is not known")
        if not stopped:
            for name, (kind, output) in outputs.items():
                if int(heard[f"{name}."]) != counts[name]:
                    raise Refused("LOST", "the command was carried out, but a part of what it printed was lost on the way")
                self._pass_on(job, kind, output.close())
            self._answer(job, Kind.EXIT, _CODE.pack(int(heard["x"])))

    def _put(self, job: Job) -> Script:
        wanted = json.loads(job.order)
        self._order("put", wanted["path"].encode(errors="surrogateescape"))
        content = yield from self._stream(job)
        if job.cancelled:
            raise Damaged("the transfer was given up")
        _check_announced(content, wanted)
        self._order("name")
        yield from self._wait("z")
        self._answer(job, Kind.DONE, _facts(content))

    def _get(self, job: Job) -> Script:
        self._order("get", json.loads(job.order)["path"].encode(errors="surrogateescape"))
        left = int((yield from self._wait("n")).text)
        content = Content()
        stopped = False
        while True:
            line = yield
            if job.cancelled and not stopped:
                self._say(posix_lines.word(self._number, "stop"))
                stopped = True
            if line is None:
                continue
            if line.name == "z":
                break
            if line.name == "b":
                data = self._data(line)[:left]
                left -= len(data)
                content.update(data)
                self._pass_on(job, Kind.DATA, data)
        if not stopped:
            content.check(self._checker, line.text)
            self._answer(job, Kind.DONE, _facts(content))

    def _pass_on(self, job: Job, kind: Kind, data: bytes) -> None:
        if data:
            self._answer(job, kind, data)
            job.unconfirmed += len(data)
            self._keep_pace(job)

    def _keep_pace(self, job: Job) -> None:
        """Have the node hold its output when it is not taken here, and go on when it is."""
        held = job.unconfirmed > (_HOLD_BELOW if job.held else _HOLD_ABOVE)
        if held != job.held:
            job.held = held
            self._say(posix_lines.word(self._number, "hold" if held else "on"))

    def _data(self, line: Line) -> bytes:
        _place, _space, data = line.text.partition(" ")
        return posix_lines.unarmour(self._armour, data)

    def _stream(self, job: Job) -> t.Generator[None, Line | None, Content]:
        """Say the request's stream as fast as it is read; return what it was."""
        content = Content()
        self._place = 0
        damage = None
        while not (damage or job.cancelled or (job.ended and not job.parts)):
            if not job.parts:
                yield
                continue
            # They stay what has not been said until the node has them: it may turn out to be another program by now.
            data, count = job.next_parts()
            content.update(data)
            damage = yield from self._part(data)
            self._credit(job, sum(job.parts.popleft()[1] for _part in range(count)))
        self._step("end")
        told = yield from self._wait("d")
        if damage is not None:
            raise damage
        content.check(self._checker, told.text)
        return content

    def _part(self, data: bytes) -> t.Generator[None, Line | None, Damaged | None]:
        """Have the node keep a part of a stream; return what is wrong with it there.

        A program that reads bytes may get some twice, which a shell that reads lines sees.
        """
        part = Content()
        part.update(data)
        block = posix_lines.block(self._armour, data)
        yield from self._announce("bytes", len(block))
        self._say(block)
        told = yield from self._wait("c")
        if not part.matches(self._checker, told.text):
            texts = posix_lines.texts(self._armour, data)
            yield from self._announce("lines", len(texts))
            for text in texts:
                self._step("d", text)
            told = yield from self._wait("c")
        try:
            part.check(self._checker, told.text)
        except Damaged as damage:
            return damage
        self._step("keep")
        return None

    def _announce(self, what: str, count: int) -> Script:
        """Say what will carry a part of a stream, and wait until the node waits for it."""
        self._step(what, count)
        yield from self._wait("r")

    def _step(self, what: str, rest: int | str = "") -> None:
        self._say(posix_lines.step(self._number, self._place, what, rest))
        self._place += 1


_CODE = struct.Struct(">I")


def _facts(content: Content) -> bytes:
    return json.dumps({"size": content.size, "sha256": content.sha256.hexdigest()}).encode()


def _check_announced(content: Content, wanted: dict[str, t.Any]) -> None:
    found = content.sha256.hexdigest()
    if wanted.get("sha256") not in (None, found):
        raise Damaged(f"SHA-256 of the received file is {found}, not {wanted['sha256']}")


_SCRIPTS: dict[int, t.Callable[[Conversation, Job], Script]] = {
    Kind.EXEC: Conversation._execute,
    Kind.PUT: Conversation._put,
    Kind.GET: Conversation._get,
}
