# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The session's command and the program it reads, as a real shell runs them."""

from __future__ import annotations

import ast
import re
import subprocess
import zlib

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import bootstrap, frames, parcels, pieces


def test_the_command_can_stand_in_the_agents_json() -> None:
    assert not set('"\\{}') & set(bootstrap.session_command())


def test_the_program_sent_is_the_program_without_comments() -> None:
    sent = zlib.decompress(bootstrap.program()).decode()
    ast.parse(sent, feature_version=(3, 6))
    assert "#" not in sent
    assert "class Execution" in sent


def _run(command: str, stdin: bytes) -> bytes:
    return subprocess.run(["sh", "-c", command], input=stdin, capture_output=True, check=False, timeout=20).stdout


def test_a_machine_without_python_says_so() -> None:
    assert _run(bootstrap.session_command(("no-such-python", "/nowhere/python3")), b"") == b"@nopython\n"


def test_an_interpreter_too_old_is_passed_over() -> None:
    assert _run(bootstrap.session_command(("false", "no-such-python")), b"") == b"@nopython\n"


def _parcels() -> list[bytes]:
    writer = parcels.ParcelWriter()
    return [*writer.write(bootstrap.program(), armoured=True), writer.end()]


def test_the_program_is_announced_read_and_greets() -> None:
    assert _run(bootstrap.session_command(("python3",)), b"".join(_parcels())).startswith(b"@ready\n<")


def test_the_program_is_read_when_each_part_of_it_and_the_typed_command_arrive_twice() -> None:
    command = bootstrap.session_command(("python3",))
    output = _run(command, command.encode() + b"\n" + b"".join(parcel * 2 for parcel in _parcels()))
    assert output.startswith(b"@ready\n<")


def test_requests_right_behind_the_program_are_not_lost() -> None:
    request = frames.encode(frames.Frame(frames.Kind.EXEC, 1, pieces.number(9) + b"echo here", last=True))
    writer = parcels.ParcelWriter()
    sent = [*writer.write(bootstrap.program(), armoured=True), writer.end(), *writer.write(request, armoured=True)]
    with subprocess.Popen(
        ["sh", "-c", bootstrap.session_command(("python3",))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as node:
        assert node.stdin is not None
        assert node.stdout is not None
        node.stdin.write(b"".join(sent))
        node.stdin.flush()
        decoder = frames.Decoder()
        found = [frame for _line in range(3) for frame in decoder.feed(node.stdout.readline())]
        node.kill()
    assert [frame.kind for frame in found if isinstance(frame, frames.Frame)] == [frames.Kind.HELLO, frames.Kind.RESULT]


def test_the_echo_of_a_typed_command_does_not_look_like_an_answer() -> None:
    command = bootstrap.session_command()
    assert "@ready" not in command
    assert "@nopython" not in command


def test_a_session_that_ends_while_the_program_goes_up_leaves_nothing_running() -> None:
    for arrived in (_parcels()[:1], _parcels()[:-1], _parcels()[-1:]):
        assert _run(bootstrap.session_command(("python3",)), b"".join(arrived)) == b"@ready\n"


def test_the_end_of_a_program_sent_before_is_not_that_of_the_next() -> None:
    writer = parcels.ParcelWriter()
    before = writer.end()
    program = [*writer.write(bootstrap.program(), armoured=True), writer.end()]
    command = bootstrap._become_program(("python3",), 1)
    assert _run(command, before) == b"@ready\n"
    assert _run(command, before + b"".join(program)).startswith(b"@ready\n<")


_MARK = b"0123456789abcdef0123456789abcdef"


def test_without_python_a_shell_reads_the_other_program_which_greets() -> None:
    lines = bootstrap.posix_program(("no-such-python",), _MARK, 0)
    output = _run(bootstrap.session_command(("no-such-python",)), b"".join(lines))
    assert re.match(rb"@nopython\n>h 0 [0-9]+ [a-z0-9]+ [a-z0-9]+ [0-9]+ [^ ]+\n$", output)


def test_that_program_is_read_from_among_what_was_sent_to_the_first_one_and_when_each_line_arrives_twice() -> None:
    command = bootstrap.session_command(("no-such-python",))
    lines = bootstrap.posix_program(("no-such-python",), _MARK, 0)
    sent = [command.encode() + b"\n", *_parcels(), *_parcels(), *(line * 2 for line in lines)]
    assert b"\n>h 0 " in _run(command, b"".join(sent))


def test_a_session_that_ends_while_that_program_goes_up_leaves_nothing_running() -> None:
    lines = bootstrap.posix_program(("no-such-python",), _MARK, 0)
    assert _run(bootstrap.session_command(("no-such-python",)), b"".join(lines[:-1])) == b"@nopython\n"
