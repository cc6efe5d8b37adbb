# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Go the agent's way to an endpoint, step by step, and say how far it got. I/O; runs on nodes, with Python 3.6."""

import base64
import ipaddress
import os
import re
import socket
import ssl
import time
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node import certificate
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.endpoints import Endpoint
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.redaction import readable
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.unit_environment import Proxy

RESOLVE, CONNECT, PROXY, TLS, HTTP, UPGRADE, DONE = "resolve", "connect", "proxy", "tls", "http", "upgrade", "done"
STEPS = (RESOLVE, CONNECT, PROXY, TLS, HTTP, UPGRADE, DONE)

_MOST_HEADER_BYTES = 65536
# RFC 6455, 4.1; the path is the agent's, agent/session/controlchannel, which AWS refuses for want of a signature.
_UPGRADE_PATH = "/v1/control-channel/mi-00000000000000000?role=subscribe&stream=input"
_UPGRADE_HEADERS = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: " + base64.b64encode(b"fleet.ssm doctor").decode("ascii"),
)


class Answer(t.NamedTuple):
    """The head of an HTTP answer, names of headers in lower case."""

    status: int
    headers: "t.Dict[str, str]"

    def is_of_aws(self) -> bool:
        """Say whether it has a header as AWS's services send it, which nothing between would."""
        return any(name.startswith(("x-amz-", "x-amzn-")) for name in self.headers)


class Journey:
    """How far the way to one endpoint was gone; another thread may look at it meanwhile."""

    def __init__(self, endpoint: Endpoint, via: "t.Optional[Proxy]") -> None:
        self.endpoint = endpoint
        self.via = via
        self.step = RESOLVE
        self.error = ""
        """Why it ended at its step; empty while it goes on, and at the end."""
        self.addresses = []  # type: t.List[str]
        self.proxy_status = 0
        self.certificate = None  # type: t.Optional[certificate.Certificate]
        """The one that was not trusted."""
        self.answer = None  # type: t.Optional[Answer]
        self.upgrade = None  # type: t.Optional[Answer]
        self.date = ""
        self.read_at = 0.0
        """When the Date header came, by this machine's clock."""

    def passed(self, step: str) -> bool:
        """Say whether the step was done."""
        return STEPS.index(self.step) > STEPS.index(step)

    def stopped_at(self, step: str) -> bool:
        """Say whether it ended there."""
        return self.step == step and bool(self.error)

    def is_private(self) -> bool:
        """Say whether the name leads into a private network, as that of a VPC endpoint does."""
        return any(_is_private(address) for address in self.addresses)


class Traveller:
    """Goes the way; timeout is for each step, in seconds, and bundle a file of authorities (empty: the system's)."""

    def __init__(self, timeout: float, bundle: str = "", more_trust: str = "") -> None:
        self._timeout = timeout
        self._bundle = bundle
        self._more_trust = more_trust

    def go(self, journey: Journey) -> None:
        """Go on until something fails, and note in the journey what."""
        try:
            self._go(journey)
        except (OSError, ssl.CertificateError, ValueError) as error:
            journey.error = _reason(error, self._timeout)

    def _go(self, journey: Journey) -> None:
        connection = self._connect(journey)
        try:
            connection = self._secure(journey, connection)
            journey.answer = _ask(connection, journey.endpoint.host, "/")
            _note_date(journey, journey.answer)
        finally:
            connection.close()
        journey.step = UPGRADE
        if journey.endpoint.service == "ssmmessages":
            self._upgrade(journey)
        journey.step = DONE

    def _connect(self, journey: Journey) -> socket.socket:
        host, port = (journey.via.host, journey.via.port) if journey.via else (journey.endpoint.host, journey.endpoint.port)
        found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
        journey.addresses = sorted({str(entry[4][0]) for entry in found})
        journey.step = CONNECT
        connection = _first_to_answer(found, self._timeout)
        journey.step = PROXY
        if journey.via:
            try:
                self._ask_proxy(journey, connection, journey.via)
            except Exception:
                connection.close()
                raise
        journey.step = TLS
        return connection

    def _ask_proxy(self, journey: Journey, connection: socket.socket, proxy: Proxy) -> None:
        place = "{}:{}".format(journey.endpoint.host, journey.endpoint.port)
        lines = ["CONNECT {} HTTP/1.1".format(place), "Host: " + place]
        if proxy.authorization:
            encoded = base64.b64encode(proxy.authorization.encode("utf-8")).decode("ascii")
            lines.append("Proxy-Authorization: Basic " + encoded)
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("utf-8"))
        answer = _read_head(connection)
        journey.proxy_status = answer.status
        if answer.status // 100 != 2:
            raise OSError("the proxy answered {}".format(answer.status))

    def _secure(self, journey: Journey, connection: socket.socket) -> socket.socket:
        if journey.endpoint.scheme != "https":
            journey.step = HTTP
            return connection
        try:
            secured = self._context().wrap_socket(connection, server_hostname=journey.endpoint.host)
        except (ssl.SSLError, ssl.CertificateError) as error:
            connection.close()
            self._look_at_certificate(journey)
            raise OSError(str(error)) from error
        except OSError as error:
            connection.close()
            raise OSError("the connection broke in the handshake: {}".format(error)) from error
        journey.step = HTTP
        return secured

    def _look_at_certificate(self, journey: Journey) -> None:
        """Connect once more and trust anybody, to tell who it was and what time it is there; nothing secret is sent."""
        again = Journey(journey.endpoint, journey.via)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            with context.wrap_socket(self._connect(again), server_hostname=journey.endpoint.host) as secured:
                journey.certificate = certificate.parse(secured.getpeercert(True) or b"")
                _note_date(journey, _ask(secured, journey.endpoint.host, "/"))
        except (OSError, ValueError):
            return

    def _upgrade(self, journey: Journey) -> None:
        again = Journey(journey.endpoint, journey.via)
        connection = self._connect(again)
        try:
            connection = self._secure(again, connection)
            journey.upgrade = _ask(connection, journey.endpoint.host, _UPGRADE_PATH, _UPGRADE_HEADERS)
        finally:
            connection.close()

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._bundle or None)
        # The agent's Go takes any certificate of the bundle for an authority, and is not strict as Python is from 3.13 on.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.verify_flags |= getattr(ssl, "VERIFY_X509_PARTIAL_CHAIN", 0)
        if self._more_trust:
            context.load_verify_locations(self._more_trust)
        return context


def _first_to_answer(found: "t.Sequence[t.Any]", timeout: float) -> socket.socket:
    """Try the addresses one after the other, all within the timeout."""
    ends = time.monotonic() + timeout
    last = OSError("the name has no address")  # type: OSError
    for place, (family, kind, protocol, _name, address) in enumerate(found):
        left = ends - time.monotonic()
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(max(0.1, left / (len(found) - place)))
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            last = error
            continue
        connection.settimeout(timeout)
        return connection
    raise last


def _ask(connection: socket.socket, host: str, path: str, headers: "t.Sequence[str]" = ()) -> Answer:
    lines = ["GET {} HTTP/1.1".format(path), "Host: " + host, "User-Agent: fleet.ssm", *(headers or ("Connection: close",))]
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
    return _read_head(connection)


def _read_head(connection: socket.socket) -> Answer:
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(4096)
        if not more:
            raise OSError("the connection was closed without an answer")
        received += more
        if len(received) > _MOST_HEADER_BYTES:
            raise OSError("the answer has no end of its head")
    return parse_head(received)


def parse_head(received: bytes) -> Answer:
    """Read the head of an HTTP answer; OSError: it is none."""
    rows = readable(received.partition(b"\r\n\r\n")[0]).split("\r\n")
    match = re.match(r"HTTP/\d(?:\.\d)? (\d{3})\b", rows[0], re.ASCII)
    if not match:
        raise OSError("what came back is no HTTP")
    pairs = (row.partition(":") for row in rows[1:])
    return Answer(int(match.group(1)), {name.strip().lower(): value.strip() for name, _colon, value in pairs})


def _note_date(journey: Journey, answer: Answer) -> None:
    journey.date, journey.read_at = answer.headers.get("date", ""), time.time()


def _reason(error: BaseException, timeout: float) -> str:
    if isinstance(error, socket.gaierror):
        return str(error.strerror or error)
    if isinstance(error, socket.timeout):
        return "no answer within {:g} s".format(timeout)
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number else str(error)


def _is_private(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_private
    except ValueError:
        return False
