# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Remember files of the machine, and put them back as they were. Runs on the node: Python 3.6."""

import os
import stat
import typing as t


class Snapshot:
    """The files below some folders, and some files; for configuration, since it is kept in memory."""

    def __init__(self, folders: "t.Sequence[str]", files: "t.Sequence[str]" = ()) -> None:
        self._folders = folders
        self._files = files
        self._before = {path: _content(path) for path in self._paths()}

    def restore(self) -> None:
        """Write what was changed, and remove what was not there."""
        for path in self._paths():
            if path not in self._before:
                os.unlink(path)
        for path, (content, there) in self._before.items():
            if not os.path.exists(path) or _content(path)[0] != content:
                with open(path, "wb") as file:
                    file.write(content)
                os.chmod(path, stat.S_IMODE(there.st_mode))
                os.chown(path, there.st_uid, there.st_gid)

    def _paths(self) -> "list[str]":
        found = [path for path in self._files if os.path.isfile(path)]
        for folder in self._folders:
            for place, _folders, names in os.walk(folder):
                found += [os.path.join(place, name) for name in names if os.path.isfile(os.path.join(place, name))]
        return found


def _content(path: str) -> "tuple[bytes, os.stat_result]":
    with open(path, "rb") as file:
        return file.read(), os.fstat(file.fileno())
