# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program for Windows nodes, run by Mono on a simulated console; PowerShell itself and Windows's own calls are not there."""

from __future__ import annotations

import asyncio
import collections.abc
import functools
import hashlib
import os
import pathlib
import random
import shutil
import time
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import failures, session
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Kind
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.node import ManagedNode
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.openings import INTERACTIVE_DOCUMENT
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.settings import NodeSettings
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.windows_command import command_line

from tests.emulator.agent.console import Console
from tests.emulator.agent.isolation import write_windows_programs
from tests.unit.plugins.plugin_utils._session.console_channel import ConsoleChannel
from tests.unit.plugins.plugin_utils._session.pty_channel import LocalService

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("mono", "mcs"))),
    reason="mono and mcs are not installed: nothing to run C# with (on Debian: apt-get install mono-mcs)",
)

_Result = t.TypeVar("_Result")
_COPY = "[Console]::OpenStandardInput().CopyTo([Console]::OpenStandardOutput())"


class Windows:
    """A node and the loop that its sessions live in; a session costs a second or two, so most tests share one."""

    def __init__(self, service: LocalService) -> None:
        settings = NodeSettings("i-0123456789abcdef0", "test", (), 30.0, 60.0, 60.0, windows=True)
        self.service = service
        self.node = ManagedNode(t.cast("t.Any", service), settings)
        self._loop = asyncio.new_event_loop()

    def do(self, work: collections.abc.Coroutine[t.Any, t.Any, _Result]) -> _Result:
        return self._loop.run_until_complete(asyncio.wait_for(work, 90))

    def close(self) -> None:
        self.do(self.node.reset())
        self._loop.close()

    async def run(self, script: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        output = {Kind.STDOUT: b"", Kind.STDERR: b""}
        async for result in self.node.execute(command_line(script), stdin):
            if result.kind is Kind.EXIT:
                return result.code, output[Kind.STDOUT], output[Kind.STDERR]
            output[result.kind] += result.data
        raise AssertionError("there was no exit code")

    async def put(self, path: str, content: bytes, digest: str = "") -> None:
        await self.node.put(path, len(content), digest or hashlib.sha256(content).hexdigest(), _blocks(content))

    async def get(self, path: str) -> bytes:
        return b"".join([result.data async for result in self.node.get(path)])


async def _blocks(content: bytes) -> collections.abc.AsyncIterator[bytes]:
    for start in range(0, len(content), 32 * 1024):
        yield content[start : start + 32 * 1024]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> collections.abc.Iterator[pathlib.Path]:
    """The user's folder on a simulated Windows node, which this process is for a while."""
    programs, home = tmp_path_factory.mktemp("programs"), tmp_path_factory.mktemp("home")
    write_windows_programs(programs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        patch.setenv("HOME", str(home))
        patch.setattr(session, "Channel", ConsoleChannel)
        yield home


@pytest.fixture(scope="module")
def windows(home: pathlib.Path) -> collections.abc.Iterator[Windows]:
    """A node whose session is used by one test after the other."""
    node = Windows(LocalService())
    yield node
    node.close()


@pytest.fixture
def fresh(home: pathlib.Path) -> collections.abc.Iterator[Windows]:
    """A node without a session."""
    node = Windows(LocalService())
    yield node
    node.close()


# -- commands ---------------------------------------------------------------------------------------------------------


def test_a_command_has_its_streams_and_code_apart(windows: Windows) -> None:
    code, out, err = windows.do(windows.run("Write-Output 'out'\nWrite-Error 'err'\nexit 3"))
    assert (code, out) == (3, b"out\r\n")
    assert err.startswith(b"#< CLIXML\r\n")
    assert windows.service.started == [INTERACTIVE_DOCUMENT]


def test_input_and_output_are_the_same_to_the_byte(windows: Windows) -> None:
    data = random.Random(1).randbytes(90_000) + bytes(range(256)) + b"\r\n\x00\xef\xbf\xbd"
    assert windows.do(windows.run(_COPY, data)) == (0, data, b"")


def test_what_was_sent_before_is_not_sent_again(windows: Windows) -> None:
    data = b"".join(b"%d: a line of a module\n" % number for number in range(4000))

    async def twice() -> tuple[int, int]:
        assert await windows.run(_COPY, data) == (0, data, b"")
        first = windows.node.figures.bytes_up
        assert await windows.run(_COPY, data) == (0, data, b"")
        return first, windows.node.figures.bytes_up - first

    first, second = windows.do(twice())
    assert windows.node.figures.bytes_saved > 80_000
    assert second < first


def test_commands_run_at_the_same_time_in_one_session(windows: Windows) -> None:

    async def both() -> list[tuple[int, bytes, bytes]]:
        await windows.run("exit 0")
        slow = asyncio.ensure_future(windows.run("Start-Sleep -Milliseconds 1500\nWrite-Output 'slow'"))
        quick = await windows.run("Write-Output 'quick'")
        assert not slow.done()
        return [quick, await slow]

    assert [out for _code, out, _err in windows.do(both())] == [b"quick\r\n", b"slow\r\n"]
    assert len(windows.service.started) == 1


def test_output_comes_while_the_command_runs(windows: Windows) -> None:

    async def moments() -> list[float]:
        await windows.run("exit 0")
        command = command_line("Write-Output 'now'\nStart-Sleep -Milliseconds 1500\nWrite-Output 'then'")
        return [time.monotonic() async for result in windows.node.execute(command, b"") if result.kind is Kind.STDOUT]

    first, second = windows.do(moments())
    assert second - first > 1.0


def test_a_command_nobody_waits_for_is_ended_with_its_children(windows: Windows, tmp_path: pathlib.Path) -> None:
    pid = tmp_path / "pid"

    async def give_up() -> None:
        task = asyncio.ensure_future(windows.run(f"Set-Content -Path '{pid}' -Value $PID\nStart-Sleep -Milliseconds 60000"))
        while not pid.exists() or not pid.read_text():
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await windows.run("exit 0")
        deadline = time.monotonic() + 10
        while pathlib.Path("/proc", pid.read_text().strip()).exists():
            assert time.monotonic() < deadline, "the command lives on"
            await asyncio.sleep(0.05)

    windows.do(give_up())


def test_a_program_that_does_not_exist_is_an_error_of_the_task(windows: Windows) -> None:

    async def start() -> None:
        async for _result in windows.node.execute("no-such-program -x", b""):
            pass

    with pytest.raises(failures.TransferFailed, match="no-such-program"):
        windows.do(start())


# -- files ------------------------------------------------------------------------------------------------------------


def test_a_file_goes_there_and_back(windows: Windows, tmp_path: pathlib.Path) -> None:
    content = random.Random(2).randbytes(100_000)
    path = tmp_path / "it's a file"

    async def both() -> bytes:
        await windows.put(str(path), content)
        return await windows.get(str(path))

    assert windows.do(both()) == content
    assert path.read_bytes() == content


def test_a_file_replaces_the_one_that_is_there_and_an_empty_one_is_one(windows: Windows, tmp_path: pathlib.Path) -> None:
    (tmp_path / "old").write_bytes(b"old content")

    async def both() -> None:
        await windows.put(str(tmp_path / "old"), b"new")
        await windows.put(str(tmp_path / "empty"), b"")

    windows.do(both())
    assert ((tmp_path / "old").read_bytes(), (tmp_path / "empty").read_bytes()) == (b"new", b"")
    assert not list(tmp_path.glob(".ansible-*"))


def test_a_tilde_is_where_commands_run(windows: Windows, home: pathlib.Path) -> None:
    windows.do(windows.put("~/sm\N{LATIN SMALL LETTER O WITH DIAERESIS}rg\N{COMBINING RING ABOVE}s\U0001f980", b"x"))
    (found,) = home.glob("sm*")
    assert found.read_bytes() == b"x"


def test_a_file_that_is_not_what_was_announced_is_refused(windows: Windows, tmp_path: pathlib.Path) -> None:
    target = tmp_path / "folder" / "file"
    target.parent.mkdir()
    target.write_bytes(b"as it was")
    with pytest.raises(failures.TransferFailed, match="SHA-256"):
        windows.do(windows.put(str(target), b"abc", "0" * 64))
    assert [path.read_bytes() for path in target.parent.iterdir()] == [b"as it was"]


@pytest.mark.parametrize("direction", ["put", "get"])
def test_a_path_that_does_not_exist_is_called_so(windows: Windows, direction: str) -> None:
    work = functools.partial(windows.put, content=b"x") if direction == "put" else windows.get
    with pytest.raises(failures.FileMissing, match="/nowhere/at/all"):
        windows.do(work(path="/nowhere/at/all"))


@pytest.mark.parametrize("direction", ["put", "get"])
def test_a_folder_is_no_file(windows: Windows, direction: str, tmp_path: pathlib.Path) -> None:
    work = functools.partial(windows.put, content=b"x") if direction == "put" else windows.get
    with pytest.raises(failures.TransferFailed, match=r"Is a directory|Not a regular file"):
        windows.do(work(path=str(tmp_path)))


# -- consoles and agents ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("columns", "lossy"), [(37, 0.0), (200, 0.05)])
def test_a_console_that_wraps_and_loses_rows_changes_nothing(
    fresh: Windows, columns: int, lossy: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ConsoleChannel, "console", staticmethod(lambda: Console(columns, seed=columns, lossy=lossy)))
    data = random.Random(columns).randbytes(3_000)
    assert fresh.do(fresh.run(_COPY, data)) == (0, data, b"")


@pytest.mark.parametrize(("deaf_for", "repeats"), [(1, False), (3, True)])
def test_an_agent_that_loses_or_repeats_messages_changes_nothing(
    fresh: Windows, deaf_for: int, repeats: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ConsoleChannel, "deaf_for", deaf_for)
    monkeypatch.setattr(ConsoleChannel, "repeats", repeats)
    data = random.Random(3).randbytes(3_000)
    assert fresh.do(fresh.run(_COPY, data)) == (0, data, b"")


def test_what_powershell_complains_of_is_told(fresh: Windows, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    (tmp_path / "powershell").write_text("#!/bin/sh\necho Add-Type : Access denied\nexit 1\n", encoding="utf-8")
    (tmp_path / "powershell").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(failures.NodeUnreachable, match="Add-Type : Access denied"):
        fresh.do(fresh.run("exit 0"))


def test_a_denied_document_is_told_and_no_other_is_tried(fresh: Windows) -> None:
    fresh.service.refusals[INTERACTIVE_DOCUMENT] = failures.ActionDenied("denied")
    with pytest.raises(failures.ActionDenied, match="denied"):
        fresh.do(fresh.run("exit 0"))
    assert fresh.service.started == [INTERACTIVE_DOCUMENT]
