# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Compare points in time as users write them with those that AWS answers. Pure."""

from __future__ import annotations

import datetime


def same_moment(one: str, other: str) -> bool:
    """Say whether two ISO 8601 texts mean the same time; without a zone, both do by the same clock."""
    if one == other:
        return True
    moments = [_read(one), _read(other)]
    if None in moments:
        return False
    return len({moment.isoformat() for moment in moments if moment}) == 1


def _read(text: str) -> datetime.datetime | None:
    try:
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment.astimezone(datetime.timezone.utc) if moment.tzinfo else moment
