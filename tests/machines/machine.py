# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine: booted from a base, entered, switched off and removed with all it left."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import typing as t
import uuid

from tests.machines import bases, capabilities, control_groups, network

_BOOT_SECONDS = 60.0
_OFF_SECONDS = 20.0
_UP = ("running", "degraded")
# What systemd as process 1 powers off by: SIGRTMIN+4, in signal(7)'s numbers and not in glibc's.
_POWER_OFF = signal.SIGRTMIN + 4
_HALT = "SIGRTMIN+3"


class NotUpError(Exception):
    """A machine did not boot; the text ends with what its console showed."""


class Machine:
    """A machine in ``folder``, where ``enter.json`` has the command by which others get in."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.name = folder.name
        self.root = folder / "root"
        self.address = ""
        self._process: subprocess.Popen[bytes] | None = None

    def boot(self, base: str, net: network.Network, number: int, names: t.Mapping[str, str], authority: str) -> None:
        """Boot and wait until it is up; ``names`` lead to addresses, ``authority`` (PEM) is trusted."""
        self.address = network.address(number)
        try:
            self._mount(bases.root_of(base))
            self._settle(names, authority)
            self._process = self._start(net.join(self.name, number))
            leader = self._wait_for_leader()
            self._write_entry(leader)
            self._wait_until_up()
        except BaseException:
            self.remove()
            raise

    def run(self, *command: str, stdin: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as root."""
        done = subprocess.run([*self._entry(), *command], input=stdin, capture_output=True, check=False)
        result = subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())
        if check and result.returncode:
            raise AssertionError(
                f"{' '.join(command)} in {self.name}: exit code {result.returncode}\n{result.stdout}{result.stderr}"
            )
        return result

    def output(self, *command: str) -> str:
        """Run a command in it and return its standard output, stripped."""
        return self.run(*command).stdout.strip()

    def remove(self) -> None:
        """Switch it off and leave nothing of it."""
        self._switch_off()
        control_groups.kill(self.name)
        if os.path.ismount(self.root):
            subprocess.run(["umount", "--lazy", str(self.root)], check=True)
        network.remove_namespace(self.name)
        control_groups.remove(self.name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _mount(self, base: pathlib.Path) -> None:
        for name in ("upper", "work", "root"):
            (self.folder / name).mkdir(parents=True)
        options = f"lowerdir={base},upperdir={self.folder}/upper,workdir={self.folder}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(self.root)], check=True)

    def _settle(self, names: t.Mapping[str, str], authority: str) -> None:
        etc = self.root / "etc"
        hosts = f"127.0.0.1 localhost {self.name}\n" + "".join(f"{at} {name}\n" for name, at in names.items())
        (etc / "hosts").write_text(hosts, encoding="utf-8")
        (etc / "hostname").write_text(f"{self.name}\n", encoding="utf-8")
        # Of our own: an agent knows its machine by it.
        (etc / "machine-id").unlink(missing_ok=True)
        (etc / "machine-id").write_text(f"{uuid.uuid4().hex}\n", encoding="utf-8")
        with (etc / "ssl/certs/ca-certificates.crt").open("a", encoding="utf-8") as trusted:
            trusted.write(authority)

    def _start(self, namespace: pathlib.Path) -> subprocess.Popen[bytes]:
        groups = control_groups.make(self.name)

        def move() -> None:
            for file in groups:
                file.write_text(str(os.getpid()), encoding="ascii")

        command = ["systemd-nspawn", "--quiet", "--boot", f"--directory={self.root}"]
        command += [f"--machine={self.name}", "--register=no", "--keep-unit", f"--network-namespace-path={namespace}"]
        command += ["--resolv-conf=off", "--timezone=off", "--console=pipe", "--link-journal=no", f"--kill-signal={_HALT}"]
        with (self.folder / "console.log").open("wb") as console:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True, preexec_fn=move
            )

    def _wait_for_leader(self) -> int:
        deadline = time.monotonic() + _BOOT_SECONDS
        while time.monotonic() < deadline:
            for child in _children(self._running().pid):
                with contextlib.suppress(OSError):
                    if pathlib.Path(f"/proc/{child}/comm").read_text(encoding="utf-8").strip() == "systemd":
                        return child
            time.sleep(0.02)
        raise self._not_up("no systemd")

    def _write_entry(self, leader: int) -> None:
        dropped = capabilities.withheld(capabilities.bounding_set("self"), capabilities.bounding_set(leader))
        entry = ["setpriv", "--bounding-set", ",".join(f"-{name}" for name in dropped)] if dropped else []
        entry += ["nsenter", f"--target={leader}", "--mount", "--uts", "--ipc", "--pid", "--net", "--cgroup", "--root", "--wd"]
        # Nothing of the environment of the tests.
        entry += ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "USER=root"]
        (self.folder / "leader").write_text(str(leader), encoding="ascii")
        (self.folder / "enter.json").write_text(json.dumps(entry), encoding="utf-8")

    def _wait_until_up(self) -> None:
        deadline, state = time.monotonic() + _BOOT_SECONDS, ""
        while time.monotonic() < deadline:
            self._running()
            state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
            if state in _UP:
                return
            time.sleep(0.05)
        raise self._not_up(state)

    def _switch_off(self) -> None:
        leader = self.folder / "leader"
        if self._process is None:
            return
        if leader.exists():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(leader.read_text(encoding="ascii")), _POWER_OFF)
        else:
            self._process.kill()
        try:
            self._process.wait(_OFF_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise self._not_up("systemd-nspawn ended")
        return self._process

    def _not_up(self, state: str) -> NotUpError:
        console = (self.folder / "console.log").read_text(encoding="utf-8", errors="replace")
        return NotUpError(f"{self.name} is not up ({state}): {console[-2000:]}")

    def _entry(self) -> list[str]:
        entry: list[str] = json.loads((self.folder / "enter.json").read_text(encoding="utf-8"))
        return entry


def _children(process: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in pathlib.Path(f"/proc/{process}/task").iterdir():
            found += map(int, (task / "children").read_text(encoding="ascii").split())
    return found
