# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program in POSIX sh on a terminal: in every shell at hand, with whatever programs a machine has."""

from __future__ import annotations

import asyncio
import collections.abc
import hashlib
import os
import pathlib
import random
import shutil
import stat
import sys
import time
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import exchange, failures, posix_conversation, session
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.flags import Flags
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Kind
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.node import ManagedNode
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.settings import NodeSettings

from tests.unit.plugins.plugin_utils._session.pty_channel import LocalService, PtyChannel

_Result = t.TypeVar("_Result")
_Answer = tuple[int, bytes, bytes]

_SHELLS = ("dash", "bash", "busybox", "ksh", "mksh", "yash")
_ARMOURS = ("base64", "openssl", "perl", "od")
_CHECKERS = ("sha256sum", "shasum", "openssl", "cksum", "wc")

#: what every machine has, and what not every shell has built in
_PROGRAMS = ("cat", "chmod", "dd", "head", "id", "mkdir", "mv", "readlink", "rm", "setsid", "sleep", "stat", "stty", "wc")
_BUILT_IN = ("[", "echo", "kill", "printf")

#: what terminals change, all bytes, and enough of them for several blocks
_NASTY = b"\r\n\r\0\x03\x04\x11\x13\x1c\xef\xbf\xbd\xff<AAAA\n@ready\n>o 1 1 x\n" + random.Random(1).randbytes(30_000)


class Machine:
    """A folder of programs, which is all that a node has."""

    def __init__(self, folder: pathlib.Path, shell: str = "dash") -> None:
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.home = folder / "home"
        self.home.mkdir()
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.service = LocalService()
        self.python = self.home / "python3"
        self.add(*_PROGRAMS, *_BUILT_IN, "base64", "sha256sum")
        path = shutil.which(shell)
        if path is None:
            pytest.skip(f"{shell} is not on this machine")
        (self.programs / "sh").symlink_to(path)

    def add(self, *programs: str) -> None:
        """Install programs."""
        for program in programs:
            path = shutil.which(program)
            if path is None:
                pytest.skip(f"{program} is not on this machine")
            (self.programs / program).symlink_to(path)

    def remove(self, *programs: str) -> None:
        """Remove programs."""
        for program in programs:
            (self.programs / program).unlink()

    def replace(self, program: str, script: str) -> None:
        """Have a script in the place of a program."""
        self.remove(program)
        (self.programs / program).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (self.programs / program).chmod(0o755)

    def node(self) -> ManagedNode:
        """Return the node, for one session."""
        settings = NodeSettings("i-0123456789abcdef0", "test", ("no-such-python", str(self.python)), 20.0, 60.0, 120.0)
        return ManagedNode(t.cast("t.Any", self.service), settings)


@pytest.fixture
def machine(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with the shell that most have."""
    return _boot(Machine(tmp_path), monkeypatch)


@pytest.fixture(params=_SHELLS)
def any_machine(request: pytest.FixtureRequest, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with each shell."""
    return _boot(Machine(tmp_path, request.param), monkeypatch)


def _boot(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(session, "Channel", PtyChannel)
    monkeypatch.setattr(PtyChannel, "shell", str(machine.programs / "sh"))
    environment = {"PATH": str(machine.programs), "HOME": str(machine.home), "TMPDIR": str(machine.temporary), "TERM": "xterm"}
    monkeypatch.setattr(PtyChannel, "environment", environment)
    return machine


async def _run(node: ManagedNode, command: str, stdin: bytes = b"", flags: int = 0) -> _Answer:
    output = {Kind.STDOUT: b"", Kind.STDERR: b""}
    async for result in node.execute(command, stdin, flags=flags):
        if result.kind is Kind.EXIT:
            return result.code, output[Kind.STDOUT], output[Kind.STDERR]
        output[result.kind] += result.data
    raise AssertionError("there was no exit code")


async def _put(node: ManagedNode, path: pathlib.Path, content: bytes, digest: str = "") -> None:
    async def blocks() -> collections.abc.AsyncIterator[bytes]:
        for start in range(0, len(content), 65536):
            yield content[start : start + 65536]

    await node.put(str(path), len(content), digest or hashlib.sha256(content).hexdigest(), blocks())


async def _get(node: ManagedNode, path: pathlib.Path) -> bytes:
    return b"".join([result.data async for result in node.get(str(path))])


def _finish(machine: Machine, work: t.Callable[[ManagedNode], collections.abc.Coroutine[t.Any, t.Any, _Result]]) -> _Result:
    """Do something with a machine, and end its session."""

    async def both() -> _Result:
        node = machine.node()
        try:
            return await asyncio.wait_for(work(node), 60)
        finally:
            await node.reset()

    return asyncio.run(both())


async def _appeared(path: pathlib.Path) -> str:
    """Wait for a file with a line in it, and return that."""
    while not (path.exists() and path.read_text().endswith("\n")):
        await asyncio.sleep(0.01)
    return path.read_text().strip()


def _ended(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while _lives(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _lives(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    try:
        return pathlib.Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


# -- in every shell ---------------------------------------------------------------------------------------------------


def test_any_bytes_go_in_and_come_out_apart_with_the_code(any_machine: Machine) -> None:
    answer = _finish(any_machine, lambda node: _run(node, "cat; printf 'e\\r\\0\\n' >&2; exit 3", _NASTY))
    assert answer == (3, _NASTY, b"e\r\0\n")


def test_a_file_goes_there_and_back_exactly(any_machine: Machine) -> None:
    path = any_machine.home / " it's a\tname "

    async def both(node: ManagedNode) -> bytes:
        await _put(node, path, _NASTY)
        return await _get(node, path)

    assert _finish(any_machine, both) == _NASTY
    assert path.read_bytes() == _NASTY


def test_a_stopped_command_is_hung_up_and_the_next_one_runs(any_machine: Machine) -> None:
    told = any_machine.home / "pid"

    async def stop(node: ManagedNode) -> tuple[int, _Answer]:
        task = asyncio.ensure_future(_run(node, f"sleep 60 & echo $$ > {told}; wait"))
        pid = int(await _appeared(told))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return pid, await _run(node, "echo next")

    pid, answer = _finish(any_machine, stop)
    assert answer == (0, b"next\n", b"")
    assert _ended(pid)


def test_each_line_may_arrive_twice(any_machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    once = PtyChannel.send

    def twice(channel: PtyChannel, data: bytes) -> None:
        once(channel, data)
        once(channel, data)

    monkeypatch.setattr(PtyChannel, "send", twice)
    path = any_machine.home / "file"

    async def all_of_it(node: ManagedNode) -> tuple[_Answer, _Answer]:
        first = await _run(node, f"echo x >> {path}; cat", _NASTY)
        await _put(node, any_machine.home / "other", _NASTY)
        return first, await _run(node, f"cat {path}; echo {'long ' * 1000}")

    first, second = _finish(any_machine, all_of_it)
    assert first == (0, _NASTY, b"")
    assert second == (0, b"x\n" + b" ".join([b"long"] * 1000) + b"\n", b"")
    assert (any_machine.home / "other").read_bytes() == _NASTY


def test_once_there_is_a_python_it_takes_over_in_the_same_session(any_machine: Machine) -> None:
    async def install(node: ManagedNode) -> list[_Answer]:
        answers = [await _run(node, "echo $PPID; echo shell")]
        assert node.lacks_python
        any_machine.python.symlink_to(sys.executable)
        # Two at once, which only the Python program does, one of them with input that has been cut into pieces before.
        answers += await asyncio.gather(_run(node, "sleep 0.2; cat", b"line\n" * 1000), _run(node, "echo python"))
        assert not node.lacks_python
        return [*answers, await _run(node, "cat", b"line\n" * 1000)]

    shell, slow, quick, again = _finish(any_machine, install)
    assert shell[1].endswith(b"\nshell\n")
    assert slow == again == (0, b"line\n" * 1000, b"")
    assert quick == (0, b"python\n", b"")
    assert len(any_machine.service.started) == 1


def test_a_command_that_was_killed_has_a_shells_code(any_machine: Machine) -> None:
    assert _finish(any_machine, lambda node: _run(node, "kill -9 $$")) == (137, b"", b"")


# -- with what there is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("armour", _ARMOURS)
def test_one_program_that_armours_is_enough(machine: Machine, armour: str) -> None:
    machine.remove("base64")
    machine.add(armour)
    path = machine.home / "file"

    async def all_of_it(node: ManagedNode) -> tuple[_Answer, bytes]:
        answer = await _run(node, "cat; cat /nowhere", _NASTY)
        await _put(node, path, _NASTY)
        return answer, await _get(node, path)

    (code, out, err), content = _finish(machine, all_of_it)
    assert (code, out, content) == (1, _NASTY, _NASTY)
    assert err.endswith(b"No such file or directory\n")


@pytest.mark.parametrize("checker", _CHECKERS)
def test_a_file_that_was_damaged_on_the_way_is_refused(machine: Machine, checker: str) -> None:
    base64 = shutil.which("base64")
    machine.replace("base64", f'case $1 in -d) {base64} -d | /bin/sed s/whole/brok/ ;; *) {base64} "$@" ;; esac')
    machine.remove("sha256sum", "wc")
    machine.add(checker)
    path = machine.home / "file"

    async def both(node: ManagedNode) -> None:
        await _put(node, path, b"sound")
        await _put(node, path, b"whole")

    with pytest.raises(failures.TransferFailed, match=r"of the received file is .*, not "):
        _finish(machine, both)
    assert path.read_bytes() == b"sound"
    assert [entry.name for entry in machine.home.iterdir()] == ["file"]


def test_a_machine_that_lacks_too_much_is_told_what_it_lacks(machine: Machine) -> None:
    machine.remove("base64", "dd")
    with pytest.raises(
        failures.NodeUnreachable, match=r"lacks what to do without one: dd, base64 or openssl or perl or od\. .*has no"
    ):
        _finish(machine, lambda node: _run(node, "true"))


def test_without_setsid_commands_run_and_are_stopped_too(machine: Machine) -> None:
    machine.remove("setsid")
    test_a_stopped_command_is_hung_up_and_the_next_one_runs(machine)


def test_the_agents_default_document_will_do(machine: Machine) -> None:
    machine.service.refusals["AWS-StartInteractiveCommand"] = failures.ActionDenied("denied")
    assert _finish(machine, lambda node: _run(node, "cat", b"input")) == (0, b"input", b"")
    assert machine.service.started == ["AWS-StartInteractiveCommand", "SSM-SessionManagerRunShell"]


# -- commands ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3_000, 90_000, 130_000])
def test_a_command_of_any_length_arrives_whole(machine: Machine, size: int) -> None:
    word = random.Random(2).randbytes(size // 2).hex()
    assert _finish(machine, lambda node: _run(node, f"printf %s '{word}'\n\nexit 4")) == (4, word.encode(), b"")


def test_commands_wait_for_their_turn(machine: Machine) -> None:
    async def both(node: ManagedNode) -> list[_Answer]:
        path = machine.home / "order"
        return list(await asyncio.gather(_run(node, f"sleep 0.2; echo 1 >> {path}"), _run(node, f"echo 2 >> {path}; cat {path}")))

    assert _finish(machine, both)[1] == (0, b"1\n2\n", b"")


def test_a_command_that_waits_and_is_given_up_never_runs(machine: Machine) -> None:
    async def give_up(node: ManagedNode) -> None:
        first = asyncio.ensure_future(_run(node, "sleep 0.3"))
        second = asyncio.ensure_future(_run(node, f"echo > {machine.home}/ran"))
        await asyncio.sleep(0.1)
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        await _run(node, "true")

    _finish(machine, give_up)
    assert list(machine.home.iterdir()) == []


def test_what_a_command_leaves_running_is_not_waited_for(machine: Machine) -> None:
    told = machine.home / "pid"
    begun = time.monotonic()
    answer = _finish(machine, lambda node: _run(node, f"sleep 60 & echo $! > {told}; echo early"))
    os.kill(int(told.read_text()), 9)
    assert answer == (0, b"early\n", b"")
    assert time.monotonic() - begun < 30


def test_a_command_has_no_terminal_and_default_signals(machine: Machine) -> None:
    command = "test -t 0 || test -t 1 || test -t 2 || echo none; (: < /dev/tty) 2>/dev/null || echo none; cat /proc/self/status"
    code, out, _err = _finish(machine, lambda node: _run(node, command))
    ignored = next(int(line.split()[1], 16) for line in out.splitlines() if line.startswith(b"SigIgn"))
    assert code == 0
    assert out.startswith(b"none\nnone\n")
    # Hang-up, interrupt, quit, terminate.
    assert ignored & 0b100_0000_0000_0111 == 0


def test_a_command_finds_the_environment_and_folder_of_a_login(machine: Machine) -> None:
    code, out, _err = _finish(machine, lambda node: _run(node, "pwd; cat /proc/$$/environ"))
    folder, _newline, environment = out.partition(b"\n")
    names = {variable.partition(b"=")[0] for variable in environment.split(b"\0")} - {b""}
    assert (code, folder.decode()) == (0, str(machine.home))
    assert names - {b"PWD"} == {b"PATH", b"HOME", b"TMPDIR"}


@pytest.mark.parametrize("flag", [Flags.TERMINAL, Flags.CONVERSES])
def test_become_that_asks_is_refused_with_advice(machine: Machine, flag: Flags) -> None:
    with pytest.raises(failures.PythonMissing, match=r"needs a Python on the node\. .*apt-get install -y python3"):
        _finish(machine, lambda node: _run(node, "sudo id", flags=flag))


def test_become_that_asks_goes_to_a_python_that_has_come_meanwhile(machine: Machine) -> None:
    async def install(node: ManagedNode) -> _Answer:
        await _run(node, "true")
        machine.python.symlink_to(sys.executable)
        return await _run(node, "test -t 0 && echo terminal", flags=Flags.TERMINAL)

    assert _finish(machine, install) == (0, b"terminal\n", b"")


# -- files ------------------------------------------------------------------------------------------------------------


def test_a_file_keeps_the_mode_of_the_one_it_replaces(machine: Machine) -> None:
    path, new = machine.home / "file", machine.home / "new"
    path.write_bytes(b"old")
    path.chmod(0o750)

    async def both(node: ManagedNode) -> None:
        await _put(node, path, b"new")
        await _put(node, new, b"")

    _finish(machine, both)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o750)
    assert (new.read_bytes(), stat.S_IMODE(new.stat().st_mode)) == (b"", 0o644)


@pytest.mark.parametrize("lacking", ["", "readlink"])
def test_a_link_is_followed(machine: Machine, lacking: str) -> None:
    path, link = machine.home / "file", machine.home / "link"
    path.write_bytes(b"old")
    link.symlink_to("file")
    machine.remove(*lacking.split())
    _finish(machine, lambda node: _put(node, link, b"new"))
    assert link.is_symlink()
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("home", failures.TransferFailed, "Is a directory"),
        ("nowhere/file", failures.FileMissing, "No such file or directory"),
    ],
)
def test_where_no_file_can_be_is_told(machine: Machine, path: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        _finish(machine, lambda node: _put(node, machine.home.parent / path, b"new"))


def test_a_device_is_written_to_and_stays_one(machine: Machine) -> None:
    _finish(machine, lambda node: _put(node, pathlib.Path("/dev/null"), b"new"))
    assert pathlib.Path("/dev/null").is_char_device()


def test_a_file_that_is_not_what_was_announced_leaves_nothing(machine: Machine) -> None:
    with pytest.raises(failures.TransferFailed, match="SHA-256 of the received file is"):
        _finish(machine, lambda node: _put(node, machine.home / "file", b"new", "0" * 64))
    assert list(machine.home.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("nowhere", failures.FileMissing, "No such file or directory"),
        ("home", failures.TransferFailed, "Not a regular file"),
    ],
)
def test_what_cannot_be_fetched_is_told(machine: Machine, path: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        _finish(machine, lambda node: _get(node, machine.home.parent / path))


def test_a_file_that_only_shows_its_size_when_it_is_read_is_fetched(machine: Machine) -> None:
    assert _finish(machine, lambda node: _get(node, pathlib.Path("/proc/version"))) == pathlib.Path("/proc/version").read_bytes()


def test_a_fetch_that_is_given_up_stops(machine: Machine) -> None:
    path = machine.home / "file"
    path.write_bytes(_NASTY * 50)

    async def give_up(node: ManagedNode) -> _Answer:
        async for _result in node.get(str(path)):
            break
        begun = time.monotonic()
        answer = await _run(node, "echo next")
        assert time.monotonic() - begun < 10
        return answer

    assert _finish(machine, give_up) == (0, b"next\n", b"")


def test_a_file_is_not_sent_faster_than_it_is_taken(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "AHEAD", 400_000)
    monkeypatch.setattr(exchange, "_CONFIRM_AFTER", 20_000)
    monkeypatch.setattr(posix_conversation, "_HOLD_ABOVE", 100_000)
    monkeypatch.setattr(posix_conversation, "_HOLD_BELOW", 50_000)
    path = machine.home / "file"
    path.write_bytes(_NASTY * 40)

    async def take_slowly(node: ManagedNode) -> bytes:
        received = b""
        async for result in node.get(str(path)):
            if not received:
                # In this time more would come than is put up with.
                await asyncio.sleep(2)
            received += result.data
        return received

    assert _finish(machine, take_slowly) == _NASTY * 40


def test_a_transfer_that_is_given_up_leaves_nothing(machine: Machine) -> None:
    async def give_up(node: ManagedNode) -> None:
        async def blocks() -> collections.abc.AsyncIterator[bytes]:
            yield b"begun"
            await asyncio.sleep(60)

        task = asyncio.ensure_future(node.put(str(machine.home / "file"), 1_000_000, "0" * 64, blocks()))
        while not list(machine.home.iterdir()):
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await _run(node, "true")

    _finish(machine, give_up)
    assert list(machine.home.iterdir()) == []


# -- ends -------------------------------------------------------------------------------------------------------------


def test_a_killed_session_leaves_no_command_and_no_file(machine: Machine) -> None:
    told = machine.home / "pid"

    async def kill(node: ManagedNode) -> int:
        # The command's parents: what starts commands, the program, the terminal's leader, which is what an agent kills.
        command = f"""
            parent() {{ while read -r name value; do case $name in PPid:) echo $value ;; esac; done < /proc/$1/status; }}
            leader=$PPID
            while [ "$leader" != {os.getpid()} ]; do shell=$leader leader=$(parent $leader); done
            echo $$ > {told}; cat; kill -9 $shell; sleep 60"""
        with pytest.raises(failures.NodeUnreachable):
            await _run(node, command, b"input")
        return int(await _appeared(told))

    assert _ended(_finish(machine, kill))
    assert list(machine.temporary.iterdir()) == []


def test_what_commands_read_leaves_no_file(machine: Machine) -> None:
    async def look(node: ManagedNode) -> _Answer:
        await _run(node, "cat", b"secret")
        return await _run(node, f"cat {machine.temporary}/.ansible-ssm-*/* && echo found", b"secret")

    code, out, _err = _finish(machine, look)
    assert (code, out) == (1, b"")
