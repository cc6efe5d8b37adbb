# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps what sessions carry, when that is ordered: what went to the node, and what it printed, which is what session logs have."""

from __future__ import annotations

import base64
import threading

from tests.emulator import wire


class Recording:
    """May be used by any thread."""

    def __init__(self) -> None:
        self.on = False
        self._lock = threading.Lock()
        self._messages: dict[str, dict[str, dict[int, bytes]]] = {}

    def order(self, on: bool) -> None:
        """Begin anew, or stop and forget."""
        with self._lock:
            self.on = on
            self._messages.clear()

    def take(self, session_id: str, role: str, frame: bytes) -> None:
        """Keep a frame's content, if it is any and there is an order; one that comes twice counts once."""
        if not self.on:
            return
        message = wire.unpack(frame)
        if message.type in ("input_stream_data", "output_stream_data") and message.payload_type == wire.OUTPUT:
            with self._lock:
                session = self._messages.setdefault(session_id, {"typed": {}, "printed": {}})
                session["typed" if role == "client" else "printed"][message.sequence] = message.payload

    def content(self) -> dict[str, dict[str, str]]:
        """Return what was typed and printed in each session, in base64."""
        with self._lock:
            return {
                session_id: {side: _joined(messages) for side, messages in sides.items()}
                for session_id, sides in self._messages.items()
            }


def _joined(messages: dict[int, bytes]) -> str:
    return base64.b64encode(b"".join(payload for _number, payload in sorted(messages.items()))).decode()
