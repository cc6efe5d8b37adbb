# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Session documents are read, and start sessions."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.integration.emulator.calls import refused
from tests.integration.running_emulator import RunningEmulator


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SSM-SessionManagerRunShell", "Standard_Stream"),
        ("AWS-StartInteractiveCommand", "InteractiveCommands"),
        ("AWS-StartNonInteractiveCommand", "NonInteractiveCommands"),
        ("AWS-StartPortForwardingSession", "Port"),
        ("AWS-StartPortForwardingSessionToRemoteHost", "Port"),
        ("AWS-StartSSHSession", "Port"),
    ],
)
def test_a_session_document_can_be_read(ssm: t.Any, name: str, kind: str) -> None:
    document = ssm.get_document(Name=name)
    assert (document["Name"], document["DocumentType"], document["Status"]) == (name, "Session", "Active")
    assert json.loads(document["Content"])["sessionType"] == kind


def test_reading_a_document_that_does_not_exist_is_refused(ssm: t.Any) -> None:
    with refused("InvalidDocument"):
        ssm.get_document(Name="No-Such-Document")


def test_a_document_of_the_accounts_own_can_start_a_session(ssm: t.Any, emulator: RunningEmulator) -> None:
    content = {"schemaVersion": "1.0", "sessionType": "InteractiveCommands", "properties": {"linux": {"commands": "true"}}}
    ssm.create_document(Name="Own-Session", DocumentType="Session", Content=json.dumps(content))
    try:
        session_id = ssm.start_session(Target=emulator.nodes()["web-1"], DocumentName="Own-Session")["SessionId"]
    finally:
        ssm.delete_document(Name="Own-Session")
    assert emulator.statistics()["sessions"]["opened"] == 1
    assert session_id.startswith("demo-")
