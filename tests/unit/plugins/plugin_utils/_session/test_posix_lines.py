# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines for nodes without Python: as a shell reads them, and what a session may print."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import messages, posix_lines
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.posix_lines import Line
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.terminal_output import MAX_LINE, DamagedFrame, Remark
from hypothesis import example, given, settings
from hypothesis import strategies as st

_READ = r"""
text=
while IFS=' ' read -r number what rest; do
    rest=${rest#.} text=$text${rest%.}
done
text=$(printf '%b.' "$text")
printf %s "${text%.}"
"""

_DECODED = {"base64": "base64 -d", "openssl": "openssl base64 -d", "od": 'printf %b "$(cat)"'}


def _sh(script: str, stdin: bytes) -> bytes:
    return subprocess.run(["sh", "-c", script], input=stdin, capture_output=True, check=True).stdout


@settings(max_examples=30)
@given(st.binary(max_size=3000).map(lambda data: data.replace(b"\0", b"")))
@example(b" leading and trailing ")
@example(b"\\0101 \\n %s 'quoted' \"twice\" $HOME `id` *\n\n")
@example(b" " * 2000)
@example("\u2603".encode() * 700)
def test_a_shell_reads_the_argument_that_was_meant(argument: bytes) -> None:
    assert _sh(_READ, b"".join(posix_lines.order(1, "run", argument))) == argument


@given(st.integers(1, 10**9), st.binary(max_size=5000))
def test_the_lines_of_a_request_are_numbered_and_fit_into_messages(request_number: int, argument: bytes) -> None:
    lines = posix_lines.order(request_number, "put", argument)
    assert [line.split(b" ")[0] for line in lines] == [b"%d" % (request_number + at) for at in range(len(lines))]
    assert [line.split(b" ")[1] for line in lines] == [b"more"] * (len(lines) - 1) + [b"put"]
    assert max(map(len, lines)) <= messages.MAX_PAYLOAD


@pytest.mark.parametrize("armour", _DECODED)
@settings(max_examples=20)
@given(data=st.binary(max_size=1000).map(lambda data: data * 3))
@example(data=b" " * 2400)
@example(data=bytes(range(256)) * 9)
def test_a_stream_is_read_as_it_was_and_its_lines_fit_into_messages(armour: str, data: bytes) -> None:
    texts = posix_lines.texts(armour, data)
    lines = [posix_lines.step(10**9, 10**7, "d", text) for text in texts]
    assert max(map(len, lines), default=0) <= messages.MAX_PAYLOAD
    joined = "".join(texts) if armour == "od" else "".join(text.replace(" ", "\n") + "\n" for text in texts)
    assert _sh(_DECODED[armour], joined.encode()) == data
    assert _sh(_DECODED[armour], posix_lines.block(armour, data)) == data


def _found(output: bytes) -> list[Line | Remark]:
    return list(posix_lines.Decoder().feed(output))


@given(
    st.sampled_from(["h", "o", "o.", "f"]),
    st.integers(0, 10**9),
    st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters=">")),
    st.sampled_from([b"", b"\r"]),
    st.sampled_from([b"", b"$ ", b"wall: broadcast"]),
)
def test_a_line_is_found_whatever_stands_before_it(name: str, number: int, text: str, end: bytes, before: bytes) -> None:
    assert _found(before + f">{name} {number} {len(text)} {text}".encode() + end + b"\n") == [Line(name, number, text)]


@pytest.mark.parametrize("damaged", [b">o 1 5 abc\n", b">o 1 3 abcd\n", b">o 1 4 ab\xff.\n", b">O 1 0 \n", b">\n"])
def test_what_only_begins_like_a_line_is_damaged(damaged: bytes) -> None:
    with pytest.raises(DamagedFrame):
        _found(damaged)


def test_what_means_nothing_is_kept_for_the_user() -> None:
    decoder = posix_lines.Decoder()
    assert list(decoder.feed(b"sh: stty: not found\n@ready\n")) == [Remark("ready")]
    assert decoder.noise == b"sh: stty: not found\n"


def test_a_line_without_end_is_given_up() -> None:
    with pytest.raises(DamagedFrame, match=f"more than {MAX_LINE} bytes"):
        _found(b"x" * (MAX_LINE + 1))


@pytest.mark.parametrize(("armour", "text"), [("base64", "YW"), ("base64", "Y W="), ("od", "6"), ("od", "zz")])
def test_damaged_data_is_refused(armour: str, text: str) -> None:
    with pytest.raises(DamagedFrame):
        posix_lines.unarmour(armour, text)


@given(st.binary(), st.sampled_from(["base64", "od"]))
def test_data_of_the_node_is_read_as_it_was(data: bytes, armour: str) -> None:
    program = {"base64": ["base64", "-w0"], "od": ["od", "-An", "-v", "-tx1"]}[armour]
    text = subprocess.run(program, input=data, capture_output=True, check=True).stdout.decode()
    assert posix_lines.unarmour(armour, "".join(text.split())) == data
