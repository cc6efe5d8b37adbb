# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Command on a node: aws:runShellScript steps of a document, and the replies about them.

They run as root, and what went wrong is told at the end of standard error (agent/plugins/runscript, pluginutil, executers,
framework/runpluginutil).
"""

from __future__ import annotations

import asyncio
import collections.abc
import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import typing as t

from tests.emulator.agent import documents, output_places
from tests.emulator.agent.api import Api
from tests.emulator.agent.machine import Machine, ended

_LIMIT, _LISTED = 24_000, 2_500  # of either stream, and of both together for lists
_OUT_CUT, _ERROR_CUT = b"\n---Output truncated---", b"\n---Error truncated----"
_TRUNCATED = b"--output truncated--"
_TIMEOUTS = range(5, 172_801)  # what else a document says counts as nothing
_DEFAULT_TIMEOUT = 3600
_STOPPED = 137

Reply = dict[str, t.Any]
Send = t.Callable[[Reply], t.Awaitable[None]]


class Job:
    """A command on this node."""

    def __init__(self, api: Api, machine: Machine, content: dict[str, t.Any], send: Send) -> None:
        self._api = api
        self._machine = machine
        self._content = content
        self._send = send
        self._cancelled = asyncio.Event()

    def cancel(self) -> None:
        """Kill what runs, and begin no further step."""
        self._cancelled.set()

    async def run(self) -> None:
        """Run the document and reply: before, after each step when there are several, and in the end."""
        document = self._content["DocumentContent"]
        values = documents.values_of(document, self._content.get("Parameters") or {})
        steps = document.get("mainSteps") or []
        await self._send(_reply("InProgress", {}))
        statuses: dict[str, Reply] = {}
        for step in steps:
            status = statuses[step["name"]] = await self._run_step(step, values)
            if len(steps) > 1:
                await self._send(_reply("InProgress", {step["name"]: status}))
        # The last reply tells of a step only when it is the only one (agent/contracts/aggregator.go).
        await self._send(_reply(_worst(statuses.values()), statuses if len(steps) == 1 else {}))

    async def _run_step(self, step: dict[str, t.Any], values: dict[str, t.Any]) -> Reply:
        inputs = documents.substituted(step.get("inputs") or {}, values)
        started = datetime.datetime.now(datetime.timezone.utc)
        with (
            tempfile.TemporaryDirectory(dir=self._machine.root_home) as folder,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            script = pathlib.Path(folder, "_script.sh")
            script.write_text("\n".join(_lines(inputs.get("runCommand"))) + "\n", encoding="utf-8")
            script.chmod(0o700)
            code, complaint = await self._run_script(script, inputs, out, err)
            if complaint:
                err.seek(0, os.SEEK_END)
                err.write(f"failed to run commands: {complaint}".encode())
            stdout, stderr = _text(out), _text(err)
            streams = {"stdout": _all(out), "stderr": _all(err)}
        await asyncio.to_thread(output_places.put, self._api, self._content, step, streams)
        stopped = "Cancelled" if self._cancelled.is_set() else "TimedOut"
        return {
            "status": {0: "Success", _STOPPED: stopped}.get(code, "Failed"),
            "code": code,
            "name": step["action"],
            "output": _joined(stdout, stderr),
            "startDateTime": _moment(started),
            "endDateTime": _moment(datetime.datetime.now(datetime.timezone.utc)),
            "stepName": step["name"],
            "standardOutput": stdout,
            "standardError": stderr,
        }

    async def _run_script(
        self, script: pathlib.Path, inputs: dict[str, t.Any], out: t.IO[bytes], err: t.IO[bytes]
    ) -> tuple[int, str]:
        """Return the exit code and what is said of it: nothing of success, nor of a code that looks like being killed."""
        if self._cancelled.is_set():
            return _STOPPED, ""
        folder = str(inputs.get("workingDirectory") or "")
        argv = ["sh", "-c", str(script)]
        try:
            process = self._machine.start(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                elevated=True,
                folder=folder if folder.startswith("/") else "",
            )
        except OSError as error:
            return 1, f"fork/exec {shutil.which('sh', path=self._machine.path)}: {str(error.strerror).lower()}"
        if not await self._ends(process, _timeout(inputs.get("timeoutSeconds"))):
            os.killpg(process.pid, signal.SIGKILL)
            await ended(process)
            return _STOPPED, ""
        code = process.returncode
        if code < 0:
            return -1, f"signal: {(signal.strsignal(-code) or '').lower()}"
        return code, "" if code in (0, _STOPPED) else f"exit status {code}"

    async def _ends(self, process: subprocess.Popen[bytes], seconds: float) -> bool:
        """Wait for a process; return False when its time is up, or when it is to be killed."""
        ending, cancelling = asyncio.ensure_future(ended(process)), asyncio.ensure_future(self._cancelled.wait())
        try:
            await asyncio.wait((ending, cancelling), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            return ending.done()
        finally:
            ending.cancel()
            cancelling.cancel()


def _reply(status: str, steps: dict[str, Reply]) -> Reply:
    return {"documentStatus": status, "documentTraceOutput": "", "runtimeStatus": steps}


def _worst(statuses: collections.abc.Iterable[Reply]) -> str:
    words = {status["status"] for status in statuses}
    return next((word for word in ("Failed", "TimedOut", "Cancelled") if word in words), "Success")


def _joined(stdout: str, stderr: str) -> str:
    """Join both streams as the agent does for lists (executer/iohandler, TruncateOutput), which counts bytes."""
    out, err = stdout.encode(), stderr.encode()
    divider = b"\n----------ERROR-------\n" if err else b""
    room = _LISTED - len(divider)
    if len(out) + len(err) < room:
        joined = out + divider + err
    elif len(out) > room // 2 and len(err) > room // 2:
        half = (room - len(_OUT_CUT) - len(_ERROR_CUT)) // 2
        joined = out[:half] + _OUT_CUT + divider + err[:half] + _ERROR_CUT
    elif len(out) <= room // 2:
        joined = out + divider + err[: room - len(_ERROR_CUT) - len(out)] + _ERROR_CUT
    else:
        joined = out[: room - len(_OUT_CUT) - len(err)] + _OUT_CUT + divider + err
    return joined.decode(errors="replace")


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


def _all(stream: t.IO[bytes]) -> bytes:
    stream.seek(0)
    return stream.read()


def reply_content(job: str, topic: str, reply: Reply) -> dict[str, t.Any]:
    """Wrap a reply as the control channel carries it."""
    return {"schemaVersion": 1, "jobId": job, "content": json.dumps(reply), "topic": topic}
