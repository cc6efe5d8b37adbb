# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control plane: what we answer ourselves, before moto's server for all the rest, and the emulator's own pages.

A WSGI application. Operations of ssm that moto lacks are ours; their input is held against botocore's model, their signature
against the keys the account knows. Everything is counted, delayed and made to fail here.
"""

from __future__ import annotations

import collections.abc
import io
import json
import time
import typing as t
import urllib.parse

import moto.moto_server.werkzeug_app

from tests.emulator import answers, constraints, packages, patches, query_protocol, records, service_models, signature
from tests.emulator.accounts import Accounts
from tests.emulator.fault_rules import BadFaultError
from tests.emulator.faults import Faults
from tests.emulator.operations import registry
from tests.emulator.state import Credential, MessageService, State, now
from tests.emulator.statistics import Statistics

Environ = dict[str, t.Any]
StartResponse = t.Callable[..., t.Any]

_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 500: "Internal Server Error"}
_JSON = "application/x-amz-json-1.1"


class Front:
    """The application."""

    def __init__(self, state: State, statistics: Statistics, faults: Faults, service: MessageService) -> None:
        registry.load()
        self._state = state
        self._accounts = Accounts(state)
        self._statistics = statistics
        self._faults = faults
        self._service = service
        self._moto = moto.moto_server.werkzeug_app.DomainDispatcherApplication(moto.moto_server.werkzeug_app.create_backend_app)

    def __call__(self, environ: Environ, start_response: StartResponse) -> collections.abc.Iterable[bytes]:
        """Answer a request."""
        if environ["PATH_INFO"].startswith("/_emulator/"):
            return _answer(start_response, *self._own_page(environ), "application/json")
        time.sleep(self._faults.round_trip)
        body = _body(environ)
        service, operation = _asked(environ, body)
        self._statistics.call(service, operation)
        try:
            return self._ours(environ, start_response, service, operation, body)
        except answers.LeaveToMotoError:
            environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._place(environ)[0]
            return t.cast("collections.abc.Iterable[bytes]", self._moto(environ, start_response))
        except answers.ApiError as error:
            return self._refuse(start_response, service, error)

    def _ours(self, environ: Environ, start_response: StartResponse, service: str, operation: str, body: bytes) -> list[bytes]:
        ours = registry.OPERATIONS.get((service, operation))
        params = _params(body) if environ.get("HTTP_X_AMZ_TARGET") else {}
        account, region = self._place(environ)
        fault = self._faults.call_error(service, operation, {**params, "account": account, "region": region})
        if fault is not None:
            raise answers.ApiError(fault.code, fault.message, fault.status)
        if ours is None:
            if service == "ssm" and operation in service_models.service_model("ssm").operation_names:
                self._caller(environ, operation, body)
            raise answers.LeaveToMotoError
        caller = self._caller(environ, operation, body)
        model = service_models.service_model(service).operation_model(operation)
        in_forms = service_models.protocol_of(service) in query_protocol.PROTOCOLS
        if in_forms:
            params = query_protocol.read(model, body)
        if model.input_shape is not None:
            constraints.check_input(model.input_shape, params, query_protocol.INVALID if in_forms else constraints.INVALID)
        result = ours(caller, params)
        if in_forms:
            return _answer(start_response, 200, query_protocol.write(model, result), "text/xml")
        encoded = answers.encode(model.output_shape, result) if model.output_shape is not None else {}
        return _answer(start_response, 200, json.dumps(encoded).encode(), _JSON)

    def _caller(self, environ: Environ, operation: str, body: bytes) -> registry.Caller:
        """Find out who asks; a request that is not rightly signed is refused as AWS does."""
        scope = signature.read_scope(environ.get("HTTP_AUTHORIZATION", ""))
        if scope is None:
            if operation not in registry.ANONYMOUS:
                raise answers.ApiError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
            return registry.Caller(self._state, self._service, self._statistics, None, self._accounts, self._faults)
        request = _signed_request(environ, body)
        if scope.access_key.startswith("mi-"):
            return self._node_caller(request, scope)
        credential = self._state.credentials.get(scope.access_key)
        if credential is None or credential.session_token != request.headers.get("x-amz-security-token", ""):
            raise answers.ApiError("UnrecognizedClientException", "The security token included in the request is invalid.")
        if credential.expires is not None and credential.expires <= now():
            raise answers.ApiError("ExpiredTokenException", "The security token included in the request is expired")
        self._check_signature(request, scope, credential)
        state = self._accounts.state(self._accounts.account_of(credential), scope.region)
        return registry.Caller(state, self._service, self._statistics, credential, self._accounts, self._faults)

    def _place(self, environ: Environ) -> tuple[str, str]:
        """Return account and region of a request, whether it is rightly signed or not."""
        scope = signature.read_scope(environ.get("HTTP_AUTHORIZATION", ""))
        if scope is None:
            return self._state.account, self._state.region
        return self._accounts.account_of(self._state.credentials.get(scope.access_key)), scope.region

    def _node_caller(self, request: signature.HttpRequest, scope: signature.Scope) -> registry.Caller:
        node = self._state.nodes.get(scope.access_key)
        if node is None:
            raise answers.ApiError("InvalidInstanceId", f"Not existing InstanceId {scope.access_key}")
        if not signature.is_signed_by(request, scope, node.public_key):
            raise answers.ApiError("InvalidSignatureException", "The signature was not made by the node's key.")
        return registry.Caller(self._state, self._service, self._statistics, None, self._accounts, self._faults, node.instance_id)

    def _check_signature(self, request: signature.HttpRequest, scope: signature.Scope, credential: Credential) -> None:
        if not signature.is_signed_with(request, scope, credential.secret_key):
            raise answers.ApiError(
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided."
                " Check your AWS Secret Access Key and signing method.",
            )

    def _refuse(self, start_response: StartResponse, service: str, error: answers.ApiError) -> list[bytes]:
        protocol = service_models.protocol_of(service)
        form = answers.XML_ERRORS.get(protocol)
        if form is None:
            return _answer(start_response, error.status, answers.error_body(error), _JSON)
        return _answer(start_response, error.status, form.format(code=error.code, message=error.message).encode(), "text/xml")

    # -- the emulator's own pages -------------------------------------------------------------------------------------

    def _own_page(self, environ: Environ) -> tuple[int, bytes]:
        page = (environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix("/_emulator/"))
        handler = {
            ("GET", "health"): lambda _body: {"status": "ok"},
            ("GET", "stats"): lambda _body: self._all_statistics(),
            ("POST", "stats/reset"): self._reset_statistics,
            ("GET", "faults"): lambda _body: self._faults.held(),
            ("POST", "faults"): self._order_faults,
            ("GET", "nodes"): lambda _body: self._nodes(),
            ("GET", "recording"): lambda _body: self._service.recording.content(),
            ("POST", "recording"): lambda body: self._service.recording.order(bool(json.loads(body)["on"])),
            ("POST", "packages"): lambda body: packages.order(self._accounts, json.loads(body)),
            ("POST", "patches"): lambda body: patches.order(self._accounts, json.loads(body)),
            ("POST", "records"): lambda body: records.add(self._accounts, json.loads(body)),
        }.get(page)
        if handler is None:
            return 404, b'{"error": "There is no such page."}'
        try:
            return 200, json.dumps(handler(_body(environ))).encode()
        except (BadFaultError, records.BadRecordsError, packages.BadPackagesError, patches.BadPatchesError) as error:
            return 400, json.dumps({"error": str(error)}).encode()
        except ValueError as error:
            return 400, json.dumps({"error": f"The body is not JSON: {error}."}).encode()

    def _reset_statistics(self, _body: bytes) -> dict[str, t.Any]:
        self._statistics.reset()
        self._faults.forget_struck()
        return self._all_statistics()

    def _all_statistics(self) -> dict[str, t.Any]:
        return {**self._statistics.snapshot(), "faults": self._faults.struck()}

    def _order_faults(self, body: bytes) -> dict[str, t.Any]:
        self._faults.order(json.loads(body))
        return self._faults.held()

    def _nodes(self) -> list[dict[str, t.Any]]:
        return [
            {"id": node.instance_id, "name": node.computer_name, "connected": self._service.is_connected(node.instance_id)}
            for node in self._state.nodes.values()
        ]


def _body(environ: Environ) -> bytes:
    """Read the body and put it back: moto reads it too."""

    # The real agent sends its request for keys in chunks, with no length.
    chunked = environ.get("wsgi.input_terminated", False)
    data: bytes = environ["wsgi.input"].read() if chunked else environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(data)
    return data


def _asked(environ: Environ, body: bytes) -> tuple[str, str]:
    """Return service and operation of a request, as well as its protocol tells them."""
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    scope = signature.read_scope(environ.get("HTTP_AUTHORIZATION", ""))
    if target:
        prefix, _dot, operation = target.rpartition(".")
        return service_models.TARGETS.get(prefix, scope.service if scope else prefix), operation
    service = scope.service if scope else "s3"
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return service, urllib.parse.parse_qs(body.decode(errors="replace")).get("Action", [environ["REQUEST_METHOD"]])[0]
    return service, environ["REQUEST_METHOD"]


def _params(body: bytes) -> dict[str, t.Any]:
    try:
        params: dict[str, t.Any] = json.loads(body or b"{}")
    except ValueError:
        raise answers.ApiError("SerializationException", "The body is not JSON.") from None
    return params


def _signed_request(environ: Environ, body: bytes) -> signature.HttpRequest:
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    if environ.get("CONTENT_LENGTH"):
        headers["content-length"] = environ["CONTENT_LENGTH"]
    return signature.HttpRequest(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", ""), headers, body)


def _answer(start_response: StartResponse, status: int, body: bytes, kind: str) -> list[bytes]:
    start_response(f"{status} {_REASONS.get(status, 'Error')}", [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
