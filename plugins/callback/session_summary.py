# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Show at the end of a run what its sessions did."""

from __future__ import annotations

DOCUMENTATION = r"""
name: session_summary
author:
  - The fleet.ssm contributors (@fleet-ssm)
type: aggregate
short_description: Show what the sessions of a run did
version_added: 0.1.0
description:
  - At the end of a run, prints a table of the managed nodes that were reached through P(fleet.ssm.session#connection). It has the
    sessions opened, the requests (commands and file transfers), reconnects after a cut, the bytes sent and received over the
    websockets, and the bytes that were not sent as the node had them already.
  - Prints nothing when the run used no session.
options:
  json_file:
    description:
      - Also write the figures as JSON to this file, for another program to read.
    type: path
    env:
      - name: FLEET_SSM_SUMMARY_FILE
    ini:
      - section: callback_session_summary
        key: json_file
requirements:
  - enabled with C(callbacks_enabled = fleet.ssm.session_summary) in the section C([defaults]) of C(ansible.cfg), or with
    E(ANSIBLE_CALLBACKS_ENABLED)
"""

EXAMPLES = r"""
# ansible.cfg
#
# [defaults]
# callbacks_enabled = fleet.ssm.session_summary
"""

import json
import os
import pathlib
import time
import typing as t

from ansible.plugins.callback import CallbackBase
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.client import BrokerClient
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import SessionFailure

_COLUMNS = (
    ("sessions", "sessions"),
    ("requests", "requests"),
    ("reconnects", "reconnects"),
    ("bytes_up", "sent"),
    ("bytes_down", "received"),
    ("bytes_saved", "saved"),
)


class CallbackModule(CallbackBase):
    """Print the table when a playbook ends."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "fleet.ssm.session_summary"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Start the clock."""
        super().__init__(*args, **kwargs)
        self._started = time.monotonic()
        self._tasks = 0
        self._changed = 0

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """Count a task that ran on a host."""
        self._tasks += 1
        self._changed += result.is_changed()

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """Count one that failed."""
        self._tasks += 1

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """Count one that could not be tried."""
        self._tasks += 1

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """Ask the broker of this run and show its answer."""
        client = BrokerClient(os.getpid())
        try:
            figures = client.figures()
        except SessionFailure as failure:
            self._display.warning(f"No summary of the sessions: {failure}")
            return
        finally:
            client.close()
        seconds = time.monotonic() - self._started
        self._write({"nodes": figures, "tasks": self._tasks, "changed": self._changed, "seconds": round(seconds, 2)})
        if figures:
            self._display.banner("SESSION SUMMARY")
            for line in (*table(figures), f"{self._tasks} tasks in {seconds:.1f} s"):
                self._display.display(line)

    def _write(self, summary: dict[str, t.Any]) -> None:
        path = self.get_option("json_file")
        if path:
            try:
                pathlib.Path(path).write_text(json.dumps(summary), encoding="utf-8")
            except OSError as error:
                self._display.warning(f"The summary of the sessions was not written to {path}: {error.strerror}")


def table(figures: dict[str, dict[str, int]]) -> list[str]:
    """Return the table's lines: a node each, and their sum."""
    total = {key: sum(node[key] for node in figures.values()) for key, _title in _COLUMNS}
    rows = [["node", *(title for _key, title in _COLUMNS)]]
    rows += [[node, *(_shown(key, values[key]) for key, _title in _COLUMNS)] for node, values in sorted(figures.items())]
    rows.append(["all", *(_shown(key, total[key]) for key, _title in _COLUMNS)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]


def _shown(key: str, value: int) -> str:
    if not key.startswith("bytes_"):
        return str(value)
    for unit in ("B", "KB", "MB"):
        if value < 10_000:
            return f"{value} {unit}"
        value = round(value / 1000)
    return f"{value} GB"
