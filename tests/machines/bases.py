# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root file systems of machines: made once, kept below .cache/machines by what is in them."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import fcntl
import hashlib
import pathlib
import shutil
import subprocess
import typing as t

from tests.machines import mirror

CACHE = pathlib.Path(__file__).resolve().parents[2] / ".cache" / "machines"

_PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "python3", "ca-certificates", "iproute2", "gpg", "gpg-agent", "procps"),
    # What the stub agent is made of.
    *("python3-aiohttp", "python3-botocore", "python3-cryptography"),
    # Nothing of a terminal's, and no time zones: what is not there need not be unpacked.
)
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")

# What Rocky Linux 9 says of itself, as far as Ansible and our modules read it.
_ROCKY = """NAME="Rocky Linux"
VERSION="9.6 (Blue Onyx)"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.6"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Rocky Linux 9.6 (Blue Onyx)"
"""


@dataclasses.dataclass(frozen=True)
class Base:
    """What a root file system is made of; ``files`` are written over it, by path."""

    name: str
    suite: str
    packages: tuple[str, ...]
    files: t.Mapping[str, str]

    def key(self) -> str:
        """Name the folder that holds it; another content is another folder."""
        content = repr((self.suite, self.packages, sorted(self.files.items()), _LEFT_OUT))
        return f"{self.name}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


BASES = {
    base.name: base
    for base in (
        Base("debian", "bookworm", _PACKAGES, {}),
        # Debian's userland that calls itself Rocky Linux and has its package manager. It has none of RHEL's crypto policy, SELinux
        # or Python. Debian's rpm keeps its database at home unless told otherwise.
        Base(
            "enterprise_linux",
            "bookworm",
            (*_PACKAGES, "rpm", "dnf", "python3-dnf"),
            {
                "usr/lib/os-release": _ROCKY,
                "etc/redhat-release": "Rocky Linux release 9.6 (Blue Onyx)\n",
                "etc/rpm/macros.database": "%_dbpath /var/lib/rpm\n",
            },
        ),
    )
}


class NoBaseError(Exception):
    """A root file system could not be made; the text says why."""


@contextlib.contextmanager
def locked() -> collections.abc.Iterator[None]:
    """Keep others out of the cache, which several test processes share."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def root_of(name: str) -> pathlib.Path:
    """Return the folder of a base, made first where it is not there yet; that takes a minute."""
    base = BASES[name]
    with locked():
        folder = CACHE / base.key()
        if not folder.exists():
            _make(base, folder)
    return folder


def _make(base: Base, folder: pathlib.Path) -> None:
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
    options += [f"--aptopt={line}" for line in mirror.settings()]
    try:
        source = f"deb {mirror.uri(base.suite)} {base.suite} main"
    except mirror.NoMirrorError as error:
        raise NoBaseError(str(error)) from error
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--dpkgopt=force-unsafe-io", *options]
    command += [f"--include={','.join(base.packages)}", base.suite, str(unfinished), source]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise NoBaseError(f"mmdebstrap could not make {base.name}: {' / '.join(done.stderr.strip().splitlines()[-5:])}")
    for path, text in base.files.items():
        target = unfinished / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    # A machine has no way out: nothing in it is to wait for a resolver, or to ask a mirror.
    for path in ("etc/resolv.conf", "etc/apt/sources.list"):
        (unfinished / path).unlink(missing_ok=True)
        (unfinished / path).touch()
    unfinished.rename(folder)
