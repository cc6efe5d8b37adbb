# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signature Version 4 as the receiving side sees it, and the RSA form of it that hybrid nodes use.

Hybrid agents put an RSA-PSS signature over the usual string to sign where the HMAC would be, with their node id as the
access key (amazon-ssm-agent, agent/ssm/rsaauth/ssm_rsaV4.go and agent/managedInstances/auth/rsa_key.go).
"""

from __future__ import annotations

import base64
import binascii
import collections.abc
import dataclasses
import hashlib
import hmac
import re
import urllib.parse

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request,"
    r"\s*SignedHeaders=(?P<headers>[^,]+),\s*Signature=(?P<signature>\S+)"
)


@dataclasses.dataclass(frozen=True)
class Scope:
    """What an Authorization header says of itself."""

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str


@dataclasses.dataclass(frozen=True)
class HttpRequest:
    """The parts of a request that are signed; header names in lower case."""

    method: str
    path: str
    query: str
    headers: collections.abc.Mapping[str, str]
    body: bytes = b""


def read_scope(authorization: str) -> Scope | None:
    """Read an Authorization header; None when there is none, or another kind."""
    found = AUTHORIZATION.match(authorization)
    if not found:
        return None
    headers = tuple(found["headers"].split(";"))
    return Scope(found["key"], found["date"], found["region"], found["service"], headers, found["signature"])


def string_to_sign(request: HttpRequest, scope: Scope) -> str:
    """Rebuild what the sender signed."""
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in scope.signed_headers)
    query = "&".join(
        f"{urllib.parse.quote(name, safe='-_.~')}={urllib.parse.quote(value, safe='-_.~')}"
        for name, value in sorted(urllib.parse.parse_qsl(request.query, keep_blank_values=True))
    )
    payload = request.headers.get("x-amz-content-sha256") or hashlib.sha256(request.body).hexdigest()
    path = urllib.parse.quote(request.path or "/", safe="/-_.~")
    canonical = "\n".join([request.method, path, query, headers, ";".join(scope.signed_headers), payload])
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    place = f"{scope.date}/{scope.region}/{scope.service}/aws4_request"
    return "\n".join(["AWS4-HMAC-SHA256", request.headers.get("x-amz-date", ""), place, digest])


def is_signed_with(request: HttpRequest, scope: Scope, secret_key: str) -> bool:
    """Whether the signature is the one that this secret makes."""
    key = f"AWS4{secret_key}".encode()
    for part in (scope.date, scope.region, scope.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    made = hmac.new(key, string_to_sign(request, scope).encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(made, scope.signature)


def is_signed_by(request: HttpRequest, scope: Scope, public_key: str) -> bool:
    """Whether the signature was made by the owner of an RSA key, given as base64 of its DER form."""
    key = serialization.load_der_public_key(base64.b64decode(public_key))
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    try:
        signature = base64.b64decode(scope.signature, validate=True)
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.AUTO)
        key.verify(signature, string_to_sign(request, scope).encode(), pss, hashes.SHA256())
    except (InvalidSignature, binascii.Error):
        return False
    return True
