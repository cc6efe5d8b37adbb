# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A session's encryption on the agent's side: the challenge, the data key from KMS, AES-GCM (agent/session/crypto).

Made of the plain block cipher and its mode, which the collection does not use, so that one mistake cannot pass on both sides.
"""

from __future__ import annotations

import base64
import json
import os
import typing as t

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.emulator import wire
from tests.emulator.agent.api import Api

ENCRYPTED = (wire.OUTPUT, wire.STDERR, wire.EXIT_CODE)
_NONCE, _TAG, _CHALLENGE, _PROOF = 12, 16, 16, 64


class PanicError(Exception):
    """What makes the listener's goroutine of the real agent panic: it recovers, but listens no more."""


class Encryption:
    """One session's, from the handshake on; the session's input counts as encrypted before there is a key."""

    def __init__(self, key_id: str) -> None:
        self._key_id = key_id
        self._challenge = base64.b64encode(os.urandom(_CHALLENGE)).decode()
        self._ours = b""
        self._theirs = b""
        self._proof = os.urandom(_PROOF)
        self._sent = int.from_bytes(os.urandom(_NONCE), "little")

    def action(self) -> dict[str, t.Any]:
        """Return what the client is asked for."""
        return {"ActionType": "KMSEncryption", "ActionParameters": {"KMSKeyId": self._key_id, "Challenge": self._challenge}}

    def take_key(self, api: Api, session_id: str, result: dict[str, t.Any]) -> None:
        """Have KMS decrypt the key that the client has sent; OSError says why it would not."""
        context = {"aws:ssm:SessionId": session_id, "aws:ssm:TargetId": api.node}
        if result.get("ChallengeAcknowledgement"):
            context["aws:ssm:RandomChallenge"] = self._challenge
        members = {"CiphertextBlob": result["KMSCipherTextKey"], "EncryptionContext": context, "KeyId": self._key_id}
        key = base64.b64decode(api.call("Decrypt", members, service="kms")["Plaintext"])
        self._ours, self._theirs = key[: len(key) // 2], key[len(key) // 2 :]

    def encrypt(self, data: bytes) -> bytes:
        """Return a payload."""
        nonce = self._sent.to_bytes(_NONCE, "little")
        self._sent = (self._sent + 1) % 2 ** (8 * _NONCE)
        cipher = Cipher(algorithms.AES(self._ours), modes.GCM(nonce)).encryptor()
        return nonce + cipher.update(data) + cipher.finalize() + cipher.tag

    def decrypt(self, payload: bytes) -> bytes | None:
        """Return what a payload holds, None when the key does not fit."""
        if not self._theirs or len(payload) < _NONCE:
            raise PanicError("input came that cannot be decrypted")
        sealed, tag = payload[_NONCE:-_TAG], payload[-_TAG:]
        try:
            cipher = Cipher(algorithms.AES(self._theirs), modes.GCM(payload[:_NONCE], tag)).decryptor()
            return cipher.update(sealed) + cipher.finalize()
        except (InvalidTag, ValueError):
            return None

    def challenge(self) -> bytes:
        """Return the payload that asks the client to prove that it has the key."""
        return json.dumps({"Challenge": base64.b64encode(self.encrypt(self._proof)).decode()}).encode()

    def is_proven_by(self, payload: bytes) -> bool:
        """Whether this is the answer to the challenge."""
        return self.decrypt(base64.b64decode(json.loads(payload)["Challenge"])) == self._proof
