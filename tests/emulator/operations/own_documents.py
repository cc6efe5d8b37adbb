# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents of the account's own, in versions: create, update, share, list, delete; those of AWS can be read, too."""

from __future__ import annotations

import hashlib
import json
import re
import typing as t

import yaml

from tests.emulator.answers import ApiError
from tests.emulator.operations import documents
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.paging import page
from tests.emulator.state import Document, DocumentVersion, now

_TAGGED_AS = "Document"
_RESERVED = re.compile("(?i)aws-|amazon|amzn|AWSEC2|AWSConfigRemediation|AWSSupport")
_LARGEST = 64 * 1024
_MOST_ACCOUNTS = 20
# These are text, whatever it says.
_OF_TEXT = {"ChangeCalendar"}


@operation("CreateDocument")
def create_document(caller: Caller, params: Params) -> Answer:
    """Make a document of one version."""
    name, kind = params["Name"], params.get("DocumentType", "Command")
    if _RESERVED.match(name):
        raise ApiError("ValidationException", f"The document name {name} has a prefix that is reserved.")
    version = _version("1", kind, params)
    with caller.state.lock:
        if name in caller.state.documents:
            raise ApiError("DocumentAlreadyExists", "The specified document already exists.")
        made = caller.state.documents[name] = Document(name, kind, [version])
        caller.state.tags[_TAGGED_AS, name] = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
    return {"DocumentDescription": {**_described(caller, made, version), "Status": "Creating"}}


@operation("UpdateDocument")
def update_document(caller: Caller, params: Params) -> Answer:
    """Add a version, which is not the default; no two have the same content."""
    with caller.state.lock:
        there = _own(caller, params["Name"])
        latest = there.versions[-1]
        if params.get("DocumentVersion") not in ("$LATEST", latest.number):
            raise ApiError("InvalidDocumentVersion", "The document version is not valid or does not exist.")
        kept = {"DisplayName": latest.display_name, "TargetType": latest.target_type}
        version = _version(str(int(latest.number) + 1), there.kind, {**kept, **params})
        if any(one.content == version.content for one in there.versions):
            raise ApiError(
                "DuplicateDocumentContent",
                "The content of the association document matches another document."
                " Change the content of the document and try again.",
            )
        if version.version_name and any(one.version_name == version.version_name for one in there.versions):
            raise ApiError("DuplicateDocumentVersionName", "The specified version name is a duplicate.")
        there.versions.append(version)
    return {"DocumentDescription": {**_described(caller, there, version), "Status": "Updating"}}


@operation("UpdateDocumentDefaultVersion")
def update_document_default_version(caller: Caller, params: Params) -> Answer:
    """Have another version be the default."""
    with caller.state.lock:
        there = _own(caller, params["Name"])
        there.default = _pick(there, params["DocumentVersion"]).number
    return {"Description": {"Name": there.name, "DefaultVersion": there.default}}


@operation("DeleteDocument")
def delete_document(caller: Caller, params: Params) -> Answer:
    """Delete a document, or one version that is not the default."""
    with caller.state.lock:
        there = _own(caller, params["Name"])
        if there.shared:
            raise ApiError("InvalidDocumentOperation", "Must unshare document first before delete")
        if "DocumentVersion" in params or "VersionName" in params:
            version = _pick(there, params.get("DocumentVersion"), params.get("VersionName"))
            if version.number == there.default:
                raise ApiError("InvalidDocumentOperation", "Default version of the document can't be deleted.")
            there.versions.remove(version)
        else:
            del caller.state.documents[there.name]
            caller.state.tags.pop((_TAGGED_AS, there.name), None)
    return {}


@operation("GetDocument")
def get_document(caller: Caller, params: Params) -> Answer:
    """Give the content of a version, as it was written unless another format is asked for."""
    there = _find(caller, params["Name"])
    version = _pick(there, params.get("DocumentVersion"), params.get("VersionName"))
    wanted = params.get("DocumentFormat", version.content_format)
    return {
        "Name": there.name,
        "CreatedDate": version.created,
        "DisplayName": version.display_name or None,
        "VersionName": version.version_name or None,
        "DocumentVersion": version.number,
        "Status": "Active",
        "Content": _converted(version, wanted),
        "DocumentType": there.kind,
        "DocumentFormat": wanted,
    }


@operation("DescribeDocument")
def describe_document(caller: Caller, params: Params) -> Answer:
    """Tell all of a version but its content."""
    there = _find(caller, params["Name"])
    return {"Document": _described(caller, there, _pick(there, params.get("DocumentVersion"), params.get("VersionName")))}


@operation("ListDocuments")
def list_documents(caller: Caller, params: Params) -> Answer:
    """List documents by their default versions."""
    of_aws = [_find(caller, name) for name in documents.AWS_OWNED if name not in caller.state.documents]
    found = [(there, _described(caller, there, _pick(there, None))) for there in [*caller.state.documents.values(), *of_aws]]
    given = [(one["key"], [one["value"]]) for one in params.get("DocumentFilterList", [])]
    for key, values in [*given, *((one["Key"], one["Values"]) for one in params.get("Filters", []))]:
        found = [(there, row) for there, row in found if _meets(there, row, key, values)]
    rows, token = page(
        [_listed(row) for _there, row in found], "ListDocuments", params.get("MaxResults", 50), params.get("NextToken")
    )
    return {"DocumentIdentifiers": rows, "NextToken": token}


@operation("ListDocumentVersions")
def list_document_versions(caller: Caller, params: Params) -> Answer:
    """List versions, the newest first."""
    there = _find(caller, params["Name"])
    found = [
        {
            "Name": there.name,
            "DisplayName": version.display_name or None,
            "DocumentVersion": version.number,
            "VersionName": version.version_name or None,
            "CreatedDate": version.created,
            "IsDefaultVersion": version.number == there.default,
            "DocumentFormat": version.content_format,
            "Status": "Active",
        }
        for version in reversed(there.versions)
    ]
    rows, token = page(found, "ListDocumentVersions", params.get("MaxResults", 50), params.get("NextToken"))
    return {"DocumentVersions": rows, "NextToken": token}


@operation("ModifyDocumentPermission")
def modify_document_permission(caller: Caller, params: Params) -> Answer:
    """Share a document with accounts, or no longer."""
    added, removed = params.get("AccountIdsToAdd", []), params.get("AccountIdsToRemove", [])
    with caller.state.lock:
        there = _own(caller, params["Name"])
        version: str = params.get("SharedDocumentVersion", "$DEFAULT")
        shared = {**there.shared, **{account.lower(): version for account in added}}
        there.shared = {account: kept for account, kept in shared.items() if account not in map(str.lower, removed)}
    return {}


@operation("DescribeDocumentPermission")
def describe_document_permission(caller: Caller, params: Params) -> Answer:
    """Tell with whom a document is shared."""
    shared = _own(caller, params["Name"]).shared
    name = "DescribeDocumentPermission"
    rows, token = page(sorted(shared), name, min(params.get("MaxResults", _MOST_ACCOUNTS), _MOST_ACCOUNTS), params.get("NextToken"))
    infos = [{"AccountId": account, "SharedDocumentVersion": shared[account]} for account in rows]
    return {"AccountIds": rows, "AccountSharingInfoList": infos, "NextToken": token}


def _version(number: str, kind: str, params: Params) -> DocumentVersion:
    content, content_format = params["Content"], params.get("DocumentFormat", "JSON")
    if len(content.encode()) > _LARGEST:
        raise ApiError("MaxDocumentSizeExceeded", "The size limit of a document is 64 KB.")
    if (content_format == "TEXT") != (kind in _OF_TEXT):
        raise ApiError("InvalidDocumentContent", f"A document of type {kind} cannot have the format {content_format}.")
    if content_format != "TEXT":
        _check_content(kind, content, content_format)
    return DocumentVersion(
        number=number,
        content=content,
        content_format=content_format,
        created=now(),
        version_name=params.get("VersionName", ""),
        display_name=params.get("DisplayName", ""),
        target_type=params.get("TargetType", ""),
        attachments=[one.get("Name") or one["Values"][0] for one in params.get("Attachments", [])],
    )


def _check_content(kind: str, content: str, content_format: str) -> None:
    try:
        parsed: t.Any = json.loads(content) if content_format == "JSON" else yaml.safe_load(content)
    except (ValueError, yaml.YAMLError) as error:
        raise ApiError("InvalidDocumentContent", f"The content for the document is not valid {content_format}.") from error
    if not isinstance(parsed, dict) or not isinstance(parsed.get("schemaVersion"), str):
        raise ApiError("InvalidDocumentContent", "The content has no schemaVersion, or it is no text.")
    if kind in ("Command", "Session", "Automation") and documents.kind_of(parsed) != kind:
        raise ApiError("InvalidDocumentSchemaVersion", f"The content is not that of a document of type {kind}.")


def _find(caller: Caller, name: str) -> Document:
    if name in caller.state.documents or name not in documents.AWS_OWNED:
        return _own(caller, name)
    content = documents.AWS_OWNED[name]
    version = DocumentVersion("1", json.dumps(content, indent=2), "JSON", caller.state.opened)
    return Document(name, documents.kind_of(content), [version])


def _own(caller: Caller, name: str) -> Document:
    found = caller.state.documents.get(name)
    if found is None:
        raise ApiError("InvalidDocument", f"Document with name {name} does not exist.")
    return found


def _pick(there: Document, number: str | None, version_name: str | None = None) -> DocumentVersion:
    names = {"$LATEST": there.versions[-1].number, "$DEFAULT": there.default, None: None if version_name else there.default}
    wanted = names.get(number, number)
    for version in there.versions:
        if wanted in (None, version.number) and version_name in (None, version.version_name):
            return version
    raise ApiError("InvalidDocumentVersion", "The document version is not valid or does not exist.")


def _described(caller: Caller, there: Document, version: DocumentVersion) -> Answer:
    parsed: t.Any = {} if version.content_format == "TEXT" else yaml.safe_load(version.content)
    own = there.name in caller.state.documents
    tags = caller.state.tags.get((_TAGGED_AS, there.name), {})
    return {
        "Hash": hashlib.sha256(version.content.encode()).hexdigest(),
        "HashType": "Sha256",
        "Name": there.name,
        "DisplayName": version.display_name or None,
        "VersionName": version.version_name or None,
        "Owner": caller.state.account if own else "Amazon",
        "CreatedDate": version.created,
        "Status": "Active",
        "DocumentVersion": version.number,
        "Description": parsed.get("description"),
        "PlatformTypes": ["Linux", "MacOS"],
        "DocumentType": there.kind,
        "SchemaVersion": parsed.get("schemaVersion"),
        "LatestVersion": there.versions[-1].number,
        "DefaultVersion": there.default,
        "DocumentFormat": version.content_format,
        "TargetType": version.target_type or None,
        "Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())],
        "AttachmentsInformation": [{"Name": name} for name in version.attachments],
    }


def _listed(row: Answer) -> Answer:
    names = ("Name", "CreatedDate", "DisplayName", "Owner", "VersionName", "PlatformTypes", "DocumentVersion", "DocumentType")
    return {name: row[name] for name in (*names, "SchemaVersion", "DocumentFormat", "TargetType", "Tags")}


def _meets(there: Document, row: Answer, key: str, values: list[str]) -> bool:
    if key == "Name":  # of names it is the beginning that counts
        return there.name.startswith(tuple(values))
    if key == "Owner":
        return bool({"Amazon" if row["Owner"] == "Amazon" else "Self", row["Owner"], "All"}.intersection(values))
    if key == "PlatformTypes":
        return bool(set(row["PlatformTypes"]).intersection(values))
    if key in ("DocumentType", "TargetType"):
        return row[key] in values
    raise ApiError("InvalidFilterKey", f"{key} is not a valid filter key.")


def _converted(version: DocumentVersion, wanted: str) -> str:
    if wanted == version.content_format or "TEXT" in (wanted, version.content_format):
        return version.content
    parsed: t.Any = yaml.safe_load(version.content)
    return json.dumps(parsed, indent=2) if wanted == "JSON" else str(yaml.safe_dump(parsed, sort_keys=False))
