# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a simulated node a root folder, process table and user of its own, where the user who runs the emulator may do that.

As root: a mount and a process namespace, an overlay over the host's root (so every program is there and every change stays in the
node's folder), and a user ``ssm-user`` in it who may become root by sudo. Where the host has no sudo, a stand-in of a few lines is
put in: it runs the command by ``su``, which in this root folder asks no password. When the namespace's first process ends, the
kernel ends all others and drops the mounts. Nothing in a node can set the clock: it is the host's.

Such a node can be rebooted from within: its first process ends, and a while later there is another with another boot id. The
signals for it are systemd's: SIGINT reboots as ``shutdown -r`` does, SIGRTMIN+15 as ``reboot -f``, which tells nobody.

Otherwise: plain processes with the node's folder as HOME, and a stand-in for sudo that stays who it is.
"""

from __future__ import annotations

import ctypes
import dataclasses
import hashlib
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid

from tests.emulator.agent.machine import Machine

_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWPID = 0x00020000, 0x04000000, 0x20000000
_PR_SET_CHILD_SUBREAPER, _PR_CAPBSET_DROP, _PR_SET_PDEATHSIG = 36, 24, 1
_CAP_SYS_TIME = 25
_REBOOTS = 85  # exit code of a first process that is to be followed by another
_REBOOT_AT_ONCE = signal.SIGRTMIN + 15
_GRACE_SECONDS = 0.3
_BOOT_SECONDS = 1.5
_BOOT_ID = "proc/sys/kernel/random/boot_id"
_USER, _USER_ID = "ssm-user", 60_001
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CLONE = pathlib.Path(__file__).resolve().parents[3]

_SUDO = r"""#!/bin/sh
# A stand-in for sudo on a simulated node: no password, no policy.
user=root
while [ $# -gt 0 ]; do
    case $1 in
        -u) user=$2; shift 2 ;;
        -[pgCU]) shift 2 ;;
        --) shift; break ;;
        -*) shift ;;
        *) break ;;
    esac
done
"""
_TASKKILL = r"""#!/bin/sh
# A stand-in for taskkill on a simulated Windows node: a process and all below it.
[ "$1 $2 $3" = "/T /F /PID" ] || exit 1
tree() {
    for child in $(cat /proc/"$1"/task/*/children 2> /dev/null); do tree "$child"; done
    echo "$1"
}
kill -KILL $(tree "$4")
"""
_SUDO_BY_SU = r"""command=
for word; do
    command="$command '$(printf '%s' "$word" | sed "s/'/'\\\\''/g")'"
done
exec su -s /bin/sh "$user" -c "exec$command"
"""
_SUDO_AS_ONESELF = 'exec "$@"\n'

_SHUTDOWN = r"""#!/bin/sh
# A stand-in for shutdown on a simulated node, for: shutdown -r TIME [TEXT]. It returns before the machine goes down.
[ "$(id -u)" = 0 ] || { echo "shutdown: only root may do that" >&2; exit 1; }
[ "$1" = -r ] || { echo "shutdown: only -r is possible here" >&2; exit 1; }
setsid sh -c "sleep 0.3; kill -INT 1" < /dev/null > /dev/null 2>&1 &
"""
_REBOOT = f"""#!/bin/sh
# A stand-in for reboot on a simulated node, for: reboot -f.
kill -{_REBOOT_AT_ONCE:d} 1
"""

_PACKAGES = r"""#!/bin/sh
# A stand-in for a package manager: packages install, packages remove.
case $1 in
    install) mv PACKED/python* INSTALLED/ ;;
    remove) mv INSTALLED/python* PACKED/ ;;
esac
"""

_libc = ctypes.CDLL(None, use_errno=True)


def possible() -> bool:
    """Whether nodes can have roots of their own here."""
    return os.geteuid() == 0


def enter(folder: pathlib.Path, hostname: str) -> None:
    """Make this process one of a new machine, with the folder's root as its own; returns in a grandchild, after each boot."""
    _boot_until_it_ends()
    # Now the first process of the namespace: it collects orphans, and everything ends with it.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _checked(_libc.unshare(_CLONE_NEWNS | _CLONE_NEWUTS))
    socket.sethostname(hostname)
    os.chroot(_overlay(folder))
    os.chdir("/")
    pathlib.Path("/etc/machine-id").write_text(hashlib.sha256(str(folder).encode()).hexdigest()[:32] + "\n", encoding="ascii")
    _add_line("/etc/hosts", f"127.0.1.1 {hostname}")
    _libc.prctl(_PR_CAPBSET_DROP, _CAP_SYS_TIME)
    allow_sudo()
    for path, text in ((pathlib.Path("/usr/sbin/shutdown"), _SHUTDOWN), (pathlib.Path("/usr/sbin/reboot"), _REBOOT)):
        path.unlink(missing_ok=True)  # mostly a link to systemctl
        _write_program(path, text)
    child = os.fork()
    if child != 0:
        signal.signal(signal.SIGINT, lambda *_: _shut_down())
        signal.signal(_REBOOT_AT_ONCE, lambda *_: os._exit(_REBOOTS))
        os._exit(_outcome(child))


def furnish(python: bool) -> Machine:
    """Set up the machine one is in for a simulated agent."""
    _add_line("/etc/passwd", f"{_USER}:x:{_USER_ID}:{_USER_ID}::/home/{_USER}:/bin/sh")
    _add_line("/etc/group", f"{_USER}:x:{_USER_ID}:")
    # No password, and not locked: sudo asks PAM whether the account is good.
    _add_line("/etc/shadow", f"{_USER}:*:19000:0:99999:7:::")
    home = pathlib.Path("/home", _USER)
    home.mkdir(parents=True, exist_ok=True)
    os.chown(home, _USER_ID, _USER_ID)
    if not python:
        for program in pathlib.Path("/usr/local/bin").glob("python*"):
            program.unlink()
        _offer_python(pathlib.Path("/usr/local/bin"), pathlib.Path("/var/cache/packages"), pathlib.Path("/usr/bin"))
        subprocess.run(["/usr/local/bin/packages", "remove"], check=True)
    return Machine(_USER_ID, _USER_ID, home, pathlib.Path("/root"), pathlib.Path("/usr/bin"), _PATH)


def stay(folder: pathlib.Path, python: bool) -> Machine:
    """Set up a node without a root of its own."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    home, programs = folder / "home", folder / "bin"
    home.mkdir(exist_ok=True)
    shutil.rmtree(programs, ignore_errors=True)
    programs.mkdir()
    _write_program(programs / "sudo", _SUDO + _SUDO_AS_ONESELF)
    path = f"{programs}:{_PATH}:{pathlib.Path(sys.base_prefix, 'bin')}"
    if not python:
        packed = folder / "packages"
        packed.mkdir(exist_ok=True)
        _link_all(programs, packed)
        _offer_python(programs, packed, programs)
        path = str(programs)
    user = pwd.getpwuid(os.getuid())
    return Machine(user.pw_uid, user.pw_gid, home, home, pathlib.Path("/usr/bin"), path)


def with_powershell(machine: Machine, folder: pathlib.Path, own_root: bool) -> Machine:
    """Make it a Windows machine, as far as its sessions see: with stand-ins for the programs that they start."""
    programs = pathlib.Path("/usr/local/bin") if own_root else folder / "bin"
    write_windows_programs(programs)
    return dataclasses.replace(machine, platform="windows")


def write_windows_programs(folder: pathlib.Path) -> None:
    """Write the stand-ins for what a Windows node starts."""
    text = (_CLONE / "tests" / "emulator" / "agent" / "powershell.py").read_text(encoding="utf-8")
    # Ansible says it in capitals too, which on Windows is the same name.
    for name in ("powershell", "PowerShell"):
        _write_program(folder / name, f"#!/usr/bin/env python3\n{text}")
    _write_program(folder / "taskkill", _TASKKILL)


def _boot_until_it_ends() -> None:
    """Return in the first process of a namespace, each time the machine boots; in the parent end as the last of them did."""
    outside = os.open("/proc/self/ns/pid", os.O_RDONLY)
    while True:
        _checked(_libc.unshare(_CLONE_NEWPID))
        child = os.fork()
        if child == 0:
            os.close(outside)
            return
        code = _outcome(child)
        if code != _REBOOTS:
            os._exit(code)
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        # A process has one namespace for its children at a time, and the one that has ended takes no more.
        _checked(_libc.setns(outside, _CLONE_NEWPID))
        time.sleep(_BOOT_SECONDS)


def _shut_down() -> None:
    """Be the first process of a machine that goes down to boot again."""
    os.kill(-1, signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os._exit(_REBOOTS)


def _outcome(child: int) -> int:
    """Collect whatever ends until the child does; return its exit code."""
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    while True:
        ended, status = os.wait()
        if ended == child:
            return os.waitstatus_to_exitcode(status) & 255


def _overlay(folder: pathlib.Path) -> pathlib.Path:
    for name in ("upper", "work", "root"):
        (folder / name).mkdir(exist_ok=True)
    root = folder / "root"
    _run("mount", "--make-rprivate", "/")
    layers = f"lowerdir=/,upperdir={folder / 'upper'},workdir={folder / 'work'}"
    _run("mount", "-t", "overlay", "overlay", "-o", layers, str(root))
    _run("mount", "-t", "proc", "proc", str(root / "proc"))
    (folder / "boot_id").write_text(f"{uuid.uuid4()}\n", encoding="ascii")
    _run("mount", "--bind", "-o", "ro", str(folder / "boot_id"), str(root / _BOOT_ID))
    for shared in ("/dev", "/sys"):
        _run("mount", "--rbind", shared, f"{root}{shared}")
    # What this program itself is made of may lie on another file system than the root.
    for needed in sorted({_CLONE, pathlib.Path(sys.prefix), pathlib.Path(sys.base_prefix)}):
        if needed.stat().st_dev != pathlib.Path("/").stat().st_dev:
            _run("mount", "--bind", "-o", "ro", str(needed), f"{root}{needed}")
    return root


def allow_sudo() -> None:
    """Let the user of sessions become root, as the agent does."""
    if shutil.which("sudo", path=_PATH) is not None:
        pathlib.Path("/etc/sudoers.d").mkdir(exist_ok=True)
        pathlib.Path("/etc/sudoers.d/ssm-agent-users").write_text(f"{_USER} ALL=(ALL) NOPASSWD:ALL\n", encoding="utf-8")
        return
    _write_program(pathlib.Path("/usr/bin/sudo"), _SUDO + _SUDO_BY_SU)
    rules = "".join(f"{kind} sufficient pam_permit.so\n" for kind in ("auth", "account", "session"))
    pathlib.Path("/etc/pam.d/su").write_text(rules, encoding="utf-8")


def _link_all(programs: pathlib.Path, pythons: pathlib.Path) -> None:
    """Link all programs there are, those of Python in a folder of their own."""
    for folder in _PATH.split(":"):
        for program in sorted(pathlib.Path(folder).glob("*")):
            link = (pythons if program.name.startswith("python") else programs) / program.name
            if not link.exists() and not link.is_symlink():
                link.symlink_to(program)


def _add_line(name: str, line: str) -> None:
    """Have a line in a file; it may be there from an earlier boot."""
    path = pathlib.Path(name)
    text = path.read_text(encoding="utf-8")
    if line not in text.splitlines():
        path.write_text(f"{text}{line}\n", encoding="utf-8")


def _offer_python(programs: pathlib.Path, packed: pathlib.Path, installed: pathlib.Path) -> None:
    """Put in a stand-in for a package manager that has nothing but Python."""
    packed.mkdir(parents=True, exist_ok=True)
    _write_program(programs / "packages", _PACKAGES.replace("PACKED", str(packed)).replace("INSTALLED", str(installed)))


def _write_program(path: pathlib.Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
