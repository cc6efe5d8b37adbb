# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker's conversation with the broker: one that stops half way does not go on in the next request."""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import threading
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import requests
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.broker_place import BrokerPlace
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.client import BrokerClient
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.escalation import Escalation
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import BrokerBroken, EscalationFailed

_Answers = dict[str, list[tuple[requests.Header, bytes]]]

_EXIT: list[tuple[requests.Header, bytes]] = [
    ({"event": "stdout"}, b"out"),
    ({"event": "exit", "code": 0, "lacks_python": False}, b""),
]


class _Broker:
    """Answers each request by what is set for its operation; ``connections`` tells how many there were."""

    def __init__(self, answers: _Answers) -> None:
        self._answers = answers
        self.connections = 0

    def connect(self, _place: BrokerPlace) -> socket.socket:
        self.connections += 1
        ours, theirs = socket.socketpair()
        ours.settimeout(10)
        threading.Thread(target=self._serve, args=(theirs,), daemon=True).start()
        return ours

    def _serve(self, theirs: socket.socket) -> None:
        with contextlib.suppress(ConnectionError):
            while lengths := theirs.recv(requests.LENGTHS.size, socket.MSG_WAITALL):
                header, body = requests.LENGTHS.unpack(lengths)
                asked = requests.decode_header(theirs.recv(header, socket.MSG_WAITALL))
                theirs.recv(body, socket.MSG_WAITALL)
                for answer in self._answers.get(str(asked.get("operation")), []):
                    theirs.sendall(requests.encode(*answer))


class _AskingSu:
    """A become plugin that is asked for a password and has none."""

    name = "su"

    def expect_prompt(self) -> bool:
        return False

    def check_success(self, b_output: bytes) -> bool:
        return False

    def check_password_prompt(self, b_output: bytes) -> bool:
        return b"Password:" in b_output

    def check_incorrect_password(self, b_output: bytes) -> bool:
        return False

    def check_missing_password(self, b_output: bytes) -> bool:
        return False


def _client(monkeypatch: pytest.MonkeyPatch, answers: _Answers) -> tuple[BrokerClient, _Broker]:
    broker = _Broker(answers)
    monkeypatch.setattr(BrokerPlace, "connect", lambda place, to=broker.connect: to(place))
    return BrokerClient(1), broker


def test_requests_that_end_share_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    client, broker = _client(monkeypatch, {"execute": _EXIT})
    assert [client.execute({}, "true", b"") for _time in range(2)] == [(0, b"out", b"")] * 2
    assert broker.connections == 1


def test_an_announcement_waits_for_nothing_and_goes_the_way_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    client, broker = _client(monkeypatch, {"execute": _EXIT})
    client.announce({})
    assert client.execute({}, "true", b"") == (0, b"out", b"")
    assert broker.connections == 1


def test_an_announcement_that_cannot_be_made_is_left_to_the_request_to_complain_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_place: BrokerPlace) -> socket.socket:
        raise BrokerBroken("no broker can be started")

    monkeypatch.setattr(BrokerPlace, "connect", refuse)
    client = BrokerClient(1)
    client.announce({})
    with pytest.raises(BrokerBroken, match="no broker can be started"):
        client.execute({}, "true", b"")


def test_an_escalation_that_fails_leaves_its_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    client, broker = _client(monkeypatch, {"execute": [({"event": "begun"}, b""), ({"event": "stdout"}, b"Password:")]})
    with pytest.raises(EscalationFailed) as failed:
        client.escalate({}, "su", b"", Escalation(_AskingSu(), None), seconds=10)
    broker._answers["execute"] = _EXIT
    assert client.execute({}, "true", b"") == (0, b"out", b"")
    assert broker.connections == 2
    assert failed.value is not None  # held until here, as Ansible holds it


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="there is no /dev/full here, which stands in for a full disk")
def test_a_transfer_that_fails_on_this_side_leaves_its_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    client, broker = _client(monkeypatch, {"get": [({"event": "data"}, bytes(100_000))] * 2, "execute": _EXIT})
    with pytest.raises(OSError, match="No space left") as failed:
        client._receive({}, "/there", os.open("/dev/full", os.O_WRONLY))
    assert client.execute({}, "true", b"") == (0, b"out", b"")
    assert broker.connections == 2
    assert failed.value is not None


def test_a_session_that_has_begun_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    client, _broker = _client(monkeypatch, {"execute": [({"event": "session", "session": "demo-1"}, b""), *_EXIT]})
    told: list[dict[str, t.Any]] = []
    client._hears["session"] = told.append
    assert client.execute({}, "true", b"") == (0, b"out", b"")
    assert told == [{"event": "session", "session": "demo-1"}]


def test_a_remark_beside_an_answer_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    remark = {"event": "remark", "text": "Sessions are logged.", "warns": True}
    client, _broker = _client(monkeypatch, {"execute": [(remark, b""), *_EXIT]})
    told: list[dict[str, t.Any]] = []
    client._hears["remark"] = told.append
    assert client.execute({}, "true", b"") == (0, b"out", b"")
    assert told == [remark]
