# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask AWS for what one session needs while it runs: a token after a cut, signatures, the key it is encrypted with."""

from __future__ import annotations

import asyncio
import sys

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import encryption, payloads
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.channel_events import KeyRequested
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import NodeUnreachable, ServiceUnavailable
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.figures import Throttling
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.session_service import SessionService

_KEY_SECONDS = 14.0
"""The agent waits 15 s for the key and then says that the client is too old (datachannel.go, handshakeTimeout)."""


class SessionPeer:
    """The session service as one session sees it; ``channel.Peer`` is what its channel sees of it."""

    def __init__(self, service: SessionService, session_id: str, target: str, throttling: Throttling) -> None:
        self._service = service
        self._session_id = session_id
        self._target = target
        self._throttling = throttling
        self.ssl_context = service.ssl_context

    async def resume(self, seconds: float) -> str:
        """Return a fresh token."""
        return await self._service.resume(self._session_id, self._target, self._throttling, seconds)

    @property
    def throttled_seconds(self) -> float:
        """For how long AWS has made this session wait so far."""
        return self._throttling.seconds

    async def headers(self, url: str) -> dict[str, str]:
        """Return what signs the opening request of a socket."""
        return await self._service.headers(url)

    async def cipher(self, wanted: KeyRequested) -> tuple[encryption.SessionCipher, payloads.ProcessedAction]:
        """Return what encrypts the session, and the answer that tells the agent the key."""
        context = encryption.context(self._session_id, self._target, wanted.challenge)
        try:
            key = await asyncio.wait_for(self._service.data_key(wanted.key_id, context, self._target), _KEY_SECONDS)
            cipher = encryption.SessionCipher(key.plain)
        except asyncio.TimeoutError:
            raise ServiceUnavailable(
                f"KMS gave no data key of {wanted.key_id} within {_KEY_SECONDS:g} s, and the agent of {self._target} waits no"
                " longer. Check the way to KMS: endpoint_url, AWS_ENDPOINT_URL_KMS, proxies and VPC endpoints."
            ) from None
        except encryption.Unsupported as error:
            raise NodeUnreachable(
                f"sessions to {self._target} are to be encrypted with the KMS key {wanted.key_id}, for which the Python library"
                f" cryptography is missing ({error}). Install it (pip install cryptography) for {sys.executable}."
            ) from error
        return cipher, payloads.key_answer(key.encrypted, challenged=bool(wanted.challenge))
