# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Say how much is wanted to be told of executions. Pure."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._executions.trace import Trace, unknown

Answer = dict[str, t.Any]


class NotThereError(Exception):
    """AWS knows nothing of that name or id; the text says so."""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Since when, only what failed or everything, and at most how many of each list."""

    since: datetime.datetime
    only_failed: bool
    limit: int

    @property
    def since_text(self) -> str:
        """Give the time as filters of AWS take it."""
        return self.since.strftime("%Y-%m-%dT%H:%M:%SZ")

    def takes(self, one: Trace) -> bool:
        """Say whether a trace is wanted."""
        return one.failed or not self.only_failed

    def newest(
        self, rows: t.Iterable[Answer], make: t.Callable[[Answer], Trace], about: str
    ) -> tuple[list[tuple[Trace, Answer]], list[Trace]]:
        """Give the newest of those that are wanted, with AWS's rows for them, and what stands for those past the limit."""
        pairs = [pair for pair in ((make(row), row) for row in rows) if self.takes(pair[0])]
        pairs.sort(key=lambda pair: pair[0].started, reverse=True)
        past = len(pairs) - self.limit
        rest = [unknown(f"more {about}", f"{past} besides the {self.limit} that were looked at; raise limit.")] if past > 0 else []
        return pairs[: self.limit], rest
