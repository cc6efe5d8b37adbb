# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the command that a session starts with, and the program that command reads.

Pure. The command is the session's own process (``sh -c`` of the InteractiveCommands document), so nothing is typed at a prompt.
It makes the terminal raw, looks for a Python and has it read the program from the terminal. The program goes up as armoured
parcels, because it may arrive before the terminal is raw, and parts of it twice. The command holds no double quote, backslash or
brace: the agent puts it into a JSON document.
"""

from __future__ import annotations

import functools
import shlex
import zlib

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import bundle, parcels

PYTHON_MISSING = "nopython"
READY = "ready"

FALLBACK_PYTHONS = ("python3", "/usr/bin/python3", "/usr/libexec/platform-python", "/usr/local/bin/python3")

_TOO_OLD = "import sys; sys.exit(sys.version_info < (3, 6))"
# os.read and not sys.stdin: a buffered reader would keep the first frames, which come right behind the program, to itself.
# No quotes, as it is quoted itself: 10 is the line feed, 58 the colon.
_READ_PROGRAM = (
    "import os,zlib,base64;"
    "d=lambda b:dict(x.split(bytes([58])) for x in b.split(bytes([10]))[:-1] if x.split(bytes([58]))[0].isdigit());"
    "k=[str(i).encode() for i in range({count})];"
    "f=lambda b:b if set(k)<=set(d(b)) else f(b+(os.read(0,65536) or os._exit(1)));"
    "b=f(bytes());d=d(b);"
    "exec(zlib.decompress(bytes().join(base64.b64decode(d[i]) for i in k)),"
    "dict(__name__=__name__,RECEIVED=(b,{count})))"
)


@functools.cache
def program() -> bytes:
    """Return the node program as it is sent: compressed source."""
    return zlib.compress(bundle.text().encode(), 9)


def session_command(pythons: tuple[str, ...] = FALLBACK_PYTHONS) -> str:
    """Return the shell command that becomes the node program; it says ``@ready`` when it begins to read the program.

    :param pythons: interpreters to try, names or paths, in order.
    """
    # As numbers, so that the echo of a command that was typed does not look like it.
    ready = f"import os;os.write(1,bytes({list(f'@{READY}'.encode())}+[10]));"
    stage = ready + _READ_PROGRAM.format(count=parcels.armoured_count(program()))
    return (
        "stty raw -echo 2>/dev/null; "
        f"for p in {' '.join(map(shlex.quote, pythons))}; do "
        f"$p -I -S -c {shlex.quote(_TOO_OLD)} </dev/null >/dev/null 2>&1 && exec $p -I -S -c {shlex.quote(stage)}; "
        "done; "
        # Two quotes, so that the echo of the typed command does not look like it either.
        f"echo @''{PYTHON_MISSING}"
    )
