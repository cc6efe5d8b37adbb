# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read a text of the machine, and put one into place whole. Runs on the node: Python 3.6."""

import os
import tempfile


def read(path: str) -> str:
    """Return the text, which is empty where there is no file."""
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path: str, text: str, mode: int) -> None:
    """Put a text into place; a file that is there keeps its rights, a new one gets ``mode``."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.makedirs(folder, 0o755)
    handle, temporary = tempfile.mkstemp(prefix=".fleet.ssm-", dir=folder)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    if os.path.exists(path):
        there = os.stat(path)
        mode = there.st_mode & 0o7777
        os.chown(temporary, there.st_uid, there.st_gid)
    os.chmod(temporary, mode)
    # Not atomic_move, which gives a new file the rights that the umask leaves: this one may hold a password.
    os.replace(temporary, path)
