# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any bytes, through the whole stack and back: worker, broker, websocket, agent, terminal, node program."""

from __future__ import annotations

import collections.abc
import os
import pathlib
import random
import typing as t

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from tests.integration.running_emulator import RunningEmulator
from tests.integration.worker import Node

_MEGABYTE = 1024 * 1024

#: Splits its input in two, by a length before it.
_SPLIT = """
import os, sys
count = int.from_bytes(sys.stdin.buffer.read(4), "big")
for stream, data in ((sys.stdout, sys.stdin.buffer.read(count)), (sys.stderr, sys.stdin.buffer.read())):
    stream.buffer.write(data)
    stream.flush()
os._exit(int(sys.argv[1]))
"""

#: What terminals, UTF-8 filters and line editors are known to change or to wait for.
_NASTY = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\0",
    b"\x03",
    b"\x04",
    b"\x11\x13",
    b"\x1c",
    b"\xef\xbf\xbd",
    b"\xff",
    b"\xf0\x9f",
    b"@ready\n",
    b"<AAAA\n",
]

_PIECES = st.one_of(st.binary(max_size=64), st.sampled_from(_NASTY))
_BYTES = st.one_of(
    st.lists(_PIECES, max_size=8).map(b"".join),
    st.builds(lambda piece, count: piece * count, _PIECES, st.integers(0, 2000)),
)
_ANY_BYTES = random.Random(1).randbytes(_MEGABYTE)

_FEW_EXAMPLES = profile(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _node(emulator: RunningEmulator, machine: str, monkeypatch: pytest.MonkeyPatch) -> collections.abc.Iterator[Node]:
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    node = Node(emulator, machine)
    yield node
    node.close()
    assert emulator.no_session_is_left()


@pytest.fixture
def simulated(emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> collections.abc.Iterator[Node]:
    """A node with a simulated agent."""
    yield from _node(emulator, "web-1", monkeypatch)


@pytest.fixture
def real(real_agents: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> collections.abc.Iterator[Node]:
    """A node with a real agent."""
    yield from _node(real_agents, "real-1", monkeypatch)


def _streams_come_back_apart_and_unchanged(node: Node, out: bytes, err: bytes, code: int) -> None:
    told = node.run("python3", "-c", _SPLIT, str(code), stdin=len(out).to_bytes(4, "big") + out + err)
    assert told == (code, out, err)


def _file_comes_back_unchanged(node: Node, content: bytes, folder: pathlib.Path) -> None:
    (folder / "there").write_bytes(content)
    node.put(folder / "there", "/tmp/exact.bin")
    node.get("/tmp/exact.bin", folder / "back")
    assert (folder / "back").read_bytes() == content


@_FEW_EXAMPLES
@given(_BYTES, _BYTES, st.integers(0, 255))
@example(_ANY_BYTES, b"", 0)
@example(b"", _ANY_BYTES, 1)
@example(_ANY_BYTES, _ANY_BYTES, 255)
@example(b"\xef\xbf\xbd" * 100_000, b"\xff" * 100_000, 2)
@example(b"\0" * _MEGABYTE, b"\n" * _MEGABYTE, 3)
def test_any_output_any_input_any_code(simulated: Node, out: bytes, err: bytes, code: int) -> None:
    _streams_come_back_apart_and_unchanged(simulated, out, err, code)


@_FEW_EXAMPLES
@given(_BYTES, _BYTES, st.integers(0, 255))
@example(_ANY_BYTES, _ANY_BYTES, 255)
@example(b"\xef\xbf\xbd" * 100_000, b"\xff" * 100_000, 2)
@example(b"\0" * _MEGABYTE, b"\n" * _MEGABYTE, 3)
def test_any_output_any_input_any_code_with_a_real_agent(real: Node, out: bytes, err: bytes, code: int) -> None:
    _streams_come_back_apart_and_unchanged(real, out, err, code)


@_FEW_EXAMPLES
@given(content=_BYTES)
@example(content=_ANY_BYTES)
@example(content=b"")
def test_any_file(simulated: Node, content: bytes, tmp_path: pathlib.Path) -> None:
    _file_comes_back_unchanged(simulated, content, tmp_path)


@_FEW_EXAMPLES
@given(content=_BYTES)
@example(content=_ANY_BYTES)
@example(content=b"")
def test_any_file_with_a_real_agent(real: Node, content: bytes, tmp_path: pathlib.Path) -> None:
    _file_comes_back_unchanged(real, content, tmp_path)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["printf", r"a\rb\r\nc\n"], (0, b"a\rb\r\nc\n", b"")),
        (["printf", r"x\n\n\n"], (0, b"x\n\n\n", b"")),
        (["sh", "-c", "test -t 0 || test -t 1 || test -t 2 || echo none"], (0, b"none\n", b"")),
        (["sh", "-c", "kill -9 $$"], (137, b"", b"")),
        (["sh", "-c", "cat; exit 7"], (7, b"", b"")),
        (["no-such-command"], (127, b"", t.cast("t.Any", b"not found"))),
    ],
)
def test_what_other_plugins_get_wrong(simulated: Node, command: list[str], told: tuple[int, bytes, bytes]) -> None:
    code, out, err = simulated.run(*command)
    assert (code, out) == told[:2]
    assert told[2] in err


@pytest.mark.parametrize("size", [3_000, 90_000, 130_000, _MEGABYTE])
def test_a_command_line_of_any_length_arrives_whole(simulated: Node, size: int) -> None:
    # Terminals cut lines at 4095 bytes, where other plugins type the command; the kernel takes no argument of more than 128 KB.
    words = [os.urandom(500).hex() for _word in range(size // 1000)]
    code, out, err = simulated.run("printf", "%s", *words)
    assert (code, out, err) == (0, "".join(words).encode(), b"")
