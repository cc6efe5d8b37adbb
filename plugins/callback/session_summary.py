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
  - At the end of a run, prints a table of the managed nodes that were reached through P(fleet.ssm.session#connection), and their
    sum.
  - C(sess) is how many sessions were opened (none where an earlier run had kept one, see
    O(fleet.ssm.session#connection:persist)), C(reqs) the requests (commands and file transfers), C(trips) the round trips, that is
    how often nothing could go on until the node had answered something sent; C(sent) and C(recv) are the bytes that went over the
    websockets, C(saved) those that were not sent as the node had them already.
  - C(slowest task) is the task whose requests took the node longest, without the wait for its session.
  - C(cuts) is how often a cut line was picked up again, C(throttled) how many calls to start or resume a session AWS throttled, and
    the seconds spent waiting for that. Both columns are left out when they hold nothing.
  - Prints nothing when the run used no session.
options:
  json_file:
    description:
      - Also write the figures of all nodes as JSON to this file, for another program to read.
    type: path
    env:
      - name: FLEET_SSM_SUMMARY_FILE
    ini:
      - section: callback_session_summary
        key: json_file
  nodes:
    description:
      - How many nodes the table has at most; they are those whose requests took longest. The sum is always that of all.
    type: int
    default: 20
    env:
      - name: FLEET_SSM_SUMMARY_NODES
    ini:
      - section: callback_session_summary
        key: nodes
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

_SUMS = (
    "sessions",
    "requests",
    "round_trips",
    "reconnects",
    "throttles",
    "throttle_seconds",
    "bytes_up",
    "bytes_down",
    "bytes_saved",
    "seconds",
)

Figures = dict[str, t.Any]
"""What went on with a node, or with all: the above, and slowest_task with its name and seconds."""


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
        self._names: dict[str, str] = {}

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        """Keep its name: a session only knows its id."""
        self._names[task._uuid] = task.get_name().strip()

    def v2_playbook_on_handler_task_start(self, task: t.Any) -> None:
        """Do the same for a handler."""
        self._names[task._uuid] = task.get_name().strip()

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
        for node in figures.values():
            task, seconds = node["slowest_task"]
            node["slowest_task"] = {"name": self._names.get(task, ""), "seconds": seconds}
        seconds = time.monotonic() - self._started
        told = {"tasks": self._tasks, "changed": self._changed, "seconds": round(seconds, 2)}
        self._write({"nodes": figures, "all": total(figures), **told})
        if figures:
            self._display.banner("SESSION SUMMARY")
            lines = table(figures, int(self.get_option("nodes")), int(self._display.columns or 80))
            for line in (*lines, *throttling(figures), f"{self._tasks} tasks in {seconds:.1f} s"):
                self._display.display(line)

    def _write(self, summary: dict[str, t.Any]) -> None:
        path = self.get_option("json_file")
        if path:
            try:
                pathlib.Path(path).write_text(json.dumps(summary), encoding="utf-8")
            except OSError as error:
                self._display.warning(f"The summary of the sessions was not written to {path}: {error.strerror}")


def total(figures: dict[str, Figures]) -> Figures:
    """Return the sum of all nodes, with the slowest task of all."""
    nodes = figures.values()
    slowest = max((node["slowest_task"] for node in nodes), key=lambda task: float(task["seconds"]), default=None)
    return {**{name: sum(node[name] for node in nodes) for name in _SUMS}, "slowest_task": slowest}


def table(figures: dict[str, Figures], most: int, width: int) -> list[str]:
    """Return the lines of a table as wide as the screen: the slowest nodes in the order of their ids, and the sum of all."""
    summed = total(figures)
    slowest = sorted(figures, key=lambda node: -float(figures[node]["seconds"]))[: max(most, 0)]
    columns = [(title, shown) for key, title, shown in _COLUMNS if not key or summed[key]]
    rows = [["node", *(title for title, _shown in columns)]]
    rows += [[node, *(shown(figures[node]) for _title, shown in columns)] for node in sorted(slowest)]
    name = "all" if len(slowest) == len(figures) else f"all {len(figures)}"
    rows.append([name, *(shown(summed) for _title, shown in columns)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:-1], widths[1:-1]), row[-1]]) for row in rows]
    return [line[: max(width - 1, 1)].rstrip() for line in lines]


def throttling(figures: dict[str, Figures]) -> list[str]:
    """Return a sentence on what throttling cost, if any."""
    waited = [float(node["throttle_seconds"]) for node in figures.values()]
    count = sum(node["throttles"] for node in figures.values())
    if not count:
        return []
    mean = sum(waited) / len(waited)
    return [f"AWS throttled {count} calls; a node waited {mean:.1f} s for that on average, {max(waited):.1f} s at most"]


def _bytes(value: int) -> str:
    for unit in ("B", "KB", "MB"):
        if value < 10_000:
            return f"{value} {unit}"
        value = round(value / 1000)
    return f"{value} GB"


def _task(figures: Figures) -> str:
    slowest = figures["slowest_task"]
    return f"{slowest['seconds']:6.1f} s {slowest['name']}"


_COLUMNS: tuple[tuple[str, str, t.Callable[[Figures], str]], ...] = (
    ("", "sess", lambda node: str(node["sessions"])),
    ("", "reqs", lambda node: str(node["requests"])),
    ("", "trips", lambda node: str(node["round_trips"])),
    ("reconnects", "cuts", lambda node: str(node["reconnects"])),
    ("throttles", "throttled", lambda node: f"{node['throttles']} {node['throttle_seconds']:6.1f} s"),
    ("", "sent", lambda node: _bytes(node["bytes_up"])),
    ("", "recv", lambda node: _bytes(node["bytes_down"])),
    ("", "saved", lambda node: _bytes(node["bytes_saved"])),
    ("", "slowest task", _task),
)
"""Columns, each with the figure without which it is left out, its title, and what it shows of a node."""
