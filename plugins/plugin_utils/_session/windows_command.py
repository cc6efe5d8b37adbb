# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what Ansible's powershell shell plugin asks for, as a Windows node can do it: start a process with a command line.

Pure. Ansible's own commands start PowerShell themselves, in forms that ansible-core 2.16 to 2.21 have in common but for quotes;
those become command lines. Anything else is a script (``raw``), to be run as the psrp connection runs it.
"""

from __future__ import annotations

import base64
import re

_SHELL = "powershell -NoProfile -NonInteractive -ExecutionPolicy Unrestricted"

_CONSOLE_ENCODING = "try { [Console]::OutputEncoding = New-Object System.Text.UTF8Encoding $false } catch {}"

_INTERPRETER = r"(?:& )?(?:'(?P<quoted>[^'\"]+)'|(?P<plain>[^\s'\"]+))"
_SWITCHES = r"(?P<switches> -NoProfile -NonInteractive(?: -(?:ExecutionPolicy|InputFormat) \w+)*)"
_ENCODED = re.compile(
    rf"{_INTERPRETER}{_SWITCHES} -EncodedCommand '?(?P<script>[A-Za-z0-9+/=]+)'?"
    r"(?: -EncodedArguments '?(?P<arguments>[A-Za-z0-9+/=]+)'?)?",
    re.IGNORECASE,
)
_FILE = re.compile(rf"{_INTERPRETER}{_SWITCHES} -File (?P<file>\".*)", re.IGNORECASE | re.DOTALL)


def command_line(command: str) -> str:
    """Return the command line of the process that does what Ansible wants."""
    encoded = _ENCODED.fullmatch(command)
    if encoded is not None:
        arguments = f" -EncodedArguments {encoded['arguments']}" if encoded["arguments"] else ""
        return f"{_program(encoded)}{encoded['switches']} -EncodedCommand {encoded['script']}{arguments}"
    file = _FILE.fullmatch(command)
    if file is not None:
        return f"{_program(file)}{file['switches']} -File {file['file']}"
    script = f"{_CONSOLE_ENCODING}\n{command}\nexit $LASTEXITCODE"
    return f"{_SHELL} -EncodedCommand {base64.b64encode(script.encode('utf-16-le', errors='surrogatepass')).decode()}"


def unquoted(path: str) -> str:
    """Return a path without the quotes that ansible-core before 2.21 may put around it."""
    stripped = path.strip()
    if len(stripped) > 1 and stripped[0] == stripped[-1] and stripped[0] in "'\"":
        return stripped[1:-1]
    return path


def _program(found: re.Match[str]) -> str:
    return f'"{found["quoted"]}"' if found["quoted"] else found["plain"]
