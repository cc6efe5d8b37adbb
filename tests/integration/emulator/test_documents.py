# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Session documents are read, and start sessions."""

from __future__ import annotations

import collections.abc
import json
import typing as t

import pytest

from tests.integration.emulator.calls import pages, refused
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


@pytest.fixture
def document(ssm: t.Any) -> collections.abc.Iterator[t.Callable[..., str]]:
    """Makes documents, which go when the test ends."""

    def make(content: t.Any, **params: t.Any) -> str:
        text = content if isinstance(content, str) else json.dumps(content)
        ssm.create_document(**{"Name": "Ours", "DocumentType": "Command", "Content": text, **params})
        return "Ours"

    yield make
    for row in pages(ssm, "list_documents", Filters=[{"Key": "Owner", "Values": ["Self"]}]):
        for account in ssm.describe_document_permission(Name=row["Name"], PermissionType="Share")["AccountIds"]:
            ssm.modify_document_permission(Name=row["Name"], PermissionType="Share", AccountIdsToRemove=[account])
        ssm.delete_document(Name=row["Name"])


def _command(description: str) -> dict[str, t.Any]:
    return {"schemaVersion": "2.2", "description": description, "mainSteps": []}


def _update(ssm: t.Any, name: str, content: t.Any, **params: t.Any) -> str:
    told = ssm.update_document(Name=name, Content=json.dumps(content), DocumentVersion="$LATEST", **params)
    return str(told["DocumentDescription"]["DocumentVersion"])


def test_a_document_has_versions_of_which_one_is_the_default(ssm: t.Any, document: t.Any) -> None:
    name = document(_command("one"))
    assert _update(ssm, name, _command("two"), VersionName="v2") == "2"
    assert json.loads(ssm.get_document(Name=name)["Content"])["description"] == "one"
    assert json.loads(ssm.get_document(Name=name, VersionName="v2")["Content"])["description"] == "two"
    ssm.update_document_default_version(Name=name, DocumentVersion="2")
    told = ssm.describe_document(Name=name)["Document"]
    assert (told["Description"], told["DefaultVersion"], told["LatestVersion"]) == ("two", "2", "2")
    versions = pages(ssm, "list_document_versions", Name=name)
    assert [(row["DocumentVersion"], row["IsDefaultVersion"]) for row in versions] == [("2", True), ("1", False)]
    with refused("InvalidDocumentOperation"):
        ssm.delete_document(Name=name, DocumentVersion="2")
    ssm.delete_document(Name=name, DocumentVersion="1")
    assert len(pages(ssm, "list_document_versions", Name=name)) == 1


def test_no_two_versions_are_alike(ssm: t.Any, document: t.Any) -> None:
    name = document(_command("one"), VersionName="v1")
    with refused("DuplicateDocumentContent"):
        _update(ssm, name, _command("one"))
    with refused("DuplicateDocumentVersionName"):
        _update(ssm, name, _command("two"), VersionName="v1")
    with refused("InvalidDocumentVersion"):
        ssm.update_document(Name=name, Content=json.dumps(_command("two")), DocumentVersion="7")


def test_a_calendar_is_text_and_nothing_else_is(ssm: t.Any, document: t.Any) -> None:
    with refused("InvalidDocumentContent"):
        document("BEGIN:VCALENDAR", DocumentFormat="TEXT")
    name = document("BEGIN:VCALENDAR", DocumentType="ChangeCalendar", DocumentFormat="TEXT")
    told = ssm.get_document(Name=name)
    assert (told["Content"], told["DocumentFormat"], told["DocumentType"]) == ("BEGIN:VCALENDAR", "TEXT", "ChangeCalendar")


def test_a_shared_document_is_not_deleted(ssm: t.Any, document: t.Any) -> None:
    name = document(_command("one"))
    ssm.modify_document_permission(Name=name, PermissionType="Share", AccountIdsToAdd=["111122223333"])
    with refused("InvalidDocumentOperation"):
        ssm.delete_document(Name=name)
    told = ssm.describe_document_permission(Name=name, PermissionType="Share")
    assert told["AccountSharingInfoList"] == [{"AccountId": "111122223333", "SharedDocumentVersion": "$DEFAULT"}]


def test_documents_in_yaml_are_given_in_either_format_and_run(ssm: t.Any, document: t.Any) -> None:
    name = document(
        "schemaVersion: '2.2'\ndescription: d\nmainSteps: []\n", DocumentFormat="YAML", Tags=[{"Key": "a", "Value": "b"}]
    )
    assert json.loads(ssm.get_document(Name=name, DocumentFormat="JSON")["Content"])["description"] == "d"
    assert ssm.send_command(DocumentName=name, Targets=[{"Key": "tag:none", "Values": ["x"]}])["Command"]["TargetCount"] == 0
    assert ssm.list_tags_for_resource(ResourceType="Document", ResourceId=name)["TagList"] == [{"Key": "a", "Value": "b"}]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"Name": "AWS-Ours"}, "ValidationException"),
        ({"Content": "no document"}, "InvalidDocumentContent"),
        ({"Content": '{"schemaVersion": "0.3", "mainSteps": []}'}, "InvalidDocumentSchemaVersion"),
        ({"Content": "x" * 65537}, "MaxDocumentSizeExceeded"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else given,
)
def test_a_document_that_cannot_be_is_refused(document: t.Any, params: dict[str, str], code: str) -> None:
    with refused(code):
        document(_command("one"), **params)
