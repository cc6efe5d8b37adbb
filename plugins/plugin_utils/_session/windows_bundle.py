# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the command that a session to a Windows node starts with: the node program itself.

Pure, apart from reading it. On Windows the agent appends the command of the InteractiveCommands document to the path of
``powershell.exe`` (``shell_windows.go``, ``StartCommandExecutor``), so it is what stands behind that: options and ``-Command``.
The whole program is in it, compressed: nothing has to be read from a console that still echoes and edits lines. The command
holds no double quote, backslash or brace: the agent puts it into a JSON document.
"""

from __future__ import annotations

import base64
import functools
import pathlib
import zlib

_PROGRAM = pathlib.Path(__file__).parent.parent / "_node_program"

LONGEST_COMMAND = 32_000
"""Characters; Windows starts no process with more than 32,767, and the path of powershell.exe stands before it."""


@functools.cache
def session_command() -> str:
    """Return what follows ``powershell.exe``."""
    statements = _lines("windows.ps1", "#")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress("\n".join(source_lines()).encode()) + packer.flush()
    script = ";".join(statements).replace("'windows.cs'", f"'{base64.b64encode(packed).decode()}'")
    return f"-NoLogo -NoProfile -NonInteractive -Command {script}"


def source_lines() -> list[str]:
    """Return the program without what its compiler does not need."""
    return _lines("windows.cs", "//")


def _lines(name: str, comment: str) -> list[str]:
    lines = (line.strip() for line in (_PROGRAM / name).read_text(encoding="ascii").splitlines())
    return [line for line in lines if line and not line.startswith(comment)]
