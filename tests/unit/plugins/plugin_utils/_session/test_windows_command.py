# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which process a Windows node starts for what Ansible asks for, in the words of each ansible-core."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.windows_command import command_line, unquoted

_SWITCHES = "-NoProfile -NonInteractive -ExecutionPolicy Unrestricted"


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (f"PowerShell {_SWITCHES} -EncodedCommand aQBmAA==", f"PowerShell {_SWITCHES} -EncodedCommand aQBmAA=="),
        # 2.21 quotes what could mean something to PowerShell.
        (f"powershell {_SWITCHES} -EncodedCommand 'aQBm+A=='", f"powershell {_SWITCHES} -EncodedCommand aQBm+A=="),
        (
            f"& 'C:\\Program Files\\PowerShell\\7\\pwsh.exe' {_SWITCHES} -EncodedCommand YQA= -EncodedArguments 'PAA='",
            f'"C:\\Program Files\\PowerShell\\7\\pwsh.exe" {_SWITCHES} -EncodedCommand YQA= -EncodedArguments PAA=',
        ),
        (
            "powershell -NoProfile -NonInteractive -InputFormat None -EncodedCommand YQA=",
            "powershell -NoProfile -NonInteractive -InputFormat None -EncodedCommand YQA=",
        ),
        (f'PowerShell {_SWITCHES} -File "C:\\a b.ps1" "C:\\args"', f'PowerShell {_SWITCHES} -File "C:\\a b.ps1" "C:\\args"'),
    ],
)
def test_ansibles_own_commands_are_command_lines(command: str, line: str) -> None:
    assert command_line(command) == line


@pytest.mark.parametrize(
    "command",
    [
        "Get-Service | ForEach-Object { $_.Name }",
        f"type 'C:\\x.ps1' | PowerShell {_SWITCHES} -EncodedCommand YQA=",
        f"powershell {_SWITCHES} -EncodedCommand YQA=; Remove-Item x",
        "powershell -Command hostname",
        "Write-Output 'smörgås \U0001f980'",
    ],
)
def test_anything_else_is_a_script(command: str) -> None:
    line = command_line(command)
    program, _space, encoded = line.rpartition(" -EncodedCommand ")
    assert program == f"powershell {_SWITCHES}"
    script = base64.b64decode(encoded).decode("utf-16-le").split("\n")
    assert script[1:] == [command, "exit $LASTEXITCODE"]
    assert "[Console]::OutputEncoding" in script[0]


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("'C:\\a b'", "C:\\a b"),
        ('"C:\\a b"', "C:\\a b"),
        ("C:\\it's", "C:\\it's"),
        ("'", "'"),
        (" 'C:\\a' ", "C:\\a"),
        ("~\\a", "~\\a"),
        ("\"a'", "\"a'"),
    ],
)
def test_paths_lose_the_quotes_around_them(path: str, plain: str) -> None:
    assert unquoted(path) == plain
