# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session finds on a simulated machine: user, environment, working folder, and how a process is started there."""

from __future__ import annotations

import asyncio
import dataclasses
import fcntl
import os
import pathlib
import pwd
import subprocess
import termios
import typing as t

from tests.emulator.agent import descriptors

_LOOK_EVERY = 0.02
BAD_START_PAUSE = 2.0  # what the agent waits before it tells that there is nothing to start (shell.go, execute)


@dataclasses.dataclass(frozen=True)
class Machine:
    """One machine as its agent sees it: from within, when it has a root folder of its own."""

    user_id: int  # who sessions run as
    group_id: int
    home: pathlib.Path
    root_home: pathlib.Path
    working_folder: pathlib.Path  # the agent's, which its shells start in
    path: str
    platform: str = "linux"  # the member of a document's properties that is meant for it

    def environment(self, elevated: bool, user: str = "") -> dict[str, str]:
        """Return what a session's process has: HOME, TERM and LANG as the agent sets them, the rest as systemd does."""
        own_home = pathlib.Path("/home", user) if user else self.home
        home = self.root_home if elevated else own_home
        return {"HOME": str(home), "PATH": self.path, "TERM": "xterm-256color", "LANG": os.environ.get("LANG") or "C.UTF-8"}

    def start(
        self,
        argv: list[str],
        *,
        terminal: int | None = None,
        elevated: bool = False,
        run_as: str | None = None,
        folder: str = "",
        **streams: t.Any,
    ) -> subprocess.Popen[bytes]:
        """Start a process, as root, the session user or another; with a terminal it becomes the leader of a session on it."""
        switch: dict[str, t.Any] = {}
        if run_as and not elevated:
            account = pwd.getpwnam(run_as)
            groups = os.getgrouplist(run_as, account.pw_gid)
            switch = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": groups}
        elif os.geteuid() == 0 and not elevated and self.user_id != 0:
            switch = {"user": self.user_id, "group": self.group_id, "extra_groups": [self.group_id]}
        if terminal is not None:
            streams = dict.fromkeys(("stdin", "stdout", "stderr"), terminal)
            if switch:
                os.fchown(terminal, switch["user"], -1)
        return subprocess.Popen(
            argv,
            cwd=folder or self.working_folder,
            env=self.environment(elevated, run_as or ""),
            start_new_session=True,
            preexec_fn=_control_terminal if terminal is not None else None,
            **streams,
            **switch,
        )


def check_run_as(user: str | None) -> None:
    """Raise ValueError, in the agent's words, when sessions cannot run as a user (shell_unix.go, StartCommandExecutor)."""
    if user is None:
        return
    if not user:
        raise ValueError("please set the RunAs default user")
    if os.geteuid() != 0:
        raise ValueError("the agent must run as root to use RunAs")
    if user not in {account.pw_name for account in pwd.getpwall()}:
        raise ValueError(f"failed to start pty since RunAs user {user} does not exist")


def _control_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


async def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process."""
    if process.poll() is None:
        try:
            descriptor = os.pidfd_open(process.pid)
        except OSError:  # a kernel or a sandbox that does not know it
            while process.poll() is None:
                await asyncio.sleep(_LOOK_EVERY)
            return int(process.returncode)
        try:
            await descriptors.readable(descriptor)
        finally:
            os.close(descriptor)
    return process.wait()
