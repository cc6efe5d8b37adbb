# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""State Manager's associations: create, update, delete, list, describe, start.

Those whose document the emulator or its nodes can carry out are carried out, once, when they are made, changed or started; nothing
looks at their schedules. All others stay pending.
"""

from __future__ import annotations

import re
import typing as t
import uuid

from tests.emulator.answers import ApiError
from tests.emulator.operations import association_runs, documents, nodes
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.paging import page
from tests.emulator.state import Node, now

# Cron expressions are checked no further than that.
_SCHEDULE = re.compile(r"rate\([1-9]\d* (minutes?|hours?|days?)\)|cron\([^()]+\)|at\([^()]+\)")
_TARGET_KEYS = re.compile(r"InstanceIds|tag-key|tag:.+|resource-groups:Name|ParameterValues")

_SWITCH = ["Enabled", "Disabled"]
_INVENTORY = (
    *("applications", "awsComponents", "networkConfig", "windowsUpdates", "instanceDetailedInformation", "services"),
    *("windowsRoles", "customInventory", "billingInfo"),
)

# AWS's own documents that associations are made for, as far as their parameters go; no simulated node knows its action.
_DOCUMENTS: dict[str, documents.Document] = {
    "AWS-UpdateSSMAgent": {
        "parameters": {
            "version": {"type": "String", "default": ""},
            "allowDowngrade": {"type": "String", "default": "false", "allowedValues": ["true", "false"]},
        }
    },
    "AWS-GatherSoftwareInventory": {
        "parameters": {
            **{name: {"type": "String", "default": "Enabled", "allowedValues": _SWITCH} for name in _INVENTORY},
            "files": {"type": "String", "default": ""},
            "windowsRegistry": {"type": "String", "default": ""},
        }
    },
    "AWS-ConfigureAWSPackage": {
        "parameters": {
            "action": {"type": "String", "allowedValues": ["Install", "Uninstall"]},
            "installationType": {
                "type": "String",
                "default": "Uninstall and reinstall",
                "allowedValues": ["Uninstall and reinstall", "In-place update"],
            },
            "name": {"type": "String"},
            "version": {"type": "String", "default": ""},
            "additionalArguments": {"type": "StringMap", "default": "{}"},
        }
    },
}

_LISTED = (
    *("Name", "AssociationId", "AssociationVersion", "DocumentVersion", "Targets", "Overview", "ScheduleExpression"),
    *("AssociationName", "ScheduleOffset", "Duration", "TargetMaps"),
)
_FILTERS: dict[str, t.Callable[[Answer], t.Any]] = {
    "Name": lambda row: row["Name"],
    "AssociationId": lambda row: row["AssociationId"],
    "AssociationName": lambda row: row.get("AssociationName"),
    "AssociationStatusName": lambda row: row["Overview"]["Status"],
}


@operation("CreateAssociation")
def create_association(caller: Caller, params: Params) -> Answer:
    """Make an association; others may have its name."""
    if "InstanceId" in params:
        raise ApiError("InvalidParameters", "The emulator knows associations with Targets only.")
    _check(caller, params["Name"], params)
    made = _described(params, Date=now(), AssociationId=str(uuid.uuid4()), AssociationVersion="1", Name=params["Name"])
    with caller.state.lock:
        caller.state.state_manager[made["AssociationId"]] = made
    _begin(caller, made)
    return {"AssociationDescription": made}


@operation("UpdateAssociation")
def update_association(caller: Caller, params: Params) -> Answer:
    """Change an association: whatever the request does not say is emptied, as AWS's reference warns."""
    with caller.state.lock:
        there = _find(caller, params["AssociationId"])
        if params.get("Name", there["Name"]) != there["Name"]:
            raise ApiError("InvalidUpdate", "The document of an association cannot be changed.")
        if params.get("AssociationVersion", "$LATEST") not in ("$LATEST", there["AssociationVersion"]):
            raise ApiError("InvalidAssociationVersion", "The version of the association is not the latest.")
        _check(caller, there["Name"], params)
        kept = {member: there[member] for member in ("Date", "AssociationId", "Name")}
        changed = _described(params, **kept, AssociationVersion=str(int(there["AssociationVersion"]) + 1))
        caller.state.state_manager[there["AssociationId"]] = changed
    _begin(caller, changed)
    return {"AssociationDescription": changed}


@operation("DeleteAssociation")
def delete_association(caller: Caller, params: Params) -> Answer:
    """Delete an association."""
    with caller.state.lock:
        association_id = _find(caller, params.get("AssociationId", ""))["AssociationId"]
        del caller.state.state_manager[association_id]
        caller.state.association_runs.pop(association_id, None)
    return {}


@operation("DescribeAssociation")
def describe_association(caller: Caller, params: Params) -> Answer:
    """Tell all of an association."""
    return {"AssociationDescription": _as_it_is(caller, _find(caller, params.get("AssociationId", "")))}


@operation("StartAssociationsOnce")
def start_associations_once(caller: Caller, params: Params) -> Answer:
    """Carry out associations now."""
    for association in [_find(caller, association_id) for association_id in params["AssociationIds"]]:
        _begin(caller, association, at_once=True)
    return {}


@operation("ListAssociations")
def list_associations(caller: Caller, params: Params) -> Answer:
    """List associations, with about half of what there is of each."""
    found = [_as_it_is(caller, row) for row in caller.state.state_manager.values()]
    for given in params.get("AssociationFilterList", []):
        member = _FILTERS.get(given["key"])
        if member is None:
            raise ApiError("ValidationException", f"{given['key']} is not a filter that the emulator knows.")
        found = [row for row in found if member(row) == given["value"]]
    rows, token = page(found, "ListAssociations", params.get("MaxResults", 50), params.get("NextToken"))
    return {"Associations": [{name: row.get(name) for name in _LISTED} for row in rows], "NextToken": token}


def of_node(caller: Caller, node: Node) -> list[Answer]:
    """Give what DescribeInstanceAssociationsStatus tells of the associations that target a node."""
    members = ("AssociationId", "Name", "DocumentVersion", "AssociationVersion", "AssociationName")
    return [
        {
            **{name: row.get(name) for name in members},
            "InstanceId": node.instance_id,
            "Status": row["Overview"]["Status"],
            "DetailedStatus": row["Overview"]["DetailedStatus"],
            **association_runs.on_node(caller, row["AssociationId"], node.instance_id),
        }
        for row in caller.state.state_manager.values()
        if _is_of(caller, node, row)
    ]


def _begin(caller: Caller, association: Answer, at_once: bool = False) -> None:
    waits = association["ApplyOnlyAtCronInterval"] and not at_once
    chosen = [node.instance_id for node in caller.state.nodes.values() if not node.record and _is_of(caller, node, association)]
    if chosen and not waits and association["Name"] not in _DOCUMENTS:
        association_runs.begin(caller, association, chosen)


def _as_it_is(caller: Caller, association: Answer) -> Answer:
    return {**association, **association_runs.overview(caller, association["AssociationId"])}


def _is_of(caller: Caller, node: Node, association: Answer) -> bool:
    targets = association.get("Targets")
    return bool(targets) and all(_is_target(caller, node, target) for target in targets or ())


def _is_target(caller: Caller, node: Node, target: Answer) -> bool:
    key, values = target["Key"], target.get("Values", [])
    if key == "InstanceIds":
        return node.instance_id in values or "*" in values
    tags = nodes.tags_of(caller, node)
    return any(value in tags for value in values) if key == "tag-key" else tags.get(key.removeprefix("tag:")) in values


def _check(caller: Caller, name: str, params: Params) -> None:
    document = _DOCUMENTS.get(name) or documents.find(caller, name)
    documents.check_parameters(document, params.get("Parameters") or {})
    schedule = params.get("ScheduleExpression")
    if schedule is not None and not _SCHEDULE.fullmatch(schedule):
        raise ApiError("InvalidSchedule", f"The schedule {schedule} is invalid.")
    for target in params.get("Targets", []):
        if not _TARGET_KEYS.fullmatch(target.get("Key", "")):
            raise ApiError("InvalidTarget", f"{target.get('Key')} is not a valid target key.")


def _find(caller: Caller, association_id: str) -> Answer:
    found = caller.state.state_manager.get(association_id)
    if found is None:
        raise ApiError("AssociationDoesNotExist", "The specified association does not exist.")
    return found


def _described(params: Params, **known: t.Any) -> Answer:
    said = {name: value for name, value in params.items() if name != "Tags"}
    return {
        "DocumentVersion": "$DEFAULT",
        "ApplyOnlyAtCronInterval": False,
        **said,
        "Overview": {"Status": "Pending", "DetailedStatus": "Creating", "AssociationStatusAggregatedCount": {}},
        "LastUpdateAssociationDate": now(),
        **known,
    }
