# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a simulated node is: instance credentials of EC2, or the RSA key and node id that a hybrid registration left in its vault."""

from __future__ import annotations

import base64
import dataclasses
import json
import pathlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_SALT = 32


@dataclasses.dataclass
class Credentials:
    """Keys for SigV4."""

    access_key: str
    secret_key: str
    token: str = ""


class HybridKey:
    """A hybrid node's key pair; what it signs is what the agent's managedInstances/auth signs."""

    def __init__(self, private: rsa.RSAPrivateKey) -> None:
        self._private = private

    @classmethod
    def generate(cls) -> HybridKey:
        """Make a key as the agent does."""
        return cls(rsa.generate_private_key(65537, 2048))

    @classmethod
    def from_text(cls, text: str) -> HybridKey:
        """Read what ``to_text`` wrote."""
        key = serialization.load_der_private_key(base64.b64decode(text), None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError("the vault holds no RSA key")
        return cls(key)

    def to_text(self) -> str:
        """Return the private key as the vault keeps it."""
        form = serialization.PrivateFormat.TraditionalOpenSSL
        der = self._private.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption())
        return base64.b64encode(der).decode()

    def public(self) -> str:
        """Return the public key as RegisterManagedInstance takes it."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return base64.b64encode(self._private.public_key().public_bytes(serialization.Encoding.DER, form)).decode()

    def sign(self, text: str) -> str:
        """Sign a text."""
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=_SALT)
        return base64.b64encode(self._private.sign(text.encode(), pss, hashes.SHA256())).decode()


class Vault:
    """Where a hybrid node keeps its registration: below its own /var/lib/amazon/ssm, as the agent does."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._path = folder / "var" / "lib" / "amazon" / "ssm" / "Vault" / "Store" / "RegistrationKey"

    def save(self, node: str, key: HybridKey, fingerprint: str) -> None:
        """Keep a registration."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps({"node": node, "key": key.to_text(), "fingerprint": fingerprint}), encoding="utf-8")

    def load(self) -> tuple[str, HybridKey, str] | None:
        """Return node id, key and fingerprint, None when the node is not registered."""
        if not self._path.exists():
            return None
        kept = json.loads(self._path.read_text(encoding="utf-8"))
        return kept["node"], HybridKey.from_text(kept["key"]), kept["fingerprint"]
