# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's end of an encrypted session, made of block cipher and mode: not of what the collection uses."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


class AgentCipher:
    """Sends with the first half of a key and receives with the second."""

    def __init__(self, key: bytes) -> None:
        self._sends, self._receives = key[:32], key[32:]

    def encrypt(self, data: bytes, nonce: bytes = b"") -> bytes:
        """Return nonce, cipher text and tag."""
        nonce = nonce or os.urandom(12)
        cipher = Cipher(algorithms.AES(self._sends), modes.GCM(nonce)).encryptor()
        return nonce + cipher.update(data) + cipher.finalize() + cipher.tag

    def decrypt(self, payload: bytes) -> bytes:
        """Return the data; an exception when the tag is wrong."""
        cipher = Cipher(algorithms.AES(self._receives), modes.GCM(payload[:12], payload[-16:])).decryptor()
        return cipher.update(payload[12:-16]) + cipher.finalize()
