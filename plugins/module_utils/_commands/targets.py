# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Compare the targets of associations and windows, whatever the order of their values. Pure."""

from __future__ import annotations

import typing as t

Targets = t.Sequence[t.Mapping[str, t.Any]]


def same_targets(have: Targets | None, want: Targets) -> bool:
    """Say whether both choose the same nodes."""
    return _as_sets(have or ()) == _as_sets(want)


def _as_sets(targets: Targets) -> set[tuple[str, frozenset[str]]]:
    return {(target["Key"], frozenset(target.get("Values", []))) for target in targets}
