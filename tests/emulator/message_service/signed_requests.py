# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the signatures on requests to the message service.

The agent signs everything for ``ssmmessages`` (agent/session/service/service.go, communicator/websocketchannel.go). The
plugin opens the client's data channel unsigned up to 1.2.650 and signed in later versions; the service takes both.
"""

from __future__ import annotations

from aiohttp import web

from tests.emulator.signature import HttpRequest, is_signed_with, read_scope
from tests.emulator.state import Credential, State, now

SERVICE = "ssmmessages"


class RefusedError(Exception):
    """The signature is missing or wrong."""


def signer_of(request: web.Request, state: State, body: bytes = b"") -> Credential | None:
    """Return who signed the request, None when nobody did; RefusedError when the signature is wrong."""
    authorization = request.headers.get("Authorization", "")
    if not authorization:
        return None
    scope = read_scope(authorization)
    if scope is None:
        raise RefusedError("The Authorization header is not that of Signature Version 4")
    if scope.service != SERVICE or scope.region != state.region:
        raise RefusedError(f"Credential should be scoped to {state.region}/{SERVICE}, not {scope.region}/{scope.service}")
    credential = state.credentials.get(scope.access_key)
    if credential is None:
        raise RefusedError("The security token included in the request is invalid")
    if credential.expires is not None and credential.expires < now():
        raise RefusedError("The security token included in the request is expired")
    if credential.session_token != request.headers.get("X-Amz-Security-Token", ""):
        raise RefusedError("The security token included in the request is invalid")
    headers = {name.lower(): value for name, value in request.headers.items()}
    path, _mark, query = request.raw_path.partition("?")
    if not is_signed_with(HttpRequest(request.method, path, query, headers, body), scope, credential.secret_key):
        raise RefusedError("The request signature we calculated does not match the signature you provided")
    return credential
