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

_PROGRAM = pathlib.Path(__file__).parent.parent / "_node_program" / "windows"

LONGEST_COMMAND = 32_000
"""Characters; Windows starts no process with more than 32,767, and the path of powershell.exe stands before it."""


@functools.cache
def session_command() -> str:
    """Return what follows ``powershell.exe``."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress("\n".join(_source()).encode()) + packer.flush()
    statements = ";".join(_lines(_PROGRAM / "start.ps1", "#"))
    script = statements.replace("'program'", f"'{base64.b64encode(packed).decode()}'")
    return f"-NoLogo -NoProfile -NonInteractive -Command {script}"


def _source() -> list[str]:
    """Return the program in one, without what its compiler does not need; what it uses must stand before all else."""
    lines = [line for path in sorted(_PROGRAM.glob("*.cs")) for line in _lines(path, "//")]
    used = sorted({line for line in lines if line.startswith("using System")})
    return used + [line for line in lines if line not in used]


def _lines(path: pathlib.Path, comment: str) -> list[str]:
    lines = (line.strip() for line in path.read_text(encoding="ascii").splitlines())
    return [line for line in lines if line and not line.startswith(comment)]
