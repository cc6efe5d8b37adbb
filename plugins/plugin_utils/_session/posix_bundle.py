# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make one line of the node program in POSIX sh.

Pure, apart from reading it. One line, because it goes to the node in lines, and is put together there by a shell that can neither
write a line feed nor a quote (``bootstrap.py``).
"""

from __future__ import annotations

import base64
import functools
import pathlib
import re
import shlex

_SOURCE = pathlib.Path(__file__).parent.parent / "_node_program" / "posix.sh"

_GOES_ON = re.compile(r"(?:^|\s)(?:do|then|else|in|[{(|&]|&&|\|\||;;)$")
"""How a line ends behind which no command may end."""


def text(mark: bytes, look: str) -> str:
    """Return the program.

    :param mark: what ends a command's output, a multiple of a few bytes that nobody can guess; ASCII.
    :param look: a command that becomes another program when that can run by now.
    """
    # In base64 the mark looks in one of three ways, depending on how many bytes stand before it; then in hexadecimal.
    whole = len(mark) // 3 * 3 - 3
    looks = [base64.b64encode(mark[start : start + whole]).decode() for start in (0, 1, 2)] + [mark.hex()]
    assignments = [f"mark={mark.decode()}", *(f"marked_{number}={shlex.quote(look)}" for number, look in enumerate(looks))]
    return "; ".join([*assignments, f"look() {{ {look}; }}", _program()])


@functools.cache
def _program() -> str:
    lines = [line.strip() for line in _SOURCE.read_text(encoding="utf-8").splitlines()]
    joined = ""
    for line in filter(lambda line: line and not line.startswith("#"), lines):
        joined += line + (" " if _GOES_ON.search(line) else "; ")
    return joined
