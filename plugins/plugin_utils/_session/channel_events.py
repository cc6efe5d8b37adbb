# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a data channel tells of its session."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Output:
    """Bytes the session's program wrote, in order. ``payload_type`` is OUTPUT, STDERR, ERROR, EXIT_CODE or FLAG."""

    payload_type: int
    data: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class SessionType:
    """What kind of session the document has made, which the agent tells when it asks for a handshake."""

    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class KeyRequested:
    """The agent wants the session encrypted; answer with ``encrypt``.

    :param deaf: it has got input too early and hears nothing any more.
    """

    key_id: str
    challenge: str
    deaf: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class HandshakeComplete:
    """The agent is ready; ``customer_message`` is for the user, mostly empty."""

    customer_message: str


@dataclasses.dataclass(frozen=True, slots=True)
class Closed:
    """The service closed the channel; ``reason`` is empty when the program just ended."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Failed:
    """The other side broke the protocol for good."""

    reason: str


Event = Output | SessionType | KeyRequested | HandshakeComplete | Closed | Failed
