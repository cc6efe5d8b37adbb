# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module for tests that says what process it is in, and then turns everything in it upside down."""

from __future__ import annotations

import fcntl
import gc
import locale
import os
import random
import resource
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import typing as t

import __main__
import ansible.module_utils.basic
import ansible.module_utils.facts.timeout
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.warnings import get_warning_messages


#: Not SigQ, which counts the signals that wait for all of a user's processes.
_STATUS = ("SigP", "SigB", "SigI", "SigC", "Shd", "NoNewPrivs", "Seccomp", "Cap")


def main() -> None:
    """Say what is, and change it."""
    before = surroundings()
    module = AnsibleModule({"upset": {"type": "bool", "default": True}})
    after = {"warnings": list(get_warning_messages()), "locale": locale.setlocale(locale.LC_ALL), "cwd": os.getcwd()}
    if module.params["upset"]:
        upset()
    module.exit_json(changed=True, before=before, after=after)


def surroundings() -> dict[str, t.Any]:
    """Return what a module can find out about its process; None where that differs between any two runs."""
    return {
        "argv": sys.argv[1:],
        "stdin": sys.stdin.read(),
        "streams": [(one.encoding, one.errors, one.line_buffering, one.isatty()) for one in (sys.stdin, sys.stdout, sys.stderr)],
        "environment": dict(os.environ),
        "umask": _umask(),
        "cwd": os.getcwd(),
        "locale": locale.setlocale(locale.LC_ALL),
        "encoding": (sys.getfilesystemencoding(), locale.getpreferredencoding(False)),
        "signals": {number: str(signal.getsignal(number)) for number in signal.valid_signals()},
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "ignored": [line for line in _lines("/proc/self/status") if line.startswith(_STATUS)],
        "identity": (os.getresuid(), os.getresgid(), os.getgroups()),
        "command": _lines("/proc/self/cmdline"),
        "program": os.readlink("/proc/self/exe"),
        "name": _lines("/proc/self/comm"),
        "scheduling": (os.nice(0), os.sched_getscheduler(0), len(os.sched_getaffinity(0)), _lines("/proc/self/oom_score_adj")),
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")},
        "leads": (os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid(), os.getsid(0) == os.getpgrp()),
        "terminal": _opens("/dev/tty"),
        "group": (_lines("/proc/self/cgroup"), _lines("/proc/self/loginuid"), _lines("/proc/self/timerslack_ns")),
        "modes": [(stat.S_IFMT(os.fstat(number).st_mode), fcntl.fcntl(number, fcntl.F_GETFL)) for number in range(3)],
        "descriptors": [(number, os.get_inheritable(number)) for number in range(3, 64) if _is_open(number)],
        "threads": [thread.name for thread in threading.enumerate()],
        "flags": str(sys.flags),
        "switches": (sys.dont_write_bytecode, sys.getrecursionlimit(), sys.getswitchinterval(), sys.warnoptions, sys._xoptions),
        "hooks": [
            getattr(sys, name) is getattr(sys, f"__{name}__")
            for name in ("excepthook", "displayhook", "unraisablehook", "breakpointhook")
        ],
        "tracing": (sys.gettrace(), sys.getprofile(), threading.excepthook is threading.__excepthook__),
        "collecting": (gc.isenabled(), gc.get_threshold(), gc.get_debug(), gc.callbacks),
        "path": sys.path[1:],
        "finders": [type(one).__name__ if not isinstance(one, type) else one.__name__ for one in sys.meta_path],
        "path_hooks": [str(one).partition(" at ")[0] for one in sys.path_hooks],
        "main": sorted(vars(__main__)),
        "main_file": getattr(__main__, "__file__", "").rpartition("/")[2],
        "module": (__name__, __file__.rpartition("/")[2], str(__spec__ and __spec__.name), str(__package__)),
        "basic": (
            ansible.module_utils.basic.__file__.rpartition(".zip")[2],
            str(ansible.module_utils.basic.__cached__).rpartition(".zip")[2],
        ),
        "same_zip": ansible.module_utils.basic.__file__.rpartition(".zip")[0]
        == ansible.module_utils.facts.timeout.__file__.rpartition(".zip")[0],
        "zip_exists": os.path.exists(ansible.module_utils.basic.__file__.rpartition(".zip")[0] + ".zip"),
        "temporary": (tempfile.gettempdir(), tempfile.tempdir),
        "timeouts": (socket.getdefaulttimeout(), signal.getitimer(signal.ITIMER_REAL)),
        "random": len({random.random(), random.Random().random()}),
        "handled": (str(sys.exc_info()), hasattr(sys, "last_value")),
        "children": _lines(f"/proc/{os.getpid()}/task/{os.getpid()}/children"),
        "foreign": sorted(name for name in sys.modules if name.partition(".")[0] in ("warm", "ansible_collections", "fleet")),
        "leaked": (hasattr(sys, "leaked"), hasattr(ansible.module_utils.basic, "LEAKED"), sys.modules.get("leaked")),
        "subprocess": subprocess.run(
            ["/bin/sh", "-c", "umask; pwd; ulimit -n; cat"], capture_output=True, check=False
        ).stdout.decode(),
    }


def upset() -> None:
    """Change everything that a next module must not see."""
    os.setsid()
    os.environ.clear()
    os.environ.update(LEAKED="1", PATH="/nowhere", TMPDIR="/nowhere")
    os.umask(0o777)
    os.chdir("/proc")
    locale.setlocale(locale.LC_ALL, "C")
    for ignored in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGALRM])
    signal.setitimer(signal.ITIMER_REAL, 1000)
    socket.setdefaulttimeout(0.001)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    sys.path.append("/leaked")
    sys.argv.append("leaked")
    sys.setrecursionlimit(500)
    sys.leaked = True  # type: ignore[attr-defined]
    sys.modules["leaked"] = sys
    sys.meta_path.append(sys)  # type: ignore[arg-type]
    ansible.module_utils.basic.LEAKED = True
    ansible.module_utils.facts.timeout.GATHER_TIMEOUT = 0  # type: ignore[assignment]
    tempfile.tempdir = "/nowhere"
    gc.disable()
    random.seed(1)
    os.nice(5)
    threading.Thread(target=time.sleep, args=(0.2,), name="leaked").start()
    # It holds no stream of ours, so nobody waits for it.
    subprocess.Popen(["/bin/sleep", "3"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _lines(path: str) -> list[str]:
    with open(path, encoding="utf-8") as file:
        return file.read().replace("\0", "\n").splitlines()


def _opens(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDWR))
    except OSError:
        return False
    return True


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
