# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands in for AWS and for a proxy: servers on loopback that answer as told, well or badly."""

from __future__ import annotations

import base64
import contextlib
import datetime
import email.utils
import ipaddress
import pathlib
import socket
import ssl
import threading
import time
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.listening import Listening

HOST = "localhost"
HOUR = datetime.timedelta(hours=1)
AWS_HEADERS = {"x-amzn-RequestId": "8f3d2c1a-0000-4000-8000-000000000000"}


class Authority:
    """A certificate authority; its certificate is in the file path."""

    def __init__(self, folder: pathlib.Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example")]
        )
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(self._sign(self._name, self._key.public_key(), -HOUR, HOUR, None))

    def context(self, begins: datetime.timedelta = -HOUR, ends: datetime.timedelta = HOUR, host: str = HOST) -> ssl.SSLContext:
        """Issue a certificate and give what a server uses it by; its dates are counted from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.2"))])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = self._sign(subject, key.public_key(), begins, ends, names)
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path = self._folder / f"server-{x509.random_serial_number()}.pem"
        path.write_bytes(private + certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        begins: datetime.timedelta,
        ends: datetime.timedelta,
        names: x509.SubjectAlternativeName | None,
    ) -> bytes:
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now + begins).not_valid_after(now + ends)
        builder = builder.add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Server:
    """Accepts connections until it is closed; a thread for each."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self._listening = Listening(self._serve_quietly)
        self.port = self._listening.port

    def close(self) -> None:
        self._listening.close()

    def _serve_quietly(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        with contextlib.suppress(OSError), connection:
            self.serve(connection)

    def serve(self, connection: socket.socket) -> None:
        raise NotImplementedError

    def read_request(self, connection: socket.socket) -> bytes:
        received = b""
        while b"\r\n\r\n" not in received:
            more = connection.recv(4096)
            if not more:
                raise OSError("gone")
            received += more
        self.requests.append(received)
        return received


def head(status: int, headers: t.Mapping[str, str]) -> bytes:
    """Give the head of an HTTP answer."""
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers.items()), "Content-Length: 0"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Aws(Server):
    """An endpoint of AWS: answers 404, and 403 to a websocket that is not signed; the attributes can be changed."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.context = context
        self.seconds_ahead = 0.0
        """By how much AWS's clock, in the header Date, is ahead of this machine's."""
        self.status, self.headers = 404, dict(AWS_HEADERS)
        self.upgrade_status, self.upgrade_headers = 403, dict(AWS_HEADERS)
        self.silent = self.breaks_off = self.hangs_up_on_upgrade = False
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        if self.breaks_off:
            connection.recv(1)
            return
        secured = self.context.wrap_socket(connection, server_side=True) if self.context else connection
        with secured:
            request = self.read_request(secured)
            if self.silent:
                time.sleep(5)
            is_upgrade = b"upgrade: websocket" in request.lower()
            if is_upgrade and self.hangs_up_on_upgrade:
                return
            date = email.utils.formatdate(time.time() + self.seconds_ahead, usegmt=True)
            status, headers = (self.upgrade_status, self.upgrade_headers) if is_upgrade else (self.status, self.headers)
            secured.sendall(head(status, {"Date": date, **headers}))


class Proxy(Server):
    """An HTTP proxy; status is what it answers to CONNECT, and user what it wants before it lets anybody through."""

    def __init__(self, status: int = 200, user: str = "") -> None:
        self.status, self.user = status, user
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        request = self.read_request(connection)
        wanted = b"Basic " + base64.b64encode(self.user.encode())
        status = 407 if self.user and wanted not in request else self.status
        if status != 200:
            connection.sendall(head(status, {}))
            return
        host, _colon, port = request.split()[1].decode().rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as far:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(far, connection), daemon=True)
            back.start()
            _pump(connection, far)
            back.join(10)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class MetadataService(Server):
    """The instance metadata service of an instance, with or without a profile."""

    def __init__(self, instance_id: str = "i-0123456789abcdef0", profile: str = "NodeRole", region: str = "eu-west-1") -> None:
        self.answers = {
            "/latest/api/token": "token",
            "/latest/meta-data/instance-id": instance_id,
            "/latest/meta-data/placement/region": region,
            "/latest/meta-data/iam/security-credentials/": profile,
        }
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        request = self.read_request(connection).decode()
        path = request.split()[1]
        allowed = path.endswith("token") or "x-aws-ec2-metadata-token: token" in request.lower()
        body = self.answers.get(path, "") if allowed else ""
        status = 401 if not allowed else 200 if body else 404
        connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())


@contextlib.contextmanager
def refusing_port() -> t.Iterator[int]:
    """A port at which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@contextlib.contextmanager
def silent_port() -> t.Iterator[int]:
    """A port that answers nothing, as behind a firewall: its queue is full, so that the kernel drops what comes."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _attempt in range(3):
            filling = stack.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex(listening.getsockname())
        time.sleep(0.05)
        yield listening.getsockname()[1]
