# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Compare the machine's clock with a Date header. Pure; runs on nodes, with Python 3.6."""

import email.utils
import typing as t

FAIL_SECONDS = 300
"""AWS refuses signatures that are more than five minutes off."""
WARN_SECONDS = 60


def ahead(date: str, local: float) -> "t.Optional[float]":
    """Say by how many seconds the machine, which read the header at the time local, is ahead; None: the header is no date."""
    try:
        parsed = email.utils.parsedate_tz(date)
        # The header has whole seconds: half of one is the least wrong on average.
        return None if parsed is None else local - (email.utils.mktime_tz(parsed) + 0.5)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def told(seconds: float) -> str:
    """Say it in words."""
    amount = abs(seconds)
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if amount >= 2 * size:
            return "{:.0f} {} {}".format(amount / size, unit, "ahead" if seconds > 0 else "behind")
    return "{:.0f} seconds {}".format(amount, "ahead" if seconds > 0 else "behind")
