# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions: start, resume, terminate, list."""

from __future__ import annotations

import secrets
import typing as t

import moto.backends

from tests.emulator import moments
from tests.emulator.answers import ApiError
from tests.emulator.operations import documents, settings
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.paging import page
from tests.emulator.state import Session, now

_HISTORY = {"Terminated", "Failed"}
_OWNER = "demo"


@operation("StartSession")
def start_session(caller: Caller, params: Params) -> Answer:
    """Start a session on a connected node."""
    target = params["Target"]
    name = params.get("DocumentName", documents.PREFERENCES)
    document = documents.find(caller, name)
    if documents.kind_of(document) != "Session":
        raise ApiError("InvalidDocument", f"Document type of {name} is not supported for sessions.")
    documents.check_parameters(document, params.get("Parameters", {}))
    if not caller.service.is_connected(target):
        raise ApiError("TargetNotConnected", f"{target} is not connected.")
    if target.startswith("mi-") and settings.value_of(caller.state, settings.ACTIVATION_TIER) != settings.ADVANCED:
        raise ApiError("BadRequest", "Enable advanced-instances tier to use Session Manager with your on-premises instances")
    idle_limit, duration_limit = _limits(documents.find(caller, documents.PREFERENCES))
    session = Session(
        session_id=f"{_owner(caller)}-{secrets.token_hex(9)[:17]}",
        target=target,
        document_name=name,
        document=documents.for_agent(caller, document),
        parameters=params.get("Parameters", {}),
        owner=caller.credential.principal if caller.credential else "",
        reason=params.get("Reason", ""),
        run_as=_run_as(caller),
        started=now(),
        idle_limit=idle_limit,
        duration_limit=duration_limit,
    )
    with caller.state.lock:
        caller.state.sessions[session.session_id] = session
    caller.statistics.session_opened(session.session_id)
    return _access(caller, session.session_id, caller.service.start_session(session))


def _limits(preferences: dict[str, t.Any]) -> tuple[float, float]:
    """Return the account's limits, idle and in all, which the document has as texts in minutes; idle ones have 20 if not set."""
    inputs = preferences.get("inputs") or {}
    return 60.0 * int(inputs.get("idleSessionTimeout") or 20), 60.0 * int(inputs.get("maxSessionDuration") or 0)


def _run_as(caller: Caller) -> str:
    """Return whom the IAM user's tag has sessions run as; it holds where RunAs is turned on."""
    backend: t.Any = moto.backends.get_backend("iam")[caller.state.account]["aws"]
    user = backend.users.get(_owner(caller))
    tags = backend.tagger.get_tag_dict_for_resource(user.arn) if user is not None else {}
    return str(tags.get("SSMSessionRunAs", ""))


def _owner(caller: Caller) -> str:
    return caller.credential.principal.rpartition("/")[2] if caller.credential else _OWNER


def _access(caller: Caller, session_id: str, token: str) -> Answer:
    return {"SessionId": session_id, "TokenValue": token, "StreamUrl": caller.service.stream_url(session_id)}


@operation("ResumeSession")
def resume_session(caller: Caller, params: Params) -> Answer:
    """Give a new token for a session whose client lost its socket."""
    session = caller.state.sessions.get(params["SessionId"])
    if session is None:
        raise ApiError("DoesNotExistException", f"Session {params['SessionId']} does not exist.")
    token = caller.service.resume_session(session.session_id)
    return _access(caller, session.session_id, token) if token else {"SessionId": session.session_id}


@operation("TerminateSession")
def terminate_session(caller: Caller, params: Params) -> Answer:
    """End a session; ending it twice is no error."""
    session = caller.state.sessions.get(params["SessionId"])
    if session is not None and session.status not in _HISTORY:
        caller.service.terminate_session(session.session_id)
        with caller.state.lock:
            session.status, session.ended = "Terminated", session.ended or now()
    return {"SessionId": params["SessionId"]}


_ACCESS_TYPE = "Standard"
_FILTERS: dict[str, t.Callable[[Session, str], bool]] = {
    "InvokedAfter": lambda session, value: session.started >= moments.read(value),
    "InvokedBefore": lambda session, value: session.started < moments.read(value),
    "Target": lambda session, value: session.target == value,
    "Owner": lambda session, value: session.owner == value,
    "Status": lambda session, value: session.status == value,
    "SessionId": lambda session, value: session.session_id == value,
    "AccessType": lambda _session, value: value == _ACCESS_TYPE,
}


@operation("DescribeSessions")
def describe_sessions(caller: Caller, params: Params) -> Answer:
    """List sessions that live, or those that are over."""
    history = params["State"] == "History"
    found = [session for session in caller.state.sessions.values() if (session.status in _HISTORY) == history]
    for given in params.get("Filters", []):
        found = [session for session in found if _FILTERS[given["key"]](session, given["value"])]
    rows, token = page(found, "DescribeSessions", params.get("MaxResults", 200), params.get("NextToken"))
    return {"Sessions": [_row(session) for session in rows], "NextToken": token}


def _row(session: Session) -> Answer:
    return {
        "SessionId": session.session_id,
        "Target": session.target,
        "Status": session.status,
        "StartDate": session.started,
        "EndDate": session.ended,
        "DocumentName": session.document_name,
        "Owner": session.owner,
        "Reason": session.reason or None,
        "AccessType": _ACCESS_TYPE,
    }
