# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Download sessions beside a session whose other end is a local terminal: used, cut, refused, silent, no longer needed."""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import shlex
import sys
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program import wire
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import download, failures, session
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.channel_events import KeyRequested
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.download import NONINTERACTIVE_DOCUMENT, courier_command
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Kind
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.node import ManagedNode
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.openings import INTERACTIVE_DOCUMENT
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.settings import NodeSettings

from tests.unit.plugins.plugin_utils._session.pipe_channel import PipeChannel
from tests.unit.plugins.plugin_utils._session.pty_channel import LocalService, PtyChannel

_CONTENT = os.urandom(4_000_000)


@pytest.fixture(autouse=True)
def _local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "Channel", PtyChannel)
    monkeypatch.setattr(download, "Channel", PipeChannel)
    monkeypatch.setattr(PipeChannel, "breaks", [])
    monkeypatch.setattr(download, "_LOOK_SECONDS", 0.05)


@pytest.fixture
def file(tmp_path: pathlib.Path) -> pathlib.Path:
    """A large one."""
    path = tmp_path / "file"
    path.write_bytes(_CONTENT)
    return path


def _node(service: LocalService, *, download_sessions: bool = True, document_name: str = "") -> ManagedNode:
    settings = NodeSettings(
        "i-0123456789abcdef0",
        "test",
        ("python3",),
        20.0,
        60.0,
        120.0,
        download_sessions=download_sessions,
        document_name=document_name,
    )
    return ManagedNode(t.cast("t.Any", service), settings)


async def _fetch(node: ManagedNode, path: pathlib.Path) -> bytes:
    return b"".join([result.data async for result in node.get(str(path))])


async def _twice(node: ManagedNode, path: pathlib.Path) -> None:
    for _time in range(2):
        assert await _fetch(node, path) == _CONTENT


def _finish(node: ManagedNode, work: t.Coroutine[t.Any, t.Any, None]) -> None:
    """Do something with a node, and end its sessions."""

    async def both() -> None:
        try:
            await asyncio.wait_for(work, 40)
        finally:
            await node.reset()

    asyncio.run(both())


def test_two_large_files_come_by_one_download_session(file: pathlib.Path) -> None:
    service = LocalService()
    node = _node(service)
    _finish(node, _twice(node, file))
    assert service.started == [INTERACTIVE_DOCUMENT, NONINTERACTIVE_DOCUMENT]
    assert sorted(service.terminated) == ["session-1", "session-2"]
    assert node.figures.sessions == 2
    assert node.figures.bytes_down > 2 * len(_CONTENT)


def test_a_download_session_that_breaks_is_ended_and_replaced(file: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The terminal, which is quick here, must not bring all that is left before the last one is there.
    monkeypatch.setattr(download, "_FIRST_PAUSE", 0.0)
    monkeypatch.setattr(PipeChannel, "breaks", [100_000, 500_000, 10])
    service = LocalService()
    node = _node(service)

    async def fetch() -> None:
        assert await _fetch(node, file) == _CONTENT

    _finish(node, fetch())
    assert service.started == [INTERACTIVE_DOCUMENT, *[NONINTERACTIVE_DOCUMENT] * 4]
    assert sorted(service.terminated) == [f"session-{number}" for number in range(1, 6)]
    assert node.take_remarks() == []


def test_a_slow_reader_holds_up_the_node_and_not_our_memory(tmp_path: pathlib.Path) -> None:
    size = 30_000_000
    (tmp_path / "file").write_bytes(os.urandom(size))
    node = _node(LocalService())

    async def read_slowly() -> None:
        received, most = 0, 0.0
        async for result in node.get(str(tmp_path / "file")):
            received += len(result.data)
            if received < 10_000_000:
                await asyncio.sleep(0.005)
            most = max(most, node.figures.bytes_down * 3 / 4 - received)
        assert received == size
        assert most < 6_000_000

    _finish(node, read_slowly())


def test_much_output_of_a_command_comes_by_it_too(file: pathlib.Path) -> None:
    service = LocalService()
    node = _node(service)

    async def run() -> None:
        results = [result async for result in node.execute(f"base64 {file}; echo end >&2; exit 7", b"")]
        streams = {kind: b"".join(result.data for result in results if result.kind is kind) for kind in (Kind.STDOUT, Kind.STDERR)}
        assert results[-1].code == 7
        assert streams[Kind.STDERR] == b"end\n"
        assert len(streams[Kind.STDOUT]) == -(-len(_CONTENT) // 57) + 4 * -(-len(_CONTENT) // 3)

    _finish(node, run())
    assert NONINTERACTIVE_DOCUMENT in service.started


@pytest.mark.parametrize(
    "refusal", [failures.ActionDenied("the role is not allowed to do that"), failures.NodeUnreachable("that does not exist")]
)
def test_a_refused_download_session_is_remarked_once_and_not_tried_again(file: pathlib.Path, refusal: Exception) -> None:
    service = LocalService()
    service.refusals[NONINTERACTIVE_DOCUMENT] = refusal
    node = _node(service)
    _finish(node, _twice(node, file))
    assert service.started == [INTERACTIVE_DOCUMENT, NONINTERACTIVE_DOCUMENT]
    assert [remark.text for remark in node.take_remarks()] == [
        f"large files and output come the slow way, with about 0.5 MB/s: {refusal}"
    ]
    assert node.take_remarks() == []


def test_a_download_session_that_never_gets_to_work_is_refused_with_what_it_said(
    file: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaint = [sys.executable, "-c", "import sys; sys.exit('not on this machine')"]
    monkeypatch.setattr(download, "courier_command", lambda _python, _name: complaint)
    node = _node(LocalService())
    _finish(node, _twice(node, file))
    (remark,) = node.take_remarks()
    assert "a session for them could be started, but it was closed and said: not on this machine" in remark.text


def test_an_encrypted_one_gets_a_key_of_its_own(file: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PipeChannel, "asks", KeyRequested("alias/key", ""))
    service = LocalService()
    node = _node(service)
    _finish(node, _twice(node, file))
    context = {"aws:ssm:SessionId": "session-2", "aws:ssm:TargetId": "i-0123456789abcdef0"}
    assert service.keys == [("alias/key", context)]
    assert node.take_remarks() == []


def test_one_without_a_key_to_be_had_is_refused(file: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PipeChannel, "asks", KeyRequested("alias/key", ""))
    service = LocalService()
    service.key_refusal = failures.ActionDenied("AWS denied kms:GenerateDataKey on alias/key.")
    node = _node(service)
    _finish(node, _twice(node, file))
    (remark,) = node.take_remarks()
    assert "the slow way, with about 0.5 MB/s: AWS denied kms:GenerateDataKey on alias/key." in remark.text


def test_there_is_none_beside_a_session_of_the_users_own_document(file: pathlib.Path) -> None:
    service = LocalService()
    node = _node(service, document_name="Mine")
    _finish(node, _twice(node, file))
    assert service.started == ["Mine"]
    (remark,) = node.take_remarks()
    assert "with a document of one's own, Mine" in remark.text


def test_one_that_is_switched_off_is_not_even_asked_for(file: pathlib.Path) -> None:
    service = LocalService()
    node = _node(service, download_sessions=False)
    _finish(node, _twice(node, file))
    assert service.started == [INTERACTIVE_DOCUMENT]
    assert node.take_remarks() == []


def test_one_that_breaks_again_and_again_is_given_up(file: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PipeChannel, "breaks", [10] * 20)
    monkeypatch.setattr(download, "_MOST_LOST", 3)
    service = LocalService()
    node = _node(service)
    _finish(node, _twice(node, file))
    # The program may ask for the next one before the last one is known to be lost.
    assert service.started.count(NONINTERACTIVE_DOCUMENT) in (3, 4)
    (remark,) = node.take_remarks()
    assert remark.text.endswith(("its socket was cut", "sessions for them broke again and again"))


def test_one_that_falls_silent_is_replaced(file: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # An agent that was paused reads no more of its command's output, and says nothing of that.
    class Deaf(PipeChannel):
        made = 0

        def __init__(self, *arguments: t.Any, **settings: t.Any) -> None:
            super().__init__(*arguments, **settings)
            Deaf.made += 1
            if Deaf.made == 1:
                self._peer = self
                self.breaks.append(500_000)

        async def resume(self, _seconds: float) -> None:
            await asyncio.sleep(60)

    monkeypatch.setattr(download, "Channel", Deaf)
    monkeypatch.setattr(download, "_SILENT_SECONDS", 3.0)
    service = LocalService()
    node = _node(service)
    _finish(node, _twice(node, file))
    assert service.started == [INTERACTIVE_DOCUMENT, *[NONINTERACTIVE_DOCUMENT] * 2]


def test_one_with_messages_missing_is_replaced(file: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Leaky(PipeChannel):
        made = 0

        def __init__(self, *arguments: t.Any, **settings: t.Any) -> None:
            super().__init__(*arguments, **settings)
            Leaky.made += 1
            self._leaks = Leaky.made == 1

        @property
        def hole(self) -> int:
            return 1000 if self._leaks and self.traffic.bytes_down > 500_000 else 0

    monkeypatch.setattr(download, "Channel", Leaky)
    service = LocalService()
    node = _node(service)
    _finish(node, _twice(node, file))
    assert service.started == [INTERACTIVE_DOCUMENT, *[NONINTERACTIVE_DOCUMENT] * 2]


def test_one_that_nobody_needs_any_more_is_ended_and_started_again_when_it_is_needed(
    file: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_IDLE_SECONDS", 1.0)
    service = LocalService()
    node = _node(service)

    async def with_a_pause() -> None:
        assert await _fetch(node, file) == _CONTENT
        while not service.terminated:
            await asyncio.sleep(0.02)
        assert await _fetch(node, file) == _CONTENT

    _finish(node, with_a_pause())
    assert service.started == [INTERACTIVE_DOCUMENT, *[NONINTERACTIVE_DOCUMENT] * 2]
    assert node.take_remarks() == []


def test_the_courier_is_started_by_words_that_an_agent_leaves_alone() -> None:
    # It puts them into a JSON document, looks for {{ }} there, and splits them like a shell.
    command = courier_command("/usr/bin/python3", "0" * 32)
    joined = shlex.join(command)
    assert shlex.split(joined) == command
    assert not set(joined) & set('"\\{}$`\n')


def test_a_program_that_asks_strangely_ends_the_session(tmp_path: pathlib.Path) -> None:
    service = LocalService()
    node = _node(service)
    asked = wire.armour(wire.DOWNLOAD, 0, json.dumps({"socket": "; rm -rf /", "python": "x"}).encode())
    (tmp_path / "asked").write_bytes(asked)

    async def ask() -> None:
        async for _result in node.execute(f"cat {tmp_path}/asked > /proc/$PPID/fd/1; sleep 5", b""):
            pass

    with pytest.raises(failures.NodeUnreachable, match="sent what its program never sends"):
        _finish(node, ask())
    assert service.started == [INTERACTIVE_DOCUMENT]
