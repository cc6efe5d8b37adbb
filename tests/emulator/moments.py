# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Points in time as requests and answers of JSON services write them."""

from __future__ import annotations

import datetime

from .answers import ApiError


def read(given: float | str) -> datetime.datetime:
    """Read seconds since 1970 or an ISO 8601 text; ValidationException when it is neither."""
    if not isinstance(given, str):
        return datetime.datetime.fromtimestamp(given, datetime.timezone.utc)
    try:
        moment = datetime.datetime.fromisoformat(given.replace("Z", "+00:00"))
    except ValueError:
        raise ApiError("ValidationException", f"{given} is not a valid timestamp.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)


def text(moment: datetime.datetime | None) -> str:
    """Write one as GetCommandInvocation does; empty when there is none."""
    if moment is None:
        return ""
    return moment.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
