# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take files from the controller, and give it files."""

import binascii
import errno
import hashlib
import json
import os
import stat
import zlib

from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program import watchman, wire
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.download import LARGE
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.request import Part, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

    from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program.request import Surroundings

PIECE = 32 * 1024
CREDIT_AFTER = 256 * 1024


def encoded(path: str) -> bytes:
    """Return a path as the controller means it, whatever this system's locale is."""
    return path.encode("utf-8", "surrogateescape")


class Reception(Request):
    """A file that comes from the controller: written beside its target, checked, renamed into place."""

    def __init__(self, program: "Surroundings", number: int, order: bytes) -> None:
        super().__init__(program, number)
        wanted = json.loads(order.decode())
        self.target = os.path.realpath(encoded(wanted["path"]))
        self.digest = hashlib.sha256()
        self.expected = wanted.get("sha256")
        self.size = 0
        self.temporary = None  # type: t.Optional[bytes]
        if os.path.isdir(self.target):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), wanted["path"])
        self.mode = self.existing_mode()
        if self.mode is not None and not stat.S_ISREG(self.mode):
            # A device or a pipe is written to, not replaced.
            self.file = os.open(self.target, os.O_WRONLY)
        else:
            folder, name = os.path.split(self.target)
            unique = binascii.hexlify(os.urandom(8))
            temporary = os.path.join(folder, b".ansible-" + name[:64] + b"." + unique)
            program.watchman.begun(temporary)
            try:
                self.file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except OSError as error:
                program.watchman.ended(temporary)
                raise OSError(error.errno, error.strerror, self.target) from error
            self.temporary = temporary
        self.announced = int(wanted.get("size") or 0)
        self.check_room()

    def existing_mode(self) -> "t.Optional[int]":
        """Return the target's mode, None when there is none."""
        try:
            return os.stat(self.target).st_mode
        except FileNotFoundError:
            return None

    def check_room(self) -> None:
        """Refuse at once what the file system has no room for."""
        if self.temporary is None:
            return
        room = os.statvfs(self.temporary)
        free = room.f_bavail * room.f_frsize
        if self.announced > free:
            self.discard()
            raise OSError(
                errno.ENOSPC,
                "No space left on device (%d bytes needed, %d free)" % (self.announced, free),
                self.target,
            )

    def data(self, part: Part) -> None:
        """Write a part; the last one is checked and renamed into place."""
        self.uncredited += part.cost
        try:
            content = memoryview(part.content)
            self.digest.update(content)
            self.size += len(content)
            while content:
                content = content[os.write(self.file, content) :]
            if part.last:
                self.finish()
            elif self.uncredited >= CREDIT_AFTER:
                self.credit()
        except OSError as error:
            self.discard()
            self.fail(OSError(error.errno, error.strerror, self.target))

    def finish(self) -> None:
        """Give the file its mode and name."""
        found = self.digest.hexdigest()
        if self.expected and found != self.expected:
            raise OSError(errno.EIO, "SHA-256 of the received file is %s, not %s" % (found, self.expected))
        if self.temporary is not None:
            mask = os.umask(0)
            os.umask(mask)
            os.fchmod(self.file, 0o666 & ~mask if self.mode is None else stat.S_IMODE(self.mode))
        os.close(self.file)
        self.file = -1
        if self.temporary is not None:
            os.rename(self.temporary, self.target)
            self.program.watchman.ended(self.temporary)
            self.temporary = None
        self.send(wire.DONE, json.dumps({"size": self.size, "sha256": found}).encode())
        self.end()

    def discard(self) -> None:
        """Leave nothing of an unfinished file."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1
        if self.temporary is not None:
            watchman.remove(self.temporary)
            self.program.watchman.ended(self.temporary)
            self.temporary = None

    def cancel(self) -> None:
        """Drop the unfinished file."""
        self.discard()
        self.end()


class Delivery(Request):
    """A file that goes to the controller."""

    def __init__(self, program: "Surroundings", number: int, order: bytes) -> None:
        super().__init__(program, number)
        wanted = json.loads(order.decode())
        path = wanted["path"]
        self.digest = hashlib.sha256()
        self.size = 0
        self.largest = wanted.get("largest")
        # Opening a named pipe would wait for its writer, and everything else with it.
        self.file = os.open(encoded(path), os.O_RDONLY | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(self.file).st_mode):
            os.close(self.file)
            raise OSError(errno.EINVAL, "Not a regular file", path)
        self.length = os.fstat(self.file).st_size
        if self.length > LARGE:
            self.send(wire.SIZE, b"%d" % self.length)
        self.expected = self.compressed_size(self.length)

    def compressed_size(self, size: int) -> int:
        """Estimate what the file comes to when it is compressed, from its beginning, middle and end."""
        if size <= LARGE:
            return size
        sample = b"".join(os.pread(self.file, PIECE, at) for at in (0, size // 2, size - PIECE))
        return size * len(zlib.compress(sample, 1)) // max(1, len(sample))

    def is_large(self) -> bool:
        """Know it from the beginning."""
        if self.expected > LARGE:
            self.program.download.ask()
            return True
        return super().is_large()

    def step(self, now: float) -> "t.Optional[float]":
        """Send pieces as long as they are taken."""
        if self.largest is not None and self.length > self.largest:
            # It is to go another way.
            os.close(self.file)
            self.send(wire.DONE, json.dumps({"size": self.length, "left": True}).encode())
            self.end()
            return None
        self.is_large()
        while self.may_send():
            try:
                data = os.read(self.file, PIECE)
            except OSError as error:
                os.close(self.file)
                self.fail(error)
                return None
            if not data:
                os.close(self.file)
                self.send(wire.DONE, json.dumps({"size": self.size, "sha256": self.digest.hexdigest()}).encode())
                self.end()
                return None
            self.digest.update(data)
            self.size += len(data)
            self.send(wire.DATA, data)
        return None

    def cancel(self) -> None:
        """Stop sending."""
        os.close(self.file)
        self.forget()
