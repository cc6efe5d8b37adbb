# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a password, a token and the keys may not be: in arguments, environments, files and verbose output, on either side."""

from __future__ import annotations

import base64
import collections.abc
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import tempfile
import threading
import zlib

import ansible.release
import pytest

from tests.integration.running_emulator import Ansible, Run, RunningEmulator

_CORE = tuple(int(part) for part in ansible.release.__version__.split(".")[:2])
_PASSWORD, _TOKEN, _VALUE = "pass-Zq8vT2", "token-Wm4xK7", "value-Rb9nL3"

_SUDO = """#!/bin/sh
prompt=Password:
while [ $# -gt 0 ]; do
    case $1 in
        -p) prompt=$2; shift 2 ;;
        -u) shift 2 ;;
        -*) shift ;;
        *) break ;;
    esac
done
printf '%s' "$prompt" >&2
IFS= read -r answer
[ "$answer" = "$(cat ~/expected)" ] && exec "$@"
"""

#: What a task's command line has (raw, an environment) shows in the node's processes, as it does over ssh; so there is none of it.
_TASKS = """
- ansible.builtin.command: {cmd: sleep 1, stdin: "{{ value }}"}
  no_log: true
- ansible.builtin.command: {cmd: sleep 1, stdin: "{{ value }}"}
  become: true
  no_log: true
- ansible.builtin.copy: {content: "{{ value }}", dest: ~/kept, mode: "0600"}
  no_log: true
- ansible.builtin.file: {path: ~/kept, state: absent}
- ansible.builtin.uri: {url: "http://127.0.0.1:9/", url_username: me, url_password: "{{ token }}"}
  failed_when: false
"""


def _spellings(secret: str) -> collections.abc.Iterator[bytes]:
    """Yield a secret as it is, and what of it shows in base64 wherever it begins."""
    yield secret.encode()
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + secret.encode())
        # The first and the last characters depend on the neighbours too.
        yield text[4 if shift else 0 : len(text) // 4 * 4 - 4]


@dataclasses.dataclass
class _Watch:
    """Looks again and again at the arguments and environments of all processes; ``found`` has what held a secret."""

    secrets: tuple[str, ...]
    found: dict[str, str] = dataclasses.field(default_factory=dict)
    looks: int = 0

    def __post_init__(self) -> None:
        self._words = [word for secret in self.secrets for word in _spellings(secret)]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        known: set[tuple[str, bytes]] = set()
        while not self._over.wait(0.005):
            self.looks += 1
            for entry in os.scandir("/proc"):
                if entry.name.isdigit():
                    self._look_at(entry.path, known)

    def _look_at(self, process: str, known: set[tuple[str, bytes]]) -> None:
        with contextlib.suppress(OSError):
            arguments = pathlib.Path(process, "cmdline").read_bytes()
            # A process that was looked at with these arguments has the environment that it had.
            if (process, arguments) in known:
                return
            known.add((process, arguments))
            environment = pathlib.Path(process, "environ").read_bytes()
            # Emulators have one secret key, and other programs that use one have it where it belongs.
            everything = arguments + re.sub(rb"AWS_SECRET_ACCESS_KEY=[^\0]*", b"", environment)
            if any(word in everything for word in self._words):
                self.found[process] = arguments.replace(b"\0", b" ").decode(errors="replace")


def _files_with(folder: pathlib.Path, secrets: tuple[str, ...]) -> list[str]:
    words = [word for secret in secrets for word in _spellings(secret)]
    found = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file() and not path.is_symlink() and any(word in path.read_bytes() for word in words):
                found.append(str(path))
    return found


@dataclasses.dataclass
class _Seen:
    """What could be seen of a run."""

    run: Run
    processes: dict[str, str]
    files: list[str]
    printed: bytes


@pytest.fixture(
    scope="module", params=[("running_emulator", "web-1"), ("running_real_agents", "real-1")], ids=["simulated", "real_agent"]
)
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> _Seen:
    """One run with a become password, a token, a value of no_log and AWS's keys in variables, and all that shows of it."""
    fixture, machine = request.param
    emulator: RunningEmulator = request.getfixturevalue(fixture)
    ansible = Ansible(tmp_path_factory.mktemp("secrets"), emulator)
    secret_key = ansible.environment.pop("AWS_SECRET_ACCESS_KEY")
    access_key = ansible.environment.pop("AWS_ACCESS_KEY_ID")
    secrets = (_PASSWORD, _TOKEN, _VALUE, secret_key)
    inventory = ansible.inventory(machine, ansible_become_exe="~/sudo")
    with tempfile.TemporaryDirectory() as elsewhere:
        keys = {"ansible_ssm_access_key": access_key, "ansible_ssm_secret_key": secret_key}
        variables = pathlib.Path(elsewhere, "variables.json")
        variables.write_text(json.dumps({**keys, "ansible_become_password": _PASSWORD, "token": _TOKEN, "value": _VALUE}))
        _prepare(ansible, inventory, {**keys, "sudo": _SUDO, "password": _PASSWORD}, variables.with_name("prepare.json"))
        emulator.record()
        watch = _Watch(secrets)
        try:
            run = ansible.playbook(_TASKS, inventory, "-vvvvv", "-e", f"@{variables}")
        finally:
            watch.stop()
        assert watch.looks > 20
    sessions = emulator.recorded()
    emulator.record(on=False)
    assert run.code == 0, str(run)
    assert emulator.no_session_is_left()
    node = emulator.folder / "nodes" / machine
    (node / "upper" / "home" / "ssm-user" / "expected").unlink(missing_ok=True)
    folders = (ansible.folder, node, pathlib.Path(f"/tmp/fleet.ssm-{os.getuid()}"))
    files = [name for folder in folders for name in _files_with(folder, secrets)]
    return _Seen(run, watch.found, files, b"".join(session["printed"] for session in sessions))


def _prepare(ansible: Ansible, inventory: pathlib.Path, variables: dict[str, str], file: pathlib.Path) -> None:
    """Have a sudo that asks for the password, and knows it from a file."""
    file.write_text(json.dumps(variables), encoding="utf-8")
    tasks = """
- ansible.builtin.copy: {content: "{{ sudo }}", dest: ~/sudo, mode: "0755"}
- ansible.builtin.copy: {content: "{{ password }}", dest: ~/expected, mode: "0600"}
"""
    run = ansible.playbook(tasks, inventory, "-e", f"@{file}")
    assert run.code == 0, str(run)


def test_no_secret_is_in_the_arguments_or_the_environment_of_a_process_on_either_side(seen: _Seen) -> None:
    assert seen.processes == {}


def test_no_secret_is_left_in_a_file_on_either_side(seen: _Seen) -> None:
    assert seen.files == []


@pytest.mark.parametrize("secret", [_PASSWORD, _TOKEN, _VALUE])
def test_no_secret_is_in_the_most_verbose_output(secret: str, seen: _Seen) -> None:
    assert "SSM: EXEC" in seen.run.output
    assert [word for word in _spellings(secret) if word.decode() in seen.run.output] == []


def test_a_session_log_shows_no_secret_to_who_only_reads_it(seen: _Seen) -> None:
    for secret in (_PASSWORD, _TOKEN, _VALUE):
        assert [word for word in _spellings(secret) if word in seen.printed] == []


def test_a_session_log_can_be_decoded_to_what_modules_returned_and_to_no_password(seen: _Seen) -> None:
    decoded = _decoded(seen.printed)
    assert b'"python": ' in decoded
    # The invocation that command returns has its input, whatever no_log says to Ansible; since 2.21 modules return none.
    assert (_VALUE.encode() in decoded) is (_CORE < (2, 21))
    assert [secret for secret in (_PASSWORD, _TOKEN) if secret.encode() in decoded] == []


def _decoded(content: bytes) -> bytes:
    """Return what somebody with a decoder for base64 and zlib makes of a text, wherever either begins."""
    found = b""
    for run in re.findall(rb"[A-Za-z0-9+/]{16,}={0,2}", content):
        for begin in range(4):
            piece = run[begin:]
            with contextlib.suppress(ValueError):
                found += base64.b64decode(piece[: len(piece) // 4 * 4])
    for begin in [match.start() for match in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", found)]:
        with contextlib.suppress(zlib.error):
            found += zlib.decompressobj().decompress(found[begin:])
    return found


def test_the_command_of_a_no_log_task_is_not_in_the_most_verbose_output(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    variables = tmp_path / "variables.json"
    variables.write_text(json.dumps({"token": _TOKEN}), encoding="utf-8")
    run = ansible.playbook(
        """
- ansible.builtin.raw: echo {{ token }} > /dev/null
  no_log: true
- ansible.builtin.command: printenv API_TOKEN
  environment: {API_TOKEN: "{{ token }}"}
  no_log: true
""",
        ansible.inventory("web-1"),
        "-vvvvv",
        "-e",
        f"@{variables}",
    )
    assert run.code == 0, str(run)
    assert _TOKEN not in run.output
    assert "SSM: EXEC (not shown, no_log)" in run.output
