# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what a session prints: the frames or lines of whichever program runs in it, remarks of its shell, and noise.

Pure, but for the clock of the Windows console.
"""

from __future__ import annotations

import struct
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import frames, posix_lines
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.terminal_output import DamagedFrame, Remark
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.windows_conversation import WindowsConversation

Found: t.TypeAlias = frames.Frame | posix_lines.Line | Remark

MALFORMED = (DamagedFrame, ValueError, KeyError, TypeError, RecursionError, struct.error)
"""What reading raises, and acting on what was read, when a node sends what its program never sends."""

_NOISE_TOLD = 500
"""Characters; the last are those that say what went wrong."""


class ProgramOutput:
    """What one session prints.

    :param on_found: told what is found; it may change who reads on.
    :param windows: what undoes a console's doings.
    """

    def __init__(self, on_found: t.Callable[[Found], None], windows: WindowsConversation | None) -> None:
        self._on_found = on_found
        self._windows = windows
        self._decoder: frames.Decoder | posix_lines.Decoder = frames.Decoder()

    def read_by(self, decoder: frames.Decoder | posix_lines.Decoder) -> None:
        """Have another decoder read on, from the very next byte."""
        decoder.take_over(self._decoder)
        self._decoder = decoder

    def take(self, data: bytes) -> None:
        """Find what is in output; raise one of MALFORMED when no program of ours printed it."""
        decoder, data = None, data if self._windows is None else self._windows.feed(data)
        while decoder is not self._decoder:
            decoder = self._decoder
            for found in decoder.feed(data):
                self._on_found(found)
            data = b""

    def remember(self, data: bytes) -> None:
        """Take for noise what the agent says on another stream: what it could not do, such as to start a shell."""
        self._decoder.remember(data)

    def noise(self) -> str:
        """Return what the session printed besides, as the end of a sentence; empty when it is nothing."""
        noise = self._decoder.noise + (b"" if self._windows is None else self._windows.noise)
        text = noise.decode(errors="replace").strip()
        return f". The session printed: {text[-_NOISE_TOLD:]}" if text else ""
