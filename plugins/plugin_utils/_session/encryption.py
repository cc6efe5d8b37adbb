# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encrypt what a session carries with a data key of KMS, as the agent does it (agent/session/crypto/blockcipher.go).

Pure: KMS is asked by ``session_service.py``. An encrypted payload is a nonce of 12 bytes and what AES-GCM makes of the rest. The
first half of the data key is for what the agent sends, the second half for what we send.
"""

from __future__ import annotations

import os

KEY_BYTES = 64
"""Size of the data key: two AES keys of 256 bits."""

_NONCE_BYTES = 12


class Unsupported(Exception):
    """There is no library that does AES."""


class Undecryptable(Exception):
    """What came was not encrypted with the session's key, or was changed on its way."""


def context(session_id: str, target: str, challenge: str) -> dict[str, str]:
    """Return the encryption context that the agent will ask KMS to decrypt the data key with.

    :param challenge: what the agent drew for this session; older agents send none.
    """
    known = {"aws:ssm:SessionId": session_id, "aws:ssm:TargetId": target}
    return {**known, "aws:ssm:RandomChallenge": challenge} if challenge else known


class SessionCipher:
    """Both directions of one session.

    :param key: the data key in plain.
    :param nonce: the first nonce; each message takes the next one, so that none is used twice.
    """

    def __init__(self, key: bytes, nonce: bytes = b"") -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a data key has {KEY_BYTES} bytes, not {len(key)}")
        try:
            # Here and not above: it takes 40 ms, which sessions without a key need not spend.
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError as error:
            raise Unsupported(str(error)) from error
        self._errors = (InvalidTag, ValueError)  # ValueError: too short for a nonce
        self._incoming = AESGCM(key[: KEY_BYTES // 2])
        self._outgoing = AESGCM(key[KEY_BYTES // 2 :])
        self._nonce = int.from_bytes(nonce or os.urandom(_NONCE_BYTES), "little")

    def encrypt(self, data: bytes) -> bytes:
        """Return a payload for the agent."""
        nonce = self._nonce.to_bytes(_NONCE_BYTES, "little")
        self._nonce = (self._nonce + 1) % (1 << 8 * _NONCE_BYTES)
        return nonce + self._outgoing.encrypt(nonce, data, None)

    def decrypt(self, payload: bytes) -> bytes:
        """Return what the agent has encrypted."""
        try:
            return bytes(self._incoming.decrypt(payload[:_NONCE_BYTES], payload[_NONCE_BYTES:], None))
        except self._errors as error:
            raise Undecryptable(f"{len(payload)} bytes do not fit the session's key") from error
