# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Cut a list of nodes into the parts that one command takes, and say what each may do at once and may get wrong. Pure."""

from __future__ import annotations

import dataclasses
import math
import typing as t

_PERCENT = 100


@dataclasses.dataclass(frozen=True)
class Limits:
    """How many of all nodes may run it at once, and may fail; each a number, a percentage of all, or None for AWS's default."""

    max_concurrency: str | None
    max_errors: str | None

    def at_once(self, nodes: int) -> str | None:
        """Give how many of the nodes of a part may run it at once, which is what holds for all: parts come one after another."""
        if self.max_concurrency is None:
            return None
        return str(max(1, _of(self.max_concurrency, nodes, math.ceil)))

    def errors(self, nodes: int) -> int:
        """Give how many of all nodes may fail before it is begun on no further one; AWS's default is none."""
        return _of(self.max_errors or "0", nodes, math.floor)


def parts(ids: t.Sequence[str], most: int) -> list[list[str]]:
    """Give the ids in lists that are no longer than that, each id once."""
    each = list(dict.fromkeys(ids))
    return [each[start : start + most] for start in range(0, len(each), most)]


def _of(said: str, nodes: int, to_whole: t.Callable[[float], int]) -> int:
    if said.endswith("%"):
        return to_whole(nodes * int(said[:-1]) / _PERCENT)
    return int(said)
