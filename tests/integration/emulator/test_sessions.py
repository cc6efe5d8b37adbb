# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions are started, resumed, ended and listed as AWS documents it."""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import typing as t

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.emulator import wire
from tests.integration.emulator.calls import NOWHERE, SHELL_SCRIPT, pages, refused
from tests.integration.running_emulator import RunningEmulator


def _sessions(ssm: t.Any, state: str, **values: str) -> list[dict[str, t.Any]]:
    filters = {"Filters": [{"key": key, "value": value} for key, value in values.items()]} if values else {}
    return pages(ssm, "describe_sessions", State=state, **filters)


def test_a_session_with_a_node_that_is_not_connected_is_refused(ssm: t.Any) -> None:
    with refused("TargetNotConnected", f"{NOWHERE} is not connected."):
        ssm.start_session(Target=NOWHERE)


@pytest.mark.parametrize("name", ["No-Such-Document", SHELL_SCRIPT])
def test_a_session_with_no_document_for_sessions_is_refused(ssm: t.Any, emulator: RunningEmulator, name: str) -> None:
    with refused("InvalidDocument", name):
        ssm.start_session(Target=emulator.nodes()["web-1"], DocumentName=name)


@pytest.mark.parametrize("given", [{}, {"command": ["id"], "colour": ["red"]}], ids=["missing", "unknown"])
def test_a_session_with_wrong_parameters_is_refused(ssm: t.Any, emulator: RunningEmulator, given: dict[str, list[str]]) -> None:
    with refused("InvalidParameters"):
        ssm.start_session(Target=emulator.nodes()["web-1"], DocumentName="AWS-StartInteractiveCommand", Parameters=given)


def test_a_session_gets_the_address_of_its_data_channel_and_a_token(ssm: t.Any, emulator: RunningEmulator) -> None:
    answer = ssm.start_session(Target=emulator.nodes()["web-1"])
    assert re.fullmatch(r"demo-[0-9a-f]{17}", answer["SessionId"])
    assert re.match(rf"wss://[^/]+/v1/data-channel/{answer['SessionId']}\?role=publish_subscribe", answer["StreamUrl"])
    assert len(answer["TokenValue"]) > 100


def test_a_session_is_active_until_it_is_terminated_and_history_then(ssm: t.Any, emulator: RunningEmulator) -> None:
    node = emulator.nodes()["web-1"]
    session_id = ssm.start_session(Target=node, Reason="a look")["SessionId"]
    (active,) = _sessions(ssm, "Active", SessionId=session_id)
    before = _sessions(ssm, "History", SessionId=session_id)
    ssm.terminate_session(SessionId=session_id)
    (history,) = _sessions(ssm, "History", SessionId=session_id)
    assert before == _sessions(ssm, "Active", SessionId=session_id) == []
    assert (active["Status"], active["Target"], active["Reason"]) == ("Connected", node, "a look")
    assert (active["DocumentName"], active["AccessType"]) == ("SSM-SessionManagerRunShell", "Standard")
    assert active["Owner"] == "arn:aws:iam::123456789012:user/demo"
    assert "EndDate" not in active
    assert history["Status"] == "Terminated"
    assert history["StartDate"] <= history["EndDate"]


def test_terminating_a_session_twice_is_no_error(ssm: t.Any, emulator: RunningEmulator) -> None:
    session_id = ssm.start_session(Target=emulator.nodes()["web-1"])["SessionId"]
    answers = [ssm.terminate_session(SessionId=session_id)["SessionId"] for _time in range(2)]
    assert answers == [session_id, session_id]
    assert emulator.statistics()["sessions"]["open"] == 0


def test_a_resumed_session_keeps_its_address_and_gets_a_new_token(ssm: t.Any, emulator: RunningEmulator) -> None:
    first = ssm.start_session(Target=emulator.nodes()["web-1"])
    second = ssm.resume_session(SessionId=first["SessionId"])
    assert (second["SessionId"], second["StreamUrl"]) == (first["SessionId"], first["StreamUrl"])
    assert second["TokenValue"] not in ("", first["TokenValue"])


def test_resuming_a_session_that_is_over_gives_no_token(ssm: t.Any, emulator: RunningEmulator) -> None:
    session_id = ssm.start_session(Target=emulator.nodes()["web-1"])["SessionId"]
    ssm.terminate_session(SessionId=session_id)
    answer = ssm.resume_session(SessionId=session_id)
    assert answer["SessionId"] == session_id
    assert not answer.get("TokenValue")


def test_a_client_that_comes_when_the_session_is_over_is_told_so_once(ssm: t.Any, emulator: RunningEmulator) -> None:
    started = ssm.start_session(Target=emulator.nodes()["web-1"])
    ssm.terminate_session(SessionId=started["SessionId"])
    trusted = ssl.create_default_context(cafile=emulator.environment["AWS_CA_BUNDLE"])

    def frames() -> list[wire.Message]:
        with connect(started["StreamUrl"], ssl=trusted) as socket:
            socket.send(json.dumps({"TokenValue": started["TokenValue"]}))
            with contextlib.suppress(ConnectionClosed, TimeoutError):
                return [wire.unpack(t.cast("bytes", socket.recv(5)))]
        return []

    assert [message.type for message in frames()] == ["channel_closed"]
    assert frames() == []


def test_resuming_a_session_that_never_was_is_refused(ssm: t.Any) -> None:
    with refused("DoesNotExistException"):
        ssm.resume_session(SessionId="demo-0123456789abcdef0")


def test_sessions_are_found_by_target_and_by_time(ssm: t.Any, emulator: RunningEmulator) -> None:
    nodes = emulator.nodes()
    sessions = {name: ssm.start_session(Target=nodes[name])["SessionId"] for name in ("web-1", "db-1")}
    past, future = "2020-01-01T00:00:00Z", "2200-01-01T00:00:00Z"
    assert [row["SessionId"] for row in _sessions(ssm, "Active", Target=nodes["db-1"])] == [sessions["db-1"]]
    assert {row["SessionId"] for row in _sessions(ssm, "Active", InvokedAfter=past)} == set(sessions.values())
    assert _sessions(ssm, "Active", InvokedBefore=past) == _sessions(ssm, "Active", InvokedAfter=future) == []
