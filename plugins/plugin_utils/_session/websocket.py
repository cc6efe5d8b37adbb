# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open the websocket of a data channel, and tell of what it was lost.

The only file that imports websockets.
"""

from __future__ import annotations

import asyncio
import ssl
import traceback

try:
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed, InvalidHandshake
    from websockets.frames import CloseCode
except ImportError:
    IMPORT_ERROR: str | None = traceback.format_exc()
    LOST: tuple[type[Exception], ...] = ()
else:
    IMPORT_ERROR = None
    LOST = (ConnectionClosed, InvalidHandshake, OSError, asyncio.TimeoutError)
    """What says that a socket could not be opened or was cut."""

LARGEST_MESSAGE = 1024 * 1024

_PING_SECONDS = 20
_OPEN_SECONDS = 15


def opening(url: str, headers: dict[str, str], ssl_context: ssl.SSLContext) -> connect:
    """Return what gives the socket to who enters it, and closes it on leaving.

    :param headers: what signs the opening request.
    :param ssl_context: whom to trust.
    """
    return connect(
        url,
        ssl=ssl_context if url.startswith("wss:") else None,
        additional_headers=headers,
        user_agent_header="fleet.ssm",
        compression=None,
        open_timeout=_OPEN_SECONDS,
        close_timeout=1,
        ping_interval=_PING_SECONDS,
        ping_timeout=_PING_SECONDS,
        max_size=LARGEST_MESSAGE,
    )


def got_too_much(error: Exception) -> bool:
    """Whether a socket was lost because the other side sent a message of more than LARGEST_MESSAGE bytes."""
    return isinstance(error, ConnectionClosed) and error.sent is not None and error.sent.code == CloseCode.MESSAGE_TOO_BIG
