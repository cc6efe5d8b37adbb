# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions: start, resume, terminate, list."""

from __future__ import annotations

import secrets
import typing as t

from tests.emulator.answers import ApiError
from tests.emulator.operations import documents
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
    _check_parameters(document, params.get("Parameters", {}))
    if not caller.service.is_connected(target):
        raise ApiError("TargetNotConnected", f"{target} is not connected.")
    session = Session(
        session_id=f"{_owner(caller)}-{secrets.token_hex(9)[:17]}",
        target=target,
        document_name=name,
        document=document,
        parameters=params.get("Parameters", {}),
        owner=caller.credential.principal if caller.credential else "",
        reason=params.get("Reason", ""),
        started=now(),
    )
    with caller.state.lock:
        caller.state.sessions[session.session_id] = session
    caller.statistics.session_opened(session.session_id)
    return _access(caller, session.session_id, caller.service.start_session(session))


def _check_parameters(document: documents.Document, given: dict[str, list[str]]) -> None:
    declared = document.get("parameters") or {}
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise ApiError("InvalidParameters", f"Parameters {unknown} are not in the document.")
    missing = sorted(name for name, spec in declared.items() if "default" not in spec and name not in given)
    if missing and missing != ["host"]:
        raise ApiError("InvalidParameters", f"Required parameters {missing} are missing.")


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


_FILTERS: dict[str, t.Callable[[Session], str]] = {
    "Target": lambda session: session.target,
    "Owner": lambda session: session.owner,
    "Status": lambda session: session.status,
    "SessionId": lambda session: session.session_id,
}


@operation("DescribeSessions")
def describe_sessions(caller: Caller, params: Params) -> Answer:
    """List sessions that live, or those that are over."""
    history = params["State"] == "History"
    found = [session for session in caller.state.sessions.values() if (session.status in _HISTORY) == history]
    for given in params.get("Filters", []):
        member = _FILTERS.get(given["key"])
        if member is None:
            raise ApiError("InvalidFilterKey", f"{given['key']} is not supported here.")
        found = [session for session in found if member(session) == given["value"]]
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
    }
