# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the service ends a session of itself: nothing was typed for too long, or it has lasted too long.

The first sentence is the one that session-manager-plugin users see (amazon-ssm-agent issue 261); that of the second is not known.
Whether the service counts a terminal size as input is not known either; here it does not, which is the harder case for a client.
"""

from __future__ import annotations

import time

from tests.emulator.fault_rules import Limit
from tests.emulator.state import Session

from .relay import Relay

IDLE = "Your session timed out due to inactivity and has been terminated."
TOO_LONG = "Your session has reached its maximum duration and has been terminated."


def exceeded(session: Session, relay: Relay, ordered: Limit) -> str:
    """Return the reason to end a session, or an empty text."""
    now = time.monotonic()
    idle, duration = ordered.idle or session.idle_limit, ordered.duration or session.duration_limit
    if duration and now - relay.began > duration:
        return TOO_LONG
    return IDLE if idle and now - relay.last_input > idle else ""
