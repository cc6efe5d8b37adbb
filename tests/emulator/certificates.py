# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulator's own certificate authority and the certificate of what it serves."""

from __future__ import annotations

import datetime
import ipaddress
import pathlib
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID = datetime.timedelta(days=30)
_HOST = "localhost"


class Certificates:
    """Files in a folder: ``ca.pem`` for who is to trust us, ``server.pem`` with key for the service, which has these names."""

    def __init__(self, folder: pathlib.Path, names: tuple[str, ...] = (_HOST,)) -> None:
        self._names = names
        self.authority = folder / "ca.pem"
        self._server = folder / "server.pem"
        if not self._server.exists():
            self._make()

    def server_context(self) -> ssl.SSLContext:
        """TLS for 127.0.0.1 and the names."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._server)
        return context

    def _make(self) -> None:
        authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fleet.ssm emulator")])
        server_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _HOST)])
        authority = (
            _builder(authority_name, authority_name, authority_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(authority_key, hashes.SHA256())
        )
        hosts = [x509.DNSName(name) for name in self._names]
        names = x509.SubjectAlternativeName([*hosts, x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        server = (
            _builder(server_name, authority_name, server_key.public_key())
            .add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        self.authority.write_bytes(authority.public_bytes(pem))
        self._server.touch(mode=0o600)
        plain = serialization.NoEncryption()
        key = server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
        self._server.write_bytes(key + server.public_bytes(pem))


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    present = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(present - datetime.timedelta(hours=1))
        .not_valid_after(present + _VALID)
    )
