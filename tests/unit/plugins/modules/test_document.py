# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is special about the modules document and document_info."""

from __future__ import annotations

import functools
import json
import typing as t

import pytest
import yaml
from ansible_collections.fleet.ssm.plugins.modules import document, document_info

from tests.unit.plugins.modules.emulated_account import EmulatedAccount

NAME = "restart-web"
CALENDAR = "BEGIN:VCALENDAR\r\nPRODID:-//AWS//Change Calendar 1.0//EN\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n"


def _content(description: str, schema: str = "2.2") -> dict[str, t.Any]:
    step = {"action": "aws:runShellScript", "name": "s", "inputs": {"runCommand": ["id"]}}
    return {"schemaVersion": schema, "description": description, "mainSteps": [step]}


@pytest.fixture
def ensure(run: t.Callable[..., t.Any], emulated: EmulatedAccount) -> t.Callable[..., t.Any]:
    return functools.partial(run, document.main, name=NAME)


@pytest.fixture
def listed(run: t.Callable[..., t.Any], emulated: EmulatedAccount) -> t.Callable[..., t.Any]:
    return lambda **options: run(document_info.main, **options)["documents"]


def test_the_same_content_in_another_format_is_no_difference(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(content=_content("one"))
    emulated.changes()
    for same in (json.dumps(_content("one"), indent=7), yaml.safe_dump(_content("one"), sort_keys=True)):
        assert ensure(content=same)["changed"] is False
    assert ensure(content=_content("one"), document_format="YAML", version_name="v9")["changed"] is False
    assert emulated.changes() == []


@pytest.mark.parametrize(
    ("kind", "content", "content_format"),
    [
        ("Command", yaml.safe_dump(_content("one")), "YAML"),
        ("Automation", _content("one", "0.3"), "JSON"),
        ("Session", {"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": {}}, "JSON"),
        ("ChangeCalendar", CALENDAR, "TEXT"),
        ("Policy", {"schemaVersion": "2.0", "inputs": {}}, "JSON"),
    ],
)
def test_documents_of_every_type_are_made_once(
    ensure: t.Any, emulated: EmulatedAccount, kind: str, content: t.Any, content_format: str
) -> None:
    result = ensure(content=content, document_type=kind)
    assert (result["document"]["document_type"], result["document"]["document_format"]) == (kind, content_format)
    assert ensure(content=content, document_type=kind)["changed"] is False


def test_a_package_has_attachments(ensure: t.Any, emulated: EmulatedAccount) -> None:
    manifest = {"schemaVersion": "2.0", "version": "1.2.3", "packages": {}, "files": {}}
    attachments = [{"key": "SourceUrl", "values": ["s3://ours/agent"], "name": "agent.zip"}]
    package = {"document_type": "Package", "attachments": attachments}
    made = ensure(content=manifest, **package)
    assert made["document"]["attachments_information"] == [{"name": "agent.zip"}]
    assert ensure(content=manifest, **package)["changed"] is False
    assert ensure(content={**manifest, "version": "1.2.4"}, **package)["document"]["default_version"] == "2"


def test_a_new_version_becomes_the_default(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(content=_content("one"))
    checked = ensure(content=_content("two"), check_mode=True, diff=True)["diff"]["after"]
    assert (checked["default_version"], checked["content"]["description"]) == ("2", "two")
    told = ensure(content=_content("two"), display_name="Second", version_name="v2")["document"]
    assert (told["default_version"], told["latest_version"], told["version_name"], told["display_name"]) == (
        "2",
        "2",
        "v2",
        "Second",
    )


def test_a_new_version_does_not_become_the_default_when_that_is_to_be_kept(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(content=_content("one"))
    emulated.changes()
    told = ensure(content=_content("two"), default_version="keep")
    assert (told["document"]["default_version"], told["document"]["latest_version"]) == ("1", "2")
    assert ensure(content=_content("two"), default_version="keep")["changed"] is False
    assert emulated.changes() == ["UpdateDocument"]
    # Now it is to be used.
    assert ensure(content=_content("two"))["document"]["default_version"] == "2"
    assert emulated.changes() == ["UpdateDocumentDefaultVersion"]


def test_an_old_content_has_its_version_be_the_default_again(ensure: t.Any, emulated: EmulatedAccount) -> None:
    for description in ("one", "two", "three"):
        ensure(content=_content(description))
    emulated.changes()
    told = ensure(content=_content("one"))
    assert (told["changed"], told["document"]["default_version"], told["document"]["latest_version"]) == (True, "1", "3")
    assert emulated.changes() == ["UpdateDocument", "UpdateDocumentDefaultVersion"]
    assert ensure(content=_content("one"))["changed"] is False


def test_an_old_content_that_is_not_to_be_the_default_is_refused(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(content=_content("one"))
    ensure(content=_content("two"))
    result = ensure(content=_content("one"), default_version="keep")
    assert "Version 1 has this content already, and AWS makes no second one of it." in result["msg"]


def test_a_version_is_made_the_default_by_its_number(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(content=_content("one"))
    ensure(content=_content("two"))
    emulated.changes()
    assert ensure(default_version="1")["document"]["default_version"] == "1"
    assert ensure(default_version="1")["changed"] is False
    assert ensure(default_version="1", content=_content("three"))["document"]["latest_version"] == "3"
    assert emulated.changes() == ["UpdateDocumentDefaultVersion", "UpdateDocument"]


def test_another_name_alone_makes_no_version(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(content=_content("one"))
    assert "for another display_name or target_type alone" in ensure(content=_content("one"), display_name="x")["msg"]


def test_another_type_is_refused_or_replaces_the_document(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(content=_content("one"), shared_with=["111122223333"])
    emulated.changes()
    runbook = {"content": _content("two", "0.3"), "document_type": "Automation"}
    result = ensure(**runbook)
    assert "document_type is 'Command' and not 'Automation', and AWS cannot change that." in result["msg"]
    assert emulated.changes() == []
    assert ensure(**runbook, on_difference="replace")["document"]["document_type"] == "Automation"
    assert emulated.changes() == ["ModifyDocumentPermission", "DeleteDocument", "CreateDocument"]


def test_what_is_there_is_tagged_and_shared_without_its_content(ensure: t.Any, emulated: EmulatedAccount) -> None:
    ensure(content=_content("one"))
    ensure(content=_content("two"), default_version="keep")
    emulated.changes()
    told = ensure(tags={"a": "b"}, shared_with=["All"])["document"]
    assert (told["tags"], told["shared_with"], told["default_version"]) == ({"a": "b"}, ["all"], "1")
    assert ensure(tags={"a": "b"}, shared_with=["all"])["changed"] is False
    assert ensure(shared_with=[])["document"]["shared_with"] == []
    assert emulated.changes() == ["AddTagsToResource", "ModifyDocumentPermission", "ModifyDocumentPermission"]


def test_it_is_shared_with_more_accounts_than_a_call_takes(ensure: t.Any, emulated: EmulatedAccount) -> None:
    accounts = [f"{number:012}" for number in range(45)]
    ensure(content=_content("one"), shared_with=accounts)
    assert emulated.changes().count("ModifyDocumentPermission") == 3
    assert ensure(shared_with=accounts)["changed"] is False


def test_a_version_that_is_being_made_is_waited_for(
    ensure: t.Any, emulated: EmulatedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses = ["Updating", "Updating", "Active"]
    described = emulated.aws.answers["DescribeDocument"]

    def describe(params: dict[str, t.Any]) -> dict[str, t.Any]:
        answer = described(params)
        if params.get("DocumentVersion") == "2" and statuses:
            answer["Document"] = {**answer["Document"], "Status": statuses.pop(0), "StatusInformation": "no such bucket"}
        return answer

    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    ensure(content=_content("one"))
    emulated.aws.answers["DescribeDocument"] = describe
    assert ensure(content=_content("two"))["changed"]
    assert len(pauses) == 2
    statuses[:] = ["Failed"]
    emulated.aws.answers["UpdateDocument"] = lambda _: {"DocumentDescription": {"DocumentVersion": "2"}}
    assert "AWS could not make version 2: no such bucket." in ensure(content=_content("three"))["msg"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "There is no document 'restart-web'. Give its content to create it."),
        ({"content": {"schemaVersion": "2.2"}, "default_version": "first"}, "must be latest, keep or the number of a version"),
        ({"content": "no document"}, "InvalidDocumentContent"),
    ],
    ids=["no content", "no version", "no document"],
)
def test_refuses_what_cannot_be_right(ensure: t.Any, emulated: EmulatedAccount, options: dict[str, t.Any], sentence: str) -> None:
    result = ensure(**options)
    assert result["failed"]
    assert sentence in result["msg"]
    assert emulated.state.documents == {}


def test_lists_by_name_owner_and_type(ensure: t.Any, listed: t.Any) -> None:
    ensure(content=_content("one"), tags={"a": "b"})
    ensure(name="restart-web-2", content=_content("two", "0.3"), document_type="Automation")
    assert [row["name"] for row in listed(names=[NAME])] == [NAME]
    assert [row["name"] for row in listed(owner="Self", document_type="Automation")] == ["restart-web-2"]
    assert {row["owner"] for row in listed(owner="Amazon")} == {"Amazon"}
    (row,) = listed(names=[NAME])
    assert (row["tags"], "content" in row) == ({"a": "b"}, False)


def test_lists_with_content_and_versions(ensure: t.Any, listed: t.Any) -> None:
    ensure(content=_content("one"))
    ensure(content=_content("two"))
    (row,) = listed(names=[NAME], details=True)
    assert row["content"]["description"] == "two"
    assert [(one["document_version"], one["is_default_version"]) for one in row["versions"]] == [("2", True), ("1", False)]
