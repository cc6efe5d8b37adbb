# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read files, folders, processes and programs' output of a machine, below a root folder. I/O; runs on nodes, with Python 3.6."""

import errno
import os
import subprocess
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.redaction import readable

_PROGRAM_FOLDERS = ("usr/bin", "bin", "usr/sbin", "sbin", "snap/bin")
_MOST_BYTES = 4 * 1024 * 1024
_COMMAND_SECONDS = 2.0
_ABSENT = (errno.ENOENT, errno.ENOTDIR)


class UnreadableError(Exception):
    """There is something, but this user may not read it; the text is its path."""


class Process(t.NamedTuple):
    """A running program; the kernel cuts its name to 15 characters."""

    pid: int
    name: str


class Space(t.NamedTuple):
    """What a file system has, in bytes and inodes; files is 0 where there is no limit."""

    free: int
    size: int
    free_files: int
    files: int


class Machine:
    """The machine this runs on, or what lies below another root, for tests."""

    def __init__(self, root: str = "/") -> None:
        self._root = root

    def path(self, name: str) -> str:
        """Say where a path of the machine is."""
        return os.path.join(self._root, name.lstrip("/"))

    def text(self, name: str) -> "t.Optional[str]":
        """Read the end of a file; None: there is none. UnreadableError: not for this user."""
        try:
            with open(self.path(name), "rb") as file:
                if file.seekable() and os.fstat(file.fileno()).st_size > _MOST_BYTES:
                    file.seek(-_MOST_BYTES, os.SEEK_END)
                return readable(file.read(_MOST_BYTES))
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise UnreadableError(name) from error

    def texts(self, folder: str, suffix: str = "") -> "t.Dict[str, str]":
        """Read the files of a folder that end so, those that this user may read, in the order of their names."""
        found = {}
        for name in self.names(folder):
            path = os.path.join(folder, name)
            if name.endswith(suffix) and os.path.isfile(self.path(path)):
                try:
                    found[path] = self.text(path) or ""
                except UnreadableError:
                    continue
        return found

    def names(self, folder: str) -> "t.List[str]":
        """List a folder; nothing where there is none."""
        try:
            return sorted(os.listdir(self.path(folder)))
        except OSError:
            return []

    def exists(self, name: str) -> bool:
        """Say whether there is such a path."""
        return os.path.exists(self.path(name))

    def inode(self, name: str) -> "t.Optional[int]":
        """Give the number by which /proc/locks names a file."""
        try:
            return os.stat(self.path(name)).st_ino
        except OSError:
            return None

    def space(self, name: str) -> Space:
        """Say how full the file system is that holds a path, or will hold it."""
        path = self.path(name)
        while not os.path.exists(path) and os.path.dirname(path) != path:
            path = os.path.dirname(path)
        found = os.statvfs(path)
        # The agent is root: what is reserved for root is there for it.
        return Space(found.f_bfree * found.f_frsize, found.f_blocks * found.f_frsize, found.f_ffree, found.f_files)

    def link(self, name: str) -> str:
        """Say where a symbolic link leads; empty where there is none, or this user may not know."""
        try:
            return os.readlink(self.path(name))
        except OSError:
            return ""

    def processes(self) -> "t.List[Process]":
        """List the running programs, but not those in containers."""
        found = []
        own = self.link("proc/self/ns/pid")
        for pid in self.names("proc"):
            if pid.isdigit() and self.link("proc/{}/ns/pid".format(pid)) in ("", own):
                try:
                    name = self.text("proc/{}/comm".format(pid))
                except UnreadableError:
                    continue
                if name is not None:
                    found.append(Process(int(pid), name.strip()))
        return found

    def output(self, program: str, *arguments: str) -> "t.Optional[str]":
        """Run a program and give what it prints, whatever its exit code; None: there is none, or it takes too long."""
        path = next(
            (path for path in (self.path(os.path.join(folder, program)) for folder in _PROGRAM_FOLDERS) if os.path.exists(path)),
            None,
        )
        if path is None:
            return None
        environment = dict(os.environ, LC_ALL="C", SYSTEMD_PAGER="")
        try:
            # Not run_command: there is no AnsibleModule on this layer.
            done = subprocess.Popen(  # pylint: disable=ansible-bad-function
                [path, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
            )
        except OSError:
            return None
        try:
            return readable(done.communicate(timeout=_COMMAND_SECONDS)[0])
        except subprocess.TimeoutExpired:
            done.kill()
            return None
