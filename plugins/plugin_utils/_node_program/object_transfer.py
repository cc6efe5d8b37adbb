# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move a file between the node and S3 by a presigned URL: a program of its own, which a Python reads from its standard input.

Behind it comes the order, one JSON object: ``action`` (``collect`` or ``store``), ``url``, ``headers``, ``path``, and for
``collect`` also ``size`` and ``sha256``. What is printed is one JSON object too: ``size`` and ``sha256``, or ``code`` and
``failed``. So the URL, which lets anybody in who has it, is neither in arguments nor in the environment.
"""

import binascii
import errno
import hashlib
import json
import os
import re
import signal
import stat
import sys
import urllib.error
import urllib.parse
import urllib.request

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

BLOCK = 256 * 1024
SECONDS = 60
TOLD = re.compile(b"<(Code|Message)>([^<]{1,500})<")


class TransferFailed(Exception):
    """What went wrong, as a sentence; a URL is never part of it."""

    def __init__(self, sentence: str, code: str = "") -> None:
        super().__init__(sentence)
        self.code = code


class Digesting:
    """A file that is read, of which the digest is taken."""

    def __init__(self, file: "t.Any") -> None:
        self.file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def read(self, count: int = BLOCK) -> bytes:
        """Return the next bytes."""
        data = self.file.read(count)  # type: bytes
        self.digest.update(data)
        self.size += len(data)
        return data


def store(order: "t.Dict[str, t.Any]") -> "t.Dict[str, t.Any]":
    """Send a file to S3."""
    path = order["path"].encode("utf-8", "surrogateescape")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise TransferFailed("Not a regular file", "EINVAL")
        source = Digesting(file)
        headers = dict(order["headers"])
        headers.update({"Content-Length": str(found.st_size), "Content-Type": "application/octet-stream"})
        ask(urllib.request.Request(order["url"], data=source, headers=headers, method="PUT")).close()
    return {"size": source.size, "sha256": source.digest.hexdigest()}


def collect(order: "t.Dict[str, t.Any]") -> "t.Dict[str, t.Any]":
    """Get a file from S3; it appears under its name when it is whole and its digest right."""
    target = os.path.realpath(order["path"].encode("utf-8", "surrogateescape"))
    if os.path.isdir(target):
        raise TransferFailed(os.strerror(errno.EISDIR), "EISDIR")
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, b".ansible-" + name[:64] + b"." + binascii.hexlify(os.urandom(8)))
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            check_room(temporary, order["size"])
            received = receive(urllib.request.Request(order["url"], headers=order["headers"]), file)
            if received["sha256"] != order["sha256"]:
                raise TransferFailed("SHA-256 of the received file is %s, not %s" % (received["sha256"], order["sha256"]))
            os.fchmod(file.fileno(), wanted_mode(target))
        os.rename(temporary, target)
    except BaseException:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise
    return received


def receive(request: "urllib.request.Request", file: "t.Any") -> "t.Dict[str, t.Any]":
    """Write what S3 answers to a file."""
    with ask(request) as answer:
        source = Digesting(answer)
        while True:
            data = source.read()
            if not data:
                return {"size": source.size, "sha256": source.digest.hexdigest()}
            file.write(data)


def check_room(path: bytes, size: int) -> None:
    """Refuse at once what the file system has no room for."""
    room = os.statvfs(path)
    free = room.f_bavail * room.f_frsize
    if size > free:
        raise TransferFailed("No space left on device (%d bytes needed, %d free)" % (size, free), "ENOSPC")


def wanted_mode(target: bytes) -> int:
    """Return the mode of the file that is there, or what a new one gets."""
    try:
        return stat.S_IMODE(os.stat(target).st_mode)
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def ask(request: "urllib.request.Request") -> "t.Any":
    """Send a request; return the answer, which is a good one."""
    try:
        return urllib.request.build_opener().open(request, timeout=SECONDS)
    except urllib.error.HTTPError as error:
        told = [text.decode("utf-8", "replace") for _name, text in TOLD.findall(error.read(4096))]
        raise TransferFailed("S3 answered the node with status %d (%s)" % (error.code, ": ".join(told) or error.reason)) from None
    except urllib.error.URLError as error:
        host = urllib.parse.urlsplit(request.full_url).netloc
        raise TransferFailed("the node cannot reach %s: %s" % (host, error.reason)) from None


def main() -> None:
    """Carry out the order on standard input."""
    # The end of the session: what is unfinished is removed on the way out.
    signal.signal(signal.SIGHUP, lambda *_arguments: sys.exit(1))
    order = json.loads(sys.stdin.buffer.read().decode())
    try:
        told = {"store": store, "collect": collect}[order["action"]](order)
    except TransferFailed as failed:
        told = {"failed": str(failed), "code": failed.code}
    except OSError as error:
        told = {"failed": error.strerror or str(error), "code": errno.errorcode.get(error.errno or 0, "")}
    sys.stdout.write(json.dumps(told) + "\n")
