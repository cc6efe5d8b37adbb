# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conversation with a shell: whatever is asked in whatever order, each request is carried out once and answered once."""

from __future__ import annotations

import base64
import binascii
import collections
import dataclasses
import hashlib
import json
import random
import re

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.cutting import Segment
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.exchange import Exchange
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.figures import RoundTrips
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Frame, Kind
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.pieces import PieceLedger
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.posix_conversation import Conversation
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.posix_lines import Line
from hypothesis import given, settings
from hypothesis import strategies as st

_MARK = b"0123456789abcdef0123456789abcdef"


def _text(escaped: str) -> bytes:
    return re.sub(rb"\\0([0-7]{3})", lambda found: bytes([int(found[1], 8)]), escaped.encode())


class Shell:
    """What posix.sh does, in a few words: commands write their input and then themselves; a file is a member of a dictionary."""

    def __init__(self) -> None:
        self.lines: collections.deque[Line] = collections.deque()
        self.files: dict[str, bytes] = {}
        self.ran: list[bytes] = []
        self._request = 0
        self._place = 0
        self._argument = b""
        self._spooled: dict[str, bytes] = {}
        self._target = ""
        self._stream: bytearray | None = None
        self._part = b""
        self._awaited = ("", 0)
        self.say("h", "base64 sha256sum 0 root")

    def say(self, name: str, text: str = "") -> None:
        self.lines.append(Line(name, self._request, text))

    def take(self, line: bytes, *, twice: bool) -> None:
        """Take what arrives, or arrives with something else once more."""
        if self._awaited[0] == "bytes":
            self._take_bytes(line[:9] + line if twice else line)
            return
        for _time in range(2 if twice else 1):
            self._take_line(line)

    def _take_bytes(self, text: bytes) -> None:
        try:
            self._part = base64.b64decode(text[: self._awaited[1]])
        except binascii.Error:
            self._part = b""
        self._awaited = ("", 0)
        self.say("c", hashlib.sha256(self._part).hexdigest())

    def _take_line(self, line: bytes) -> None:
        number, what, *rest = line.decode().rstrip("\n").split(" ", 2)
        if self._stream is not None:
            if (number, what) == (str(self._request), str(self._place)):
                self._place += 1
                self._take_step(*rest[0].split(" ", 1))
        elif number == str(self._request + 1):
            self._request += 1
            self._argument += _text(rest[0][1:-1])
            if what not in ("look", "more"):
                argument, self._argument = self._argument, b""
                getattr(self, f"do_{what}")(argument)

    def _take_step(self, what: str, rest: str = "") -> None:
        assert self._stream is not None
        if what in ("bytes", "lines"):
            self._awaited, self._part = (what, int(rest)), b""
            self.say("r")
        elif what == "d":
            self._part += base64.b64decode(rest.replace(" ", ""), validate=True)
            self._awaited = ("lines", self._awaited[1] - 1)
            if self._awaited[1] == 0:
                self.say("c", hashlib.sha256(self._part).hexdigest())
        elif what == "keep":
            self._stream += self._part
        else:
            self._spooled[self._target] = bytes(self._stream)
            self._stream = None
            self.say("d", hashlib.sha256(self._spooled[self._target]).hexdigest() + "  -")

    def _receive(self, target: str) -> None:
        self._target, self._stream, self._place = target, bytearray(), 0

    def _print(self, name: str, data: bytes) -> None:
        for place, start in enumerate(range(0, len(data), 50)):
            self.say(name, f"{place} {base64.b64encode(data[start : start + 50]).decode()}")
        self.say(f"{name}.", str(-(-len(data) // 50)))

    def do_spool(self, name: bytes) -> None:
        self._receive(name.decode())

    def do_put(self, path: bytes) -> None:
        self._receive(path.decode())

    def do_name(self, _argument: bytes) -> None:
        self.files[self._target] = self._spooled.pop(self._target)
        self.say("z")

    def do_drop(self, _argument: bytes) -> None:
        self._spooled.clear()
        self.say("z")

    def do_nothing(self, _argument: bytes) -> None:
        self.say("z")

    def do_run(self, command: bytes) -> None:
        command = self._spooled.pop("c", command)
        self.ran.append(command)
        self.say("x", "7")
        self._print("o", self._spooled.pop("i", b"") + _MARK + _MARK)
        self._print("e", command + _MARK + _MARK)
        self.say("z")

    def do_get(self, path: bytes) -> None:
        content = self.files.get(path.decode())
        if content is None:
            self.say("f", f"ENOENT {base64.b64encode(b'No such file').decode()}")
            return
        self.say("n", str(len(content)))
        # It has grown meanwhile.
        self._print("b", content + b"more")
        self.say("z", hashlib.sha256(content).hexdigest())


@dataclasses.dataclass
class Both:
    """A conversation and what is at its two ends; nothing moves but by ``step``."""

    shell: Shell = dataclasses.field(default_factory=Shell)
    answers: dict[int, list[Frame]] = dataclasses.field(default_factory=lambda: collections.defaultdict(list))
    said: collections.deque[bytes] = dataclasses.field(default_factory=collections.deque)

    def __post_init__(self) -> None:
        self.conversation = Conversation(self.said.append, self._answer, _MARK, "Install one.")
        self.ledger = PieceLedger()

    def _answer(self, frame: Frame) -> None:
        self.answers[frame.request].append(frame)

    def exchange(self, request: int) -> Exchange:
        return Exchange(request, self.ledger, self.conversation.take, RoundTrips())

    def step(self, *, up: bool, twice: bool = False) -> bool:
        """Let one line arrive; False when there was none."""
        if up and self.said:
            line = self.said.popleft()
            self.shell.take(line, twice=twice)
            return True
        if not up and self.shell.lines:
            self.conversation.hear(self.shell.lines.popleft())
            return True
        return False

    def settle(self) -> None:
        while self.step(up=True) or self.step(up=False):
            pass

    def end(self, request: int) -> Frame:
        """Return the last answer; there must be one that ends the request, and none behind it."""
        ends = [frame for frame in self.answers[request] if frame.kind in (Kind.EXIT, Kind.DONE, Kind.FAIL)]
        assert ends == self.answers[request][-1:]
        return ends[0]

    def output(self, request: int, kind: Kind) -> bytes:
        return b"".join(frame.body for frame in self.answers[request] if frame.kind == kind)


_CONTENT = st.one_of(st.binary(max_size=200), st.binary(min_size=1, max_size=40).map(lambda data: data * 3000))
_COMMAND = st.one_of(st.binary(max_size=200), st.just(b"x" * 110_000))


@st.composite
def _requests(draw: st.DrawFn) -> list[tuple[str, bytes, bytes, bool]]:
    kinds = st.sampled_from(["exec", "put", "get"])
    return draw(st.lists(st.tuples(kinds, _COMMAND, _CONTENT, st.booleans()), min_size=1, max_size=6))


def _order(path: str, content: bytes) -> bytes:
    return json.dumps({"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}).encode()


def _open(exchange: Exchange, kind: str, command: bytes, content: bytes, *, at_once: bool) -> list[tuple[bytes, bool]]:
    """Begin a request; return the parts of its stream that are to be written later."""
    if kind == "get":
        exchange.open(Kind.GET, json.dumps({"path": "file"}).encode(), last=True)
        return []
    order = command if kind == "exec" else _order("file", content)
    first = [Segment((content,))] if at_once and content else []
    exchange.open(Kind.EXEC if kind == "exec" else Kind.PUT, order, first, last=at_once)
    half = len(content) // 2
    return [] if at_once else [(content[:half], False), (content[half:], True)]


@settings(max_examples=30)
@given(_requests(), st.integers(0, 1000))
def test_every_request_is_carried_out_once_and_answered_once(requests, seed) -> None:  # type: ignore[no-untyped-def]
    both, moves = Both(), random.Random(seed)
    waiting: list[tuple[int, bytes, bool]] = []
    for number, (kind, command, content, at_once) in enumerate(requests, start=1):
        parts = _open(both.exchange(number), kind, command, content, at_once=at_once)
        waiting += [(number, data, last) for data, last in parts]
    while both.said or both.shell.lines or waiting:
        if (waiting and moves.random() < 0.05) or not (both.said or both.shell.lines):
            number, data, last = waiting.pop(0)
            recipe = both.ledger.recipe([Segment((data,))]) if data else b""
            both.conversation.take(Frame(Kind.DATA, number, recipe, last))
        else:
            both.step(up=moves.random() < 0.5, twice=moves.random() < 0.2)

    file: bytes | None = None
    for number, (kind, command, content, _at_once) in enumerate(requests, start=1):
        end = both.end(number)
        if kind == "exec":
            assert end == Frame(Kind.EXIT, number, (7).to_bytes(4, "big"))
            assert both.output(number, Kind.STDOUT) == content
            assert both.output(number, Kind.STDERR) == command
        elif kind == "put":
            file = content
            assert end.kind == Kind.DONE
        else:
            assert end.kind == (Kind.FAIL if file is None else Kind.DONE)
            assert both.output(number, Kind.DATA) == (file or b"")
    assert both.shell.ran == [command for kind, command, _content, _at_once in requests if kind == "exec"]


@settings(max_examples=30)
@given(_requests(), st.integers(0, 5), st.integers(0, 400))
def test_a_request_that_is_given_up_at_any_moment_harms_no_other(requests, doomed, moment) -> None:  # type: ignore[no-untyped-def]
    both = Both()
    exchanges = [both.exchange(number) for number in range(1, len(requests) + 1)]
    for exchange, (kind, command, content, _at_once) in zip(exchanges, requests, strict=True):
        _open(exchange, kind, command, content, at_once=True)
    for step in range(moment):
        both.step(up=bool(step % 3))
    exchanges[doomed % len(exchanges)].cancel()
    both.settle()
    for number, (kind, _command, content, _at_once) in enumerate(requests, start=1):
        if number - 1 != doomed % len(exchanges):
            end = both.end(number)
            assert kind != "exec" or (end.kind, both.output(number, Kind.STDOUT)) == (Kind.EXIT, content)
    assert len(both.shell.ran) <= len([kind for kind, *_others in requests if kind == "exec"])


def test_requests_that_have_not_begun_are_handed_over_whole_with_their_credit() -> None:
    both = Both()
    exchanges = [both.exchange(number) for number in (1, 2, 3)]
    content = b"some line\n" * 1000
    for exchange in exchanges:
        exchange.open(Kind.EXEC, b"cat", [Segment((content,))], last=True)
    exchanges[1].cancel()
    both.step(up=False)
    both.step(up=True)

    jobs = both.conversation.hand_over()
    assert [(job.request, job.order, job.content, job.ended) for job in jobs] == [
        (1, b"cat", content, True),
        (3, b"cat", content, True),
    ]
    assert int(both.output(1, Kind.CREDIT)) > len(content) > int(both.output(3, Kind.CREDIT)) > 0


def test_a_stream_waits_until_the_node_reads_it() -> None:
    both = Both()
    both.exchange(1).open(Kind.PUT, _order("file", b"x"), [Segment((b"x" * 1_000_000,), passing=True)])
    both.step(up=False)
    assert sum(map(len, both.said)) < 1000


def test_output_that_is_not_taken_is_held_on_the_node_until_it_is() -> None:
    both = Both()
    both.exchange(1).open(Kind.EXEC, b"yes", last=True)
    both.step(up=False)
    both.said.clear()
    data = base64.b64encode(b"y\n" * 300_000).decode()
    for place in range(3):
        both.conversation.hear(Line("o", 2, f"{place} {data}"))
    assert list(both.said) == [b"2 hold\n"]
    both.conversation.take(Frame(Kind.CREDIT, 1, b"1500000"))
    assert list(both.said) == [b"2 hold\n", b"2 on\n"]


def test_what_was_damaged_is_not_given_its_name() -> None:
    both = Both()
    both.exchange(1).open(Kind.PUT, _order("file", b"sound"), [Segment((b"other",))], last=True)
    both.settle()
    end = both.end(1)
    assert (end.kind, both.shell.files) == (Kind.FAIL, {})
    assert "SHA-256 of the received file is" in json.loads(end.body)["message"]


def test_output_that_ends_without_the_mark_is_whole() -> None:
    both = Both()
    both.exchange(1).open(Kind.EXEC, b"true", last=True)
    both.step(up=False)
    both.said.clear()
    for name, text in (("x", "0"), ("o", "0 " + base64.b64encode(b"all").decode()), ("o.", "1"), ("e.", "0"), ("z", "")):
        both.conversation.hear(Line(name, 2, text))
    assert (both.output(1, Kind.STDOUT), both.end(1).kind) == (b"all", Kind.EXIT)


def test_output_of_which_a_line_got_lost_is_not_called_whole() -> None:
    both = Both()
    both.exchange(1).open(Kind.EXEC, b"true", last=True)
    both.step(up=False)
    for name, text in (("x", "0"), ("o", "1 " + base64.b64encode(b"end").decode()), ("o.", "2"), ("e.", "0"), ("z", "")):
        both.conversation.hear(Line(name, 2, text))
    told = json.loads(both.end(1).body)
    assert told["code"] == "LOST"
    assert "a part of what it printed was lost" in told["message"]


def test_a_command_whose_end_is_not_known_is_not_called_ended() -> None:
    both = Both()
    both.exchange(1).open(Kind.EXEC, b"true", last=True)
    both.step(up=False)
    both.conversation.hear(Line("z", 2, ""))
    told = json.loads(both.end(1).body)
    assert told["code"] == "LOST"
    assert "whether it was carried out is not known" in told["message"]


@pytest.mark.parametrize("missing", ["dd", "base64|openssl|perl|od"])
def test_a_node_that_lacks_programs_fails_the_session(missing: str) -> None:
    both = Both()
    both.conversation.hear(Line("h", 0, f" cksum 0 root {missing}"))
    (told,) = both.answers[0]
    assert told.kind == Kind.FAIL
    assert missing.replace("|", " or ") in json.loads(told.body)["message"]
