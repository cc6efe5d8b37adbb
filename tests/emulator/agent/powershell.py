# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
r"""A stand-in for ``powershell.exe`` on a simulated Windows node: it knows the ways in which it is started there, and no others.

* ``-Command`` with the program that a session starts: its C# is compiled and run by Mono, so that is the program itself.
* ``-EncodedCommand`` with Ansible's bootstrap wrapper: it reads what the wrapper must get on standard input, checks it, and
  answers as the module ``win_probe`` (tests/integration/library), or does what the wrapper's own script would.
* ``-EncodedCommand`` with a script of the few statements below, which mean the same to PowerShell.

Its text is put into each simulated Windows node, so it is one file and imports nothing but the standard library.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import typing as t
import zlib


def main(arguments: list[str]) -> int:
    """Do what the command line says."""
    line = " ".join(arguments)
    program = re.fullmatch(r"-NoLogo -NoProfile -NonInteractive -Command (.*)", line, re.DOTALL)
    if program is not None:
        return _run_program(program[1])
    script = re.fullmatch(r"-NoProfile -NonInteractive(?: -ExecutionPolicy Unrestricted)? -EncodedCommand ([A-Za-z0-9+/=]+)", line)
    if script is None:
        raise SystemExit(f"powershell: cannot do this: {line[:200]}")
    text = base64.b64decode(script[1], validate=True).decode("utf-16-le")
    return _bootstrap() if re.search(r"\$split_parts|\$codeJson", text) else _statements(text)


# -- the program of the session ---------------------------------------------------------------------------------------


def _run_program(command: str) -> int:
    packed = re.search(r"FromBase64String\('([^']*)'\)", command)
    if packed is None or not command.endswith("exit [FleetSsm.Program]::Main()"):
        raise SystemExit("powershell: this is not the program")
    source = zlib.decompress(base64.b64decode(packed[1]), -zlib.MAX_WBITS)
    compiled = pathlib.Path.home() / f".program-{hashlib.sha256(source).hexdigest()[:16]}.exe"
    if not compiled.exists():
        with tempfile.TemporaryDirectory(dir=compiled.parent) as folder:
            text = pathlib.Path(folder, "program.cs")
            text.write_bytes(source)
            made = pathlib.Path(folder, "program.exe")
            compiler = ["mcs", "-langversion:5", "-warnaserror", "-noconfig", "-r:System.dll", f"-out:{made}", str(text)]
            subprocess.run(compiler, check=True, stdin=subprocess.DEVNULL)
            made.replace(compiled)
    # Without it, a Mono that is killed leaves a file in /dev/shm.
    os.environ["MONO_DISABLE_SHARED_AREA"] = "1"
    os.execvp("mono", ["mono", str(compiled)])


# -- what Ansible's wrapper gets --------------------------------------------------------------------------------------


def _bootstrap() -> int:
    given = sys.stdin.buffer.read()
    parts = [part.strip(b"\r\n") for part in given.split(b"\0\0\0\0")]
    loaded = [json.loads(part) for part in parts if part.startswith(b"{")]
    if not loaded:
        raise SystemExit("invalid payload")
    told = _act(loaded, given)
    if told is not None:
        sys.stdout.write(told + "\r\n")
    return 0


def _act(loaded: list[t.Any], given: bytes) -> str | None:
    everything = json.dumps(loaded)
    actions = [action for manifest in loaded for action in manifest.get("actions", [])]
    names = [action["name"] if isinstance(action, dict) else action for action in actions]
    for action in actions:
        parameters = action.get("params") or {} if isinstance(action, dict) else {}
        if isinstance(action, dict) and action["name"] == "powershell_mkdtemp.ps1":
            return _make_folder(parameters["Directory"], parameters["Name"])
    arguments = _arguments(loaded)
    if arguments is None:
        raise SystemExit(f"powershell: there is no module in this: {everything[:300]}")
    answer = {
        "changed": False,
        "given": {name: value for name, value in arguments.items() if not name.startswith("_ansible")},
        "bytes": len(given),
        "sha256": hashlib.sha256(given).hexdigest(),
        "wrappers": sorted(name.removesuffix(".ps1") for name in names),
    }
    if arguments.get("fail"):
        answer.update(failed=True, msg=arguments["fail"])
    return json.dumps(answer)


def _arguments(loaded: list[t.Any]) -> t.Any:
    for manifest in loaded:
        if "module_args" in manifest:
            return manifest["module_args"]
        for action in manifest.get("actions", []):
            for variable in (action.get("params") or {}).get("Variables") or []:
                if variable["Name"] == "complex_args":
                    return variable["Value"]
    return None


def _make_folder(directory: str, name: str) -> str:
    folder = pathlib.Path(re.sub("%TEMP%", tempfile.gettempdir(), directory), name)
    folder.mkdir()
    return str(folder)


# -- statements -------------------------------------------------------------------------------------------------------

_CLIXML = (
    '<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04"><S S="Error">{}_x000D__x000A_</S>'
    '<Obj S="progress" RefId="0"><MS><I64 N="SourceId">1</I64></MS></Obj></Objs>'
)


def _write_error(text: str) -> None:
    sys.stderr.write("#< CLIXML\r\n" + _CLIXML.format(text))


def _set_content(path: str, text: str) -> None:
    pathlib.Path(path).write_text(text + "\r\n", encoding="utf-8")


def _copy() -> None:
    while block := os.read(0, 65536):
        sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()


_STATEMENTS: dict[str, t.Callable[..., t.Any]] = {
    r"Write-Output '([^']*)'": lambda text: sys.stdout.write(text + "\r\n"),
    r"Write-Output \('(.)' \* (\d+)\)": lambda one, times: sys.stdout.write(one * int(times) + "\r\n"),
    r"Write-Error '([^']*)'": _write_error,
    r"Start-Sleep -Milliseconds (\d+)": lambda milliseconds: time.sleep(int(milliseconds) / 1000),
    r"Set-Content -Path '([^']*)' -Value '([^']*)'": _set_content,
    r"Set-Content -Path '([^']*)' -Value \$PID": lambda path: _set_content(path, str(os.getpid())),
    r"\[Console\]::OpenStandardInput\(\)\.CopyTo\(\[Console\]::OpenStandardOutput\(\)\)": _copy,
    r"exit (\d+)": lambda code: sys.exit(int(code)),
    r"exit \$LASTEXITCODE": lambda: sys.exit(0),
    r"try \{ \[Console\]::OutputEncoding = .* catch \{\}": lambda: None,
}


def _statements(script: str) -> int:
    for line in script.splitlines():
        for pattern, action in _STATEMENTS.items():
            found = re.fullmatch(pattern, line.strip())
            if found is not None:
                action(*found.groups())
                sys.stdout.flush()
                break
        else:
            raise SystemExit(f"powershell: cannot do this: {line}")
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(newline="", encoding="utf-8")  # type: ignore[union-attr]
    sys.exit(main(sys.argv[1:]))
