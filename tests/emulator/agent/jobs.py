# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Command on a node: aws:runShellScript steps of a document, and the replies about them.

They run as root, and what went wrong is told at the end of standard error (agent/plugins/runscript, pluginutil, executers,
framework/runpluginutil).
"""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import typing as t

from tests.emulator.agent import documents
from tests.emulator.agent.machine import Machine, ended

_LIMIT = 24_000  # of either stream
_TRUNCATED = b"--output truncated--"
_TIMEOUTS = range(5, 172_801)  # what else a document says counts as nothing
_DEFAULT_TIMEOUT = 3600
_STOPPED = 137

Reply = dict[str, t.Any]


async def run(machine: Machine, content: dict[str, t.Any], reply: t.Callable[[Reply], t.Awaitable[None]]) -> None:
    """Run a command's document and reply before and after."""
    parameters = content.get("Parameters") or {}
    document = content["DocumentContent"]
    values = documents.values_of(document, parameters)
    await reply({"documentStatus": "InProgress", "documentTraceOutput": "", "runtimeStatus": {}})
    statuses: dict[str, Reply] = {}
    for step in document.get("mainSteps") or []:
        statuses[step["name"]] = await _run_step(machine, step, values)
    worst = next((status["status"] for status in statuses.values() if status["status"] != "Success"), "Success")
    await reply({"documentStatus": worst, "documentTraceOutput": "", "runtimeStatus": statuses})


async def _run_step(machine: Machine, step: dict[str, t.Any], values: dict[str, t.Any]) -> Reply:
    inputs = documents.substituted(step.get("inputs") or {}, values)
    started = datetime.datetime.now(datetime.timezone.utc)
    with (
        tempfile.TemporaryDirectory(dir=machine.root_home) as folder,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        script = pathlib.Path(folder, "_script.sh")
        script.write_text("\n".join(_lines(inputs.get("runCommand"))) + "\n", encoding="utf-8")
        script.chmod(0o700)
        code, complaint = await _run_script(machine, script, inputs, out, err)
        if complaint:
            err.seek(0, os.SEEK_END)
            err.write(f"failed to run commands: {complaint}".encode())
        stdout, stderr = _text(out), _text(err)
    return {
        "status": {0: "Success", _STOPPED: "TimedOut"}.get(code, "Failed"),
        "code": code,
        "name": step["action"],
        "output": stdout,
        "startDateTime": _moment(started),
        "endDateTime": _moment(datetime.datetime.now(datetime.timezone.utc)),
        "stepName": step["name"],
        "standardOutput": stdout,
        "standardError": stderr,
    }


async def _run_script(
    machine: Machine, script: pathlib.Path, inputs: dict[str, t.Any], out: t.IO[bytes], err: t.IO[bytes]
) -> tuple[int, str]:
    """Return the exit code and what is said of it: nothing of success, nor of a code that looks like being killed for the time."""
    folder = str(inputs.get("workingDirectory") or "")
    argv = ["sh", "-c", str(script)]
    try:
        process = machine.start(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, elevated=True, folder=folder if folder.startswith("/") else ""
        )
    except OSError as error:
        return 1, f"fork/exec {shutil.which('sh', path=machine.path)}: {str(error.strerror).lower()}"
    try:
        code = await asyncio.wait_for(ended(process), _timeout(inputs.get("timeoutSeconds")))
    except asyncio.TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await ended(process)
        return _STOPPED, ""
    if code < 0:
        return -1, f"signal: {(signal.strsignal(-code) or '').lower()}"
    return code, "" if code in (0, _STOPPED) else f"exit status {code}"


def _timeout(given: t.Any) -> int:
    seconds = int(given) if str(given).isdigit() else 0
    return seconds if seconds in _TIMEOUTS else _DEFAULT_TIMEOUT


def _lines(given: t.Any) -> list[str]:
    return [str(line) for line in given] if isinstance(given, list) else [str(given or "")]


def _moment(when: datetime.datetime) -> str:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(stream: t.IO[bytes]) -> str:
    stream.seek(0)
    data = stream.read(_LIMIT)
    if len(data) == _LIMIT:
        data = data[: -len(_TRUNCATED)] + _TRUNCATED
    return data.decode(errors="replace")


def reply_content(job: str, topic: str, reply: Reply) -> dict[str, t.Any]:
    """Wrap a reply as the control channel carries it."""
    return {"schemaVersion": 1, "jobId": job, "content": json.dumps(reply), "topic": topic}
