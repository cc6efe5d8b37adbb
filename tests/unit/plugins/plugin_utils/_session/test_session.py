# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's sessions, with the real command and program on a local terminal in place of the node."""

from __future__ import annotations

import asyncio
import collections.abc
import hashlib
import os
import pathlib
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import encryption, failures, program_input, session, session_peer
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.channel_events import KeyRequested
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Kind
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.node import ManagedNode
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.openings import DEFAULT_DOCUMENT, INTERACTIVE_DOCUMENT
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.settings import NodeSettings

from tests.unit.plugins.plugin_utils._session.pty_channel import LocalService, PtyChannel

_Result = t.TypeVar("_Result")


@pytest.fixture(autouse=True)
def _local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "Channel", PtyChannel)


def _settings(*pythons: str, timeout: float = 20.0) -> NodeSettings:
    return NodeSettings("i-0123456789abcdef0", "test", pythons or ("python3",), timeout, 60.0, 120.0)


def _node(service: LocalService, *pythons: str, timeout: float = 20.0) -> ManagedNode:
    return ManagedNode(t.cast("t.Any", service), _settings(*pythons, timeout=timeout))


async def _run(node: ManagedNode, command: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    output = {Kind.STDOUT: b"", Kind.STDERR: b""}
    async for result in node.execute(command, stdin):
        if result.kind is Kind.EXIT:
            return result.code, output[Kind.STDOUT], output[Kind.STDERR]
        output[result.kind] += result.data
    raise AssertionError("there was no exit code")


def _finish(node: ManagedNode, work: collections.abc.Coroutine[t.Any, t.Any, _Result]) -> _Result:
    """Do something with a node, and end its session."""

    async def both() -> _Result:
        try:
            return await asyncio.wait_for(work, 30)
        finally:
            await node.reset()

    return asyncio.run(both())


async def _blocks(*blocks: bytes) -> collections.abc.AsyncIterator[bytes]:
    for block in blocks:
        yield block


# -- commands and files -----------------------------------------------------------------------------------------------


def test_a_command_has_its_streams_and_code_apart() -> None:
    service = LocalService()
    node = _node(service)
    assert _finish(node, _run(node, "cat; echo error >&2; exit 3", b"input")) == (3, b"input", b"error\n")
    assert service.started == [INTERACTIVE_DOCUMENT]
    assert service.terminated == ["session-1"]


class _SlowlyOpenedChannel(PtyChannel):
    """One whose socket takes a moment to be opened; ``sent_before`` is how much it was given by then."""

    sent_before = -1

    async def run(self) -> None:
        await asyncio.sleep(0.05)
        type(self).sent_before = self.backlog
        await super().run()


def test_the_program_is_made_and_sent_only_when_the_socket_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "Channel", _SlowlyOpenedChannel)
    node = _node(LocalService())
    assert _finish(node, _run(node, "echo here")) == (0, b"here\n", b"")
    assert _SlowlyOpenedChannel.sent_before == 0


def test_input_larger_than_any_module_arrives_whole() -> None:
    node = _node(LocalService())
    data = bytes(range(256)) * 12_000
    code, out, _err = _finish(node, _run(node, "sha256sum", data))
    assert (code, out[:64].decode()) == (0, hashlib.sha256(data).hexdigest())


def test_commands_run_at_the_same_time_in_one_session() -> None:
    service = LocalService()
    node = _node(service)

    async def both() -> list[tuple[int, bytes, bytes]]:
        return list(await asyncio.gather(_run(node, "sleep 0.5; echo slow"), _run(node, "echo quick")))

    assert [out for _code, out, _err in _finish(node, both())] == [b"slow\n", b"quick\n"]
    assert len(service.started) == 1


def test_a_command_nobody_waits_for_is_stopped(tmp_path: pathlib.Path) -> None:
    node = _node(LocalService())

    async def give_up() -> None:
        task = asyncio.ensure_future(_run(node, f"echo $$ > {tmp_path}/pid; sleep 1; touch {tmp_path}/outlived"))
        while not (tmp_path / "pid").exists():
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await _run(node, "sleep 1.2")

    _finish(node, give_up())
    assert not (tmp_path / "outlived").exists()


def test_a_file_goes_there_and_back(tmp_path: pathlib.Path) -> None:
    node = _node(LocalService())
    content = bytes(range(256)) * 1000
    path = str(tmp_path / "file")

    async def both() -> bytes:
        await node.put(path, len(content), hashlib.sha256(content).hexdigest(), _blocks(content[:100_000], content[100_000:]))
        return b"".join([result.data async for result in node.get(path)])

    assert _finish(node, both()) == content


def test_a_file_that_is_not_what_was_announced_is_refused(tmp_path: pathlib.Path) -> None:
    node = _node(LocalService())
    with pytest.raises(failures.TransferFailed, match="SHA-256"):
        _finish(node, node.put(str(tmp_path / "file"), 3, "0" * 64, _blocks(b"abc")))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_does_not_exist_is_called_so() -> None:
    node = _node(LocalService())

    async def fetch() -> None:
        async for _result in node.get("/nowhere/at/all"):
            pass

    with pytest.raises(failures.FileMissing, match=r"No such file or directory \(/nowhere/at/all\)"):
        _finish(node, fetch())


# -- beginnings -------------------------------------------------------------------------------------------------------


def test_a_denied_document_gives_way_to_the_default_one() -> None:
    service = LocalService()
    service.refusals[INTERACTIVE_DOCUMENT] = failures.ActionDenied("denied")
    node = _node(service)
    assert _finish(node, _run(node, "echo here")) == (0, b"here\n", b"")
    assert service.started == [INTERACTIVE_DOCUMENT, DEFAULT_DOCUMENT]


def test_when_both_are_denied_both_are_told() -> None:
    service = LocalService()
    service.refusals = {
        INTERACTIVE_DOCUMENT: failures.ActionDenied("One."),
        DEFAULT_DOCUMENT: failures.ActionDenied("Two."),
    }
    node = _node(service)
    with pytest.raises(failures.ActionDenied, match=r"One\. The account's default session document is denied too: Two\."):
        _finish(node, _run(node, "echo here"))


def test_a_node_without_python_runs_commands_all_the_same() -> None:
    node = _node(LocalService(), "no-such-python", "/nowhere/python3")
    assert _finish(node, _run(node, "cat; exit 3", b"input")) == (3, b"input", b"")
    assert node.lacks_python


def test_a_python_that_takes_over_and_does_not_greet_is_given_up(tmp_path: pathlib.Path) -> None:
    interpreter = tmp_path / "python"
    node = _node(LocalService(), str(interpreter), timeout=2.0)

    async def install() -> None:
        await _run(node, "true")
        script = "#!/bin/sh\n[ -t 1 ] && echo @ready && echo account expired && sleep 20\nexit 0\n"
        interpreter.write_text(script, encoding="utf-8")
        interpreter.chmod(0o755)
        await _run(node, "true")

    with pytest.raises(failures.NodeUnreachable, match=r"did not answer within 2 s .*The session printed: .*account expired"):
        _finish(node, install())


def test_a_node_that_says_something_else_is_quoted(tmp_path: pathlib.Path) -> None:
    interpreter = tmp_path / "python"
    interpreter.write_text("#!/bin/sh\n[ -t 1 ] && echo account expired && sleep 20\nexit 0\n", encoding="utf-8")
    interpreter.chmod(0o755)
    node = _node(LocalService(), str(interpreter), timeout=1.0)
    with pytest.raises(failures.NodeUnreachable, match=r"did not answer within 1 s .*The session printed: .*account expired"):
        _finish(node, _run(node, "echo here"))


@pytest.mark.parametrize(("lost", "denied"), [(1, False), (5, False), (1, True), (2, True)])
def test_what_an_agent_threw_away_is_said_again(monkeypatch: pytest.MonkeyPatch, lost: int, denied: bool) -> None:
    monkeypatch.setattr(PtyChannel, "deaf_for", lost)
    monkeypatch.setattr(program_input, "_INSIST_SECONDS", 0.3)
    service = LocalService()
    if denied:
        service.refusals[INTERACTIVE_DOCUMENT] = failures.ActionDenied("denied")
    node = _node(service)
    assert _finish(node, _run(node, "cat", b"x" * 20_000)) == (0, b"x" * 20_000, b"")


def test_an_agent_that_throws_everything_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PtyChannel, "deaf_for", 1000)
    monkeypatch.setattr(program_input, "_INSIST_SECONDS", 0.3)
    node = _node(LocalService(), timeout=1.0)
    with pytest.raises(failures.NodeUnreachable, match="did not answer within 1 s"):
        _finish(node, _run(node, "echo never"))


# -- keys -------------------------------------------------------------------------------------------------------------


def test_a_session_that_is_to_be_encrypted_gets_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PtyChannel, "asks", KeyRequested("alias/key", "drawn"))
    service = LocalService()
    node = _node(service)
    assert _finish(node, _run(node, "echo here")) == (0, b"here\n", b"")
    context = {"aws:ssm:SessionId": "session-1", "aws:ssm:TargetId": "i-0123456789abcdef0", "aws:ssm:RandomChallenge": "drawn"}
    assert service.keys == [("alias/key", context)]


def test_a_session_whose_agent_went_deaf_is_replaced_by_one_that_waits_for_its_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PtyChannel, "asks", KeyRequested("alias/key", "", deaf=True))
    service = LocalService()
    node, another = _node(service), _node(service)
    assert _finish(node, _run(node, "cat", b"once")) == (0, b"once", b"")
    assert service.terminated == ["session-1", "session-2"]
    assert [context["aws:ssm:SessionId"] for _key, context in service.keys] == ["session-2"]
    assert node.figures.sessions == 2
    # What one session has shown is known to the next, of any node.
    assert _finish(another, _run(another, "echo here")) == (0, b"here\n", b"")
    assert len(service.started) == 3


def test_a_session_without_a_key_to_be_had_fails_for_that_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PtyChannel, "asks", KeyRequested("alias/key", ""))
    service = LocalService()
    service.key_refusal = failures.ActionDenied("AWS denied kms:GenerateDataKey on alias/key.")
    node = _node(service)
    with pytest.raises(failures.ActionDenied, match="kms:GenerateDataKey"):
        _finish(node, _run(node, "sleep 5"))
    assert service.terminated == ["session-1"]


def test_kms_that_takes_longer_than_the_agent_waits_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PtyChannel, "asks", KeyRequested("alias/key", ""))
    monkeypatch.setattr(session_peer, "_KEY_SECONDS", 0.0)
    node = _node(LocalService())
    with pytest.raises(failures.ServiceUnavailable, match="KMS gave no data key of alias/key within 0 s"):
        _finish(node, _run(node, "sleep 5"))


def test_a_missing_cryptography_is_told_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(_key: bytes) -> t.NoReturn:
        raise encryption.Unsupported("No module named 'cryptography'")

    monkeypatch.setattr(PtyChannel, "asks", KeyRequested("alias/key", ""))
    monkeypatch.setattr(encryption, "SessionCipher", unsupported)
    node = _node(LocalService())
    with pytest.raises(failures.NodeUnreachable, match=r"library cryptography is missing .*pip install cryptography"):
        _finish(node, _run(node, "sleep 5"))


# -- ends -------------------------------------------------------------------------------------------------------------


def test_a_request_under_way_fails_when_its_session_ends() -> None:
    node = _node(LocalService())

    async def end_meanwhile() -> None:
        task = asyncio.ensure_future(_run(node, "sleep 20"))
        await _run(node, "true")
        await node.reset()
        await task

    with pytest.raises(failures.NodeUnreachable, match="the session to i-0123456789abcdef0 was ended"):
        _finish(node, end_meanwhile())


def test_the_request_after_a_lost_session_starts_another() -> None:
    service = LocalService()
    node = _node(service)

    async def twice() -> tuple[int, bytes, bytes]:
        with pytest.raises(failures.NodeUnreachable, match="was closed"):
            await _run(node, "kill -9 $PPID; sleep 5")
        return await _run(node, "echo again")

    assert _finish(node, twice()) == (0, b"again\n", b"")
    assert service.terminated == ["session-1", "session-2"]
    assert node.figures.sessions == 2


def test_a_session_that_starts_after_it_was_given_up_is_terminated() -> None:
    service = LocalService()
    service.slowness = 0.3
    node = _node(service)

    async def give_up() -> None:
        task = asyncio.ensure_future(_run(node, "true"))
        await asyncio.sleep(0.1)
        await node.reset()
        await asyncio.gather(task, return_exceptions=True)

    _finish(node, give_up())
    assert service.started == [INTERACTIVE_DOCUMENT]
    assert service.terminated == ["session-1"]


def test_output_that_only_looks_like_a_frame_ends_the_session() -> None:
    node = _node(LocalService())

    async def forge() -> None:
        # Before the greeting, anything may stand on a line.
        await _run(node, "true")
        await _run(node, "echo '<AAAA' > /proc/$PPID/fd/1; sleep 5")

    with pytest.raises(failures.NodeUnreachable, match="sent what its program never sends"):
        _finish(node, forge())


# -- what is counted --------------------------------------------------------------------------------------------------


def _round_trips(work: collections.abc.Callable[[ManagedNode], collections.abc.Coroutine[t.Any, t.Any, t.Any]]) -> int:
    node = _node(LocalService())
    _finish(node, work(node))
    return node.figures.round_trips


def test_a_command_is_one_round_trip() -> None:
    assert _round_trips(lambda node: _run(node, "cat; echo error >&2; exit 3", b"input")) == 1


def test_a_command_with_much_output_is_one_round_trip() -> None:
    assert _round_trips(lambda node: _run(node, "head -c 3000000 /dev/zero")) == 1


def test_a_small_file_there_and_back_is_two_round_trips(tmp_path: pathlib.Path) -> None:
    content, path = b"x" * 100_000, str(tmp_path / "file")

    async def both(node: ManagedNode) -> None:
        await node.put(path, len(content), hashlib.sha256(content).hexdigest(), _blocks(content[:50_000], content[50_000:]))
        assert b"".join([result.data async for result in node.get(path)]) == content

    assert _round_trips(both) == 2


def test_a_command_that_asks_and_is_answered_is_two_round_trips() -> None:
    async def converse(node: ManagedNode) -> None:
        asked: asyncio.Queue[bytes | None] = asyncio.Queue()

        async def reply() -> collections.abc.AsyncIterator[bytes]:
            while (data := await asked.get()) is not None:
                yield data

        async for result in node.execute("echo name; read name; echo $name; sleep 0.1", b"", more=reply()):
            if result.data == b"name\n":
                await asyncio.sleep(0.1)
                asked.put_nowait(b"fleet\n")
                asked.put_nowait(None)

    assert _round_trips(converse) == 2


def test_input_that_has_to_wait_for_the_node_is_more_round_trips() -> None:
    data = os.urandom(12_000_000)
    assert _round_trips(lambda node: _run(node, "sleep 1; wc -c", data)) > 1


def test_the_time_of_a_task_is_that_of_its_requests_without_the_wait_for_the_session() -> None:
    service = LocalService()
    service.slowness = 1.0
    node = _node(service)

    async def both() -> None:
        async for _result in node.execute("sleep 0.3", b"", task="slow"):
            pass
        async for _result in node.execute("true", b"", task="quick"):
            pass

    _finish(node, both())
    task, seconds = node.times.slowest()
    assert task == "slow"
    assert 0.2 < seconds < 0.9
    assert node.figures.seconds == node.times.total
