# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have the connection put a file and fetch it back: what copy and fetch do on Windows needs modules of another collection."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """``src`` on the controller, ``dest`` on the node, ``back`` on the controller again."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset({"src", "dest", "back"})

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        """Move what is asked for."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        arguments = self._task.args
        if "src" in arguments:
            self._connection.put_file(str(arguments["src"]), str(arguments["dest"]))
        if "back" in arguments:
            self._connection.fetch_file(str(arguments["dest"]), str(arguments["back"]))
        return {**result, "changed": True}
