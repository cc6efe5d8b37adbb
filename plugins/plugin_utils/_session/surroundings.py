# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell whether a broker that one controller run has left behind would do for another: it has its environment and its code."""

from __future__ import annotations

import hashlib
import os
import pathlib
import sys
import typing as t

_PLUGINS = pathlib.Path(__file__).parents[2]
_CODE = ("plugin_utils/_session", "plugin_utils/_node_program", "module_utils/_aws")

_PREFIXES = ("AWS_", "BOTO", "SSL_", "_X_AMZN_")
_SUFFIXES = ("_PROXY", "_CA_BUNDLE")
_NAMES = ("HOME", "PATH", "LD_LIBRARY_PATH", "OPENSSL_CONF")
"""Of variables that botocore, OpenSSL and the programs they run (``credential_process``) go by."""

_AWS_FILES = {"AWS_CONFIG_FILE": "~/.aws/config", "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials"}
"""Variables that name the files botocore reads once, and where these are otherwise."""


def identity() -> str:
    """Return the same 16 hexadecimal digits for two processes of this user that could share a broker.

    A difference in the AWS part of the environment, AWS's configuration files, the interpreter or this collection's files makes
    another one.
    """
    environment = sorted((name, value) for name, value in os.environ.items() if _matters(name.upper()))
    aws_files = [os.environ.get(name) or default for name, default in _AWS_FILES.items()]
    known = (
        sys.executable,
        environment,
        [_state(pathlib.Path(name).expanduser()) for name in aws_files],
        [_state(file) for folder in _CODE for file in sorted(pathlib.Path(_PLUGINS, folder).rglob("*")) if _is_code(file)],
    )
    return hashlib.sha256(repr(known).encode()).hexdigest()[:16]


def _matters(name: str) -> bool:
    return name in _NAMES or name.startswith(_PREFIXES) or name.endswith(_SUFFIXES)


def _is_code(file: pathlib.Path) -> bool:
    # Python adds what it has compiled while it runs.
    return file.is_file() and file.suffix != ".pyc"


def _state(file: pathlib.Path) -> tuple[t.Any, ...]:
    try:
        found = file.stat()
    except OSError:
        return (str(file),)
    return str(file), found.st_size, found.st_mtime_ns
