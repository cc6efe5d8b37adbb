# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that asks Systems Manager what only agents ask: to be registered, and for keys of its role."""

from __future__ import annotations

import json
import typing as t
import urllib.error
import urllib.request
import uuid

import botocore.auth
import botocore.awsrequest
import botocore.credentials

from tests.emulator.agent.identity import HybridKey
from tests.integration.running_emulator import RunningEmulator


class RefusedError(Exception):
    """AWS answered an error; ``code`` is its name."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class BareServer:
    """One that has no agent; after ``register`` it has a node id."""

    def __init__(self, emulator: RunningEmulator) -> None:
        self.key = HybridKey.generate()
        self.fingerprint = str(uuid.uuid4())
        self.node = ""
        self._url = f"{emulator.url}/"
        self._region = emulator.environment["AWS_REGION"]

    def register(self, activation: dict[str, t.Any]) -> str:
        """Register with what CreateActivation answered; return the node id."""
        members = {name: activation[name] for name in ("ActivationId", "ActivationCode")}
        key = {"PublicKey": self.key.public(), "PublicKeyType": "Rsa"}
        self.node = self._call("RegisterManagedInstance", {**members, **key, "Fingerprint": self.fingerprint})["InstanceId"]
        return self.node

    def role_token(self, key: HybridKey | None = None) -> dict[str, t.Any]:
        """Ask for the role's keys, signed by the server's own key unless another one is given."""
        return self._call("RequestManagedInstanceRoleToken", {"Fingerprint": self.fingerprint}, key or self.key)

    def _call(self, operation: str, members: dict[str, t.Any], key: HybridKey | None = None) -> dict[str, t.Any]:
        headers = {"X-Amz-Target": f"AmazonSSM.{operation}", "Content-Type": "application/x-amz-json-1.1"}
        signed = botocore.awsrequest.AWSRequest("POST", self._url, headers, json.dumps(members).encode())
        if key is not None:
            _RsaAuth(self.node, self._region, key).add_auth(signed)
        request = urllib.request.Request(self._url, signed.data, dict(signed.headers.items()), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                content: dict[str, t.Any] = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            said = json.loads(error.read())
            raise RefusedError(said["__type"], said["message"]) from None
        return content


class _RsaAuth(botocore.auth.SigV4Auth):
    """The usual string to sign, with a node id as the access key and an RSA signature."""

    def __init__(self, node: str, region: str, key: HybridKey) -> None:
        super().__init__(botocore.credentials.Credentials(node, "none"), "ssm", region)
        self._key = key

    def signature(self, string_to_sign: str, request: t.Any) -> str:
        return self._key.sign(string_to_sign)
