# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an agent asks of AWS: Systems Manager's operations for agents, and the message service's tokens and websockets."""

from __future__ import annotations

import dataclasses
import json
import re
import ssl
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request
import uuid

import botocore.auth
import botocore.awsrequest
import botocore.credentials

from tests.emulator.agent.identity import Credentials, HybridKey
from tests.emulator.node_settings import NodeSettings

_TIMEOUT = 20
_TARGETS = {"ssm": "AmazonSSM", "kms": "TrentService", "logs": "Logs_20140328"}
_TOKEN = re.compile(r"<TokenValue>([^<]+)</TokenValue>")


class Refused(OSError):
    """AWS answered an error, or nothing."""


@dataclasses.dataclass
class Registration:
    """A hybrid node's: what its credentials are asked for with."""

    key: HybridKey
    fingerprint: str


class _RsaAuth(botocore.auth.SigV4Auth):
    """SigV4 with an RSA signature in place of the HMAC (rsaauth, SignRsa)."""

    def __init__(self, credentials: t.Any, service: str, region: str, key: HybridKey) -> None:
        super().__init__(credentials, service, region)
        self._key = key

    def signature(self, string_to_sign: str, request: t.Any) -> str:
        return self._key.sign(string_to_sign)


class Api:
    """The calls of one node."""

    def __init__(self, settings: NodeSettings, node: str, credentials: Credentials | None, hybrid: Registration | None) -> None:
        self.node = node
        self.settings = settings
        self._credentials = credentials
        self._hybrid = hybrid
        self._renew_at = 0.0
        self._tls = ssl.create_default_context(cafile=str(settings.ca_file))

    def call(self, operation: str, members: dict[str, t.Any], service: str = "ssm") -> dict[str, t.Any]:
        """Call an operation of ssm, kms or logs."""
        headers = {"X-Amz-Target": f"{_TARGETS[service]}.{operation}", "Content-Type": "application/x-amz-json-1.1"}
        request = botocore.awsrequest.AWSRequest("POST", self.settings.ssm_url + "/", headers, json.dumps(members).encode())
        self._sign(request, self._usable_credentials(), service)
        return _parsed(self._send(request))

    def put_object(self, bucket: str, key: str, data: bytes) -> None:
        """Put an object into a bucket."""
        url = f"{self.settings.ssm_url}/{bucket}/{urllib.parse.quote(key)}"
        request = botocore.awsrequest.AWSRequest("PUT", url, {"Content-Type": "application/octet-stream"}, data)
        by = self._usable_credentials()
        keys = botocore.credentials.Credentials(by.access_key, by.secret_key, by.token or None)
        botocore.auth.S3SigV4Auth(keys, "s3", self.settings.region).add_auth(request)
        self._send(request)

    def create_control_channel(self) -> str:
        """Return a token for the control channel."""
        return self._token(f"/v1/control-channel/{self.node}")

    def create_data_channel(self, session_id: str) -> str:
        """Return a token for the agent's end of a data channel."""
        return self._token(f"/v1/data-channel/{session_id}")

    def websocket(self, path: str) -> tuple[str, dict[str, str], ssl.SSLContext]:
        """Return address, signed headers and trust for a websocket."""
        url = self.settings.messages_url + path
        request = botocore.awsrequest.AWSRequest("GET", url)
        self._sign(request, self._usable_credentials(), "ssmmessages")
        return url.replace("https:", "wss:", 1), dict(request.headers.items()), self._tls

    @staticmethod
    def opening_frame(token: str, **more: t.Any) -> str:
        """Return the first frame of a channel."""
        return json.dumps({"MessageSchemaVersion": "1.0", "RequestId": str(uuid.uuid4()), "TokenValue": token, **more})

    def _token(self, path: str) -> str:
        body = json.dumps({"MessageSchemaVersion": "1.0", "RequestId": str(uuid.uuid4()), "ClientId": str(uuid.uuid4())})
        headers = {"Content-Type": "application/json"}
        request = botocore.awsrequest.AWSRequest("POST", self.settings.messages_url + path, headers, body.encode())
        self._sign(request, self._usable_credentials(), "ssmmessages")
        found = _TOKEN.search(self._send(request).decode())
        if found is None:
            raise Refused(f"no token in the answer to {path}")
        return found.group(1)

    def _usable_credentials(self) -> Credentials:
        if self._hybrid is not None and time.time() >= self._renew_at:
            answer = self._role_token(self._hybrid)
            self._credentials = Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
            # The agent renews at half life.
            self._renew_at = time.time() + max(30.0, (answer["TokenExpirationDate"] - time.time()) / 2)
        if self._credentials is None:
            raise Refused("the node has no credentials")
        return self._credentials

    def _role_token(self, hybrid: Registration) -> dict[str, t.Any]:
        """Ask for the role's credentials, signed by the node's RSA key."""
        headers = {"X-Amz-Target": "AmazonSSM.RequestManagedInstanceRoleToken", "Content-Type": "application/x-amz-json-1.1"}
        body = json.dumps({"Fingerprint": hybrid.fingerprint}).encode()
        request = botocore.awsrequest.AWSRequest("POST", self.settings.ssm_url + "/", headers, body)
        keys = botocore.credentials.Credentials(self.node, "unused")
        _RsaAuth(keys, "ssm", self.settings.region, hybrid.key).add_auth(request)
        return _parsed(self._send(request))

    def _sign(self, request: botocore.awsrequest.AWSRequest, by: Credentials, service: str) -> None:
        keys = botocore.credentials.Credentials(by.access_key, by.secret_key, by.token or None)
        botocore.auth.SigV4Auth(keys, service, self.settings.region).add_auth(request)

    def _send(self, request: botocore.awsrequest.AWSRequest) -> bytes:
        return send(str(request.method), str(request.url), dict(request.headers.items()), request.data or b"", self._tls)


def register(settings: NodeSettings, activation_id: str, code: str, key: HybridKey, fingerprint: str) -> str:
    """Register a hybrid node, anonymously as the agent does; return its id."""
    headers = {"X-Amz-Target": "AmazonSSM.RegisterManagedInstance", "Content-Type": "application/x-amz-json-1.1"}
    members = {
        "ActivationId": activation_id,
        "ActivationCode": code,
        "PublicKey": key.public(),
        "PublicKeyType": "Rsa",
        "Fingerprint": fingerprint,
    }
    # The region is in nothing else than the scope of a signature that nobody can check.
    request = botocore.awsrequest.AWSRequest("POST", settings.ssm_url + "/", headers, json.dumps(members).encode())
    return str(_parsed(send("POST", str(request.url), dict(request.headers.items()), request.data or b"", None))["InstanceId"])


def send(method: str, url: str, headers: dict[str, str], body: bytes, tls: ssl.SSLContext | None) -> bytes:
    """Send an HTTP request; Refused holds what AWS said."""
    request = urllib.request.Request(url, data=body, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT, context=tls if url.startswith("https:") else None) as answer:
            content: bytes = answer.read()
            return content
    except urllib.error.HTTPError as error:
        raise Refused(f"{error.code}: {error.read().decode(errors='replace')}") from error
    except urllib.error.URLError as error:
        raise Refused(str(error.reason)) from error


def _parsed(body: bytes) -> dict[str, t.Any]:
    value: dict[str, t.Any] = json.loads(body or b"{}")
    return value
