# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Command on a node: aws:runShellScript steps of a document, and the replies about them.

They run as root, and what went wrong is told at the end of standard error (agent/plugins/runscript, framework/processor).
"""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import signal
import subprocess
import tempfile
import typing as t

from tests.emulator.agent import documents
from tests.emulator.agent.machine import Machine, ended

_STDOUT_LIMIT, _STDERR_LIMIT = 24_000, 8_000
_TRUNCATED = "\n---Output truncated---"

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
    inputs = step.get("inputs") or {}
    lines = _lines(inputs.get("runCommand"), values)
    timeout = float(documents.substituted(str(inputs.get("timeoutSeconds") or 3600), values) or 3600)
    started = datetime.datetime.now(datetime.timezone.utc)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        script = ["sh", "-c", "\n".join(lines)]
        process = machine.start(script, stdin=subprocess.DEVNULL, stdout=out, stderr=err, elevated=True)
        try:
            code = await asyncio.wait_for(ended(process), timeout)
            status = "Success" if code == 0 else "Failed"
        except asyncio.TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await ended(process)
            code, status = 137, "TimedOut"
        if code != 0:
            err.seek(0, os.SEEK_END)
            err.write(f"failed to run commands: exit status {code}".encode())
        stdout, stderr = (_text(stream, limit) for stream, limit in ((out, _STDOUT_LIMIT), (err, _STDERR_LIMIT)))
    return {
        "status": status,
        "code": code,
        "name": step["action"],
        "output": stdout,
        "startDateTime": _moment(started),
        "endDateTime": _moment(datetime.datetime.now(datetime.timezone.utc)),
        "stepName": step["name"],
        "standardOutput": stdout,
        "standardError": stderr,
    }


def _lines(given: t.Any, values: dict[str, t.Any]) -> list[str]:
    found = documents.substituted(given or [], values)
    return [str(line) for line in found] if isinstance(found, list) else [str(found)]


def _moment(when: datetime.datetime) -> str:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(stream: t.IO[bytes], limit: int) -> str:
    stream.seek(0)
    text = stream.read().decode(errors="replace")
    return text if len(text) <= limit else text[: limit - len(_TRUNCATED)] + _TRUNCATED


def reply_content(job: str, topic: str, reply: Reply) -> dict[str, t.Any]:
    """Wrap a reply as the control channel carries it."""
    return {"schemaVersion": 1, "jobId": job, "content": json.dumps(reply), "topic": topic}
