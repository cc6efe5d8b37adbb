# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the command that a session starts with, and the program that command reads.

Pure. The command is the session's own process (``sh -c`` of the InteractiveCommands document), so nothing is typed at a prompt.
It makes the terminal raw, looks for a Python and has it read the program from the terminal. The program goes up as armoured
parcels, because it may arrive before the terminal is raw, and parts of it twice. Where there is no Python, a shell reads another
program, in lines of its own. The command holds no double quote, backslash or brace: the agent puts it into a JSON document.
"""

from __future__ import annotations

import functools
import shlex
import zlib

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import bundle, posix_bundle

PYTHON_MISSING = "nopython"
READY = "ready"

FALLBACK_PYTHONS = ("python3", "/usr/bin/python3", "/usr/libexec/platform-python", "/usr/local/bin/python3")

_TOO_OLD = "import sys; sys.exit(sys.version_info < (3, 6))"
# os.read and not sys.stdin: a buffered reader would keep the first frames, which come right behind the program, to itself.
# No quotes, as it is quoted itself: 10 is the line feed, 58 the colon. An empty parcel ends the program: the command need not say
# how long that is, so that a session can be started before the program is made.
_READ_PROGRAM = (
    "import os,zlib,base64;"
    "os.write(1,bytes({ready}));"
    "d=lambda b:dict(x.split(bytes([58])) for x in b.split(bytes([10]))[:-1] if x.split(bytes([58]))[0].isdigit());"
    "k=lambda d:[str(i).encode() for e in d if not d[e] for i in range({first},int(e))];"
    "w=lambda d:k(d) and set(k(d))<=set(d);"
    "f=lambda b:b if w(d(b)) else f(b+(os.read(0,65536) or os._exit(1)));"
    "b=f(bytes());d=d(b);k=k(d);"
    "exec(zlib.decompress(bytes().join(base64.b64decode(d[i]) for i in k)),"
    "dict(__name__=__name__,RECEIVED=(b,{first}+len(k)+1)))"
)

# No quotes either. It reads lines s0:text, s1:text, … e9: and passes over all others.
_READ_POSIX_PROGRAM = (
    "set -f; n=0; s=; while IFS=: read -r i c; do case $i in s$n) s=$s$c; n=$((n+1));; e$n) IFS=; eval $s; exit;; esac; done"
)
_POSIX_LINE = 1000


@functools.cache
def program() -> bytes:
    """Return the node program as it is sent: compressed source."""
    return zlib.compress(bundle.text().encode(), 9)


def session_command(pythons: tuple[str, ...] = FALLBACK_PYTHONS) -> str:
    """Return the shell command that becomes the node program; it says ``@ready`` when it begins to read the program.

    Where there is no Python it says ``@nopython`` and reads ``posix_program``.

    :param pythons: interpreters to try, names or paths, in order.
    """
    return (
        f"stty raw -echo 2>/dev/null; {_become_program(pythons, 0)}; "
        # Two quotes, so that the echo of the typed command does not look like it.
        f"echo @''{PYTHON_MISSING}; exec sh -c {shlex.quote(_READ_POSIX_PROGRAM)}"
    )


def posix_program(pythons: tuple[str, ...], mark: bytes, first: int) -> list[bytes]:
    """Return the lines of the program for nodes without Python; it becomes the other one, as the command does, once there is one.

    :param mark: as ``posix_bundle.text`` has it.
    :param first: the parcel that the other program will begin with.
    """
    look = _become_program(pythons, first, " >&7 2>&7 3>&- 7>&- 8<&- 9>&-")
    text = posix_bundle.text(mark, look).encode(errors="surrogateescape")
    lines: list[bytes] = []
    while text:
        # A shell drops a colon at the end, as it separates nothing there.
        part = text[:_POSIX_LINE].rstrip(b":")
        lines.append(b"s%d:%s\n" % (len(lines), part))
        text = text[len(part) :]
    return [*lines, b"e%d:\n" % len(lines)]


def _become_program(pythons: tuple[str, ...], first: int, descriptors: str = "") -> str:
    """Return a command that becomes the program read by the first Python there is, and does nothing when there is none."""
    # As numbers, so that the echo of a command that was typed does not look like it.
    ready = str(list(f"@{READY}\n".encode())).replace(" ", "")
    stage = _READ_PROGRAM.format(ready=ready, first=first)
    return (
        f"for p in {' '.join(map(shlex.quote, pythons))}; do "
        f"$p -I -S -c {shlex.quote(_TOO_OLD)} </dev/null >/dev/null 2>&1 && exec $p -I -S -c {shlex.quote(stage)}{descriptors}; "
        "done"
    )
