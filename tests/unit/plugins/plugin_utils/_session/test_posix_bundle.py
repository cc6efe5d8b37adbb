# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one line that is made of the program in POSIX sh."""

from __future__ import annotations

import base64
import shutil
import subprocess

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import bootstrap, messages, posix_bundle

_MARK = b"0123456789abcdef0123456789abcdef"


def test_it_is_one_line_of_ascii_without_comments() -> None:
    text = posix_bundle.text(_MARK, "true")
    assert text.isascii()
    assert "\n" not in text
    assert "SPDX" not in text


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh", "ksh", "mksh", "yash"])
def test_shells_can_parse_it(shell: str) -> None:
    if shutil.which(shell.split()[0]) is None:
        pytest.skip(f"{shell} is not on this machine")
    done = subprocess.run([*shell.split(), "-n"], input=posix_bundle.text(_MARK, "true").encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("before", range(3))
def test_the_mark_is_seen_whatever_number_of_bytes_stands_before_it(before: int) -> None:
    shell = posix_bundle.text(_MARK, "true").partition("; look")[0]
    block = base64.b64encode(b"x" * (300 + before) + _MARK * 2).decode()
    seen = 'case $block in *"$marked_0"* | *"$marked_1"* | *"$marked_2"*) echo seen ;; esac'
    done = subprocess.run(["sh", "-c", f"block={block}; {shell}; {seen}"], capture_output=True, check=True)
    assert done.stdout == b"seen\n"


def test_its_lines_fit_into_messages_and_none_ends_with_a_colon() -> None:
    lines = bootstrap.posix_program(("python3", "/opt/:::/python"), _MARK, 20)
    assert max(map(len, lines)) <= messages.MAX_PAYLOAD
    assert not [line for line in lines[:-1] if line.endswith(b":\n")]
