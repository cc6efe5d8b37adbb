# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patch Manager's baselines, those of AWS included, their patch groups, and which one is the default."""

from __future__ import annotations

import hashlib
import secrets
import typing as t

from tests.emulator.answers import ApiError
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.paging import page
from tests.emulator.state import now

_TAGGED_AS = "PatchBaseline"
_ACCOUNT_OF_AWS = "733109147000"
_PAGE = 100

# AWS's names; the first of an operating system is its default.
_OF_AWS: dict[str, tuple[str, ...]] = {
    "WINDOWS": (
        "AWS-DefaultPatchBaseline",
        "AWS-WindowsPredefinedPatchBaseline-OS",
        "AWS-WindowsPredefinedPatchBaseline-OS-Applications",
    ),
    "AMAZON_LINUX": ("AWS-AmazonLinuxDefaultPatchBaseline",),
    "AMAZON_LINUX_2": ("AWS-AmazonLinux2DefaultPatchBaseline",),
    "AMAZON_LINUX_2022": ("AWS-AmazonLinux2022DefaultPatchBaseline",),
    "AMAZON_LINUX_2023": ("AWS-AmazonLinux2023DefaultPatchBaseline",),
    "UBUNTU": ("AWS-UbuntuDefaultPatchBaseline",),
    "REDHAT_ENTERPRISE_LINUX": ("AWS-RedHatDefaultPatchBaseline",),
    "SUSE": ("AWS-SuseDefaultPatchBaseline",),
    "CENTOS": ("AWS-CentOSDefaultPatchBaseline",),
    "ORACLE_LINUX": ("AWS-OracleLinuxDefaultPatchBaseline",),
    "DEBIAN": ("AWS-DebianDefaultPatchBaseline",),
    "MACOS": ("AWS-MacOSDefaultPatchBaseline",),
    "RASPBIAN": ("AWS-RaspbianDefaultPatchBaseline",),
    "ROCKY_LINUX": ("AWS-RockyLinuxDefaultPatchBaseline",),
    "ALMA_LINUX": ("AWS-AlmaLinuxDefaultPatchBaseline",),
}
# Rules for them need no time of approval.
_WITHOUT_DATES = {"DEBIAN", "UBUNTU"}

_UNSAID: Answer = {
    "GlobalFilters": {"PatchFilters": []},
    "ApprovalRules": {"PatchRules": []},
    "ApprovedPatches": [],
    "ApprovedPatchesComplianceLevel": "UNSPECIFIED",
    "ApprovedPatchesEnableNonSecurity": False,
    "RejectedPatches": [],
    "RejectedPatchesAction": "ALLOW_AS_DEPENDENCY",
    "Sources": [],
}
_UNSAID_IN_RULE: Answer = {"ComplianceLevel": "UNSPECIFIED", "EnableNonSecurity": False}
_NO_MEMBERS = {"BaselineId", "Replace", "ClientToken", "Tags"}


@operation("CreatePatchBaseline")
def create_patch_baseline(caller: Caller, params: Params) -> Answer:
    """Make a baseline; others may have its name."""
    made = {"OperatingSystem": "WINDOWS", **_UNSAID, **_said(params)}
    _check_rules(made)
    made |= {"BaselineId": f"pb-0{secrets.token_hex(8)}", "CreatedDate": now(), "ModifiedDate": now()}
    with caller.state.lock:
        caller.state.patch_baselines[made["BaselineId"]] = made
        caller.state.tags[_TAGGED_AS, made["BaselineId"]] = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
    return {"BaselineId": made["BaselineId"]}


@operation("UpdatePatchBaseline")
def update_patch_baseline(caller: Caller, params: Params) -> Answer:
    """Change what is said; with Replace, have all else be as in a new one."""
    with caller.state.lock:
        there = _own(caller, params["BaselineId"])
        if params.get("Replace"):
            if "Name" not in params:
                raise ApiError("ValidationException", "Name is required when Replace is true.")
            kept = {member: there[member] for member in ("BaselineId", "OperatingSystem", "CreatedDate")}
            changed = {**kept, **_UNSAID, **_said(params)}
        else:
            changed = {**there, **_said(params)}
        _check_rules(changed)
        changed["ModifiedDate"] = now()
        caller.state.patch_baselines[there["BaselineId"]] = changed
    return changed


@operation("DeletePatchBaseline")
def delete_patch_baseline(caller: Caller, params: Params) -> Answer:
    """Delete a baseline that is in no use; one that is not there is deleted."""
    baseline = params["BaselineId"]
    with caller.state.lock:
        if baseline in caller.state.patch_groups.values():
            raise ApiError("ResourceInUseException", f"{baseline} is registered for a patch group and cannot be deleted.")
        if baseline in caller.state.default_baselines.values():
            raise ApiError("ResourceInUseException", f"{baseline} is the default patch baseline and cannot be deleted.")
        caller.state.patch_baselines.pop(baseline, None)
        caller.state.tags.pop((_TAGGED_AS, baseline), None)
    return {"BaselineId": baseline}


@operation("GetPatchBaseline")
def get_patch_baseline(caller: Caller, params: Params) -> Answer:
    """Tell all of a baseline."""
    found = _find(caller, params["BaselineId"])
    groups = [group for (_system, group), baseline in caller.state.patch_groups.items() if baseline == found["BaselineId"]]
    return {**found, "PatchGroups": sorted(groups)}


@operation("DescribePatchBaselines")
def describe_patch_baselines(caller: Caller, params: Params) -> Answer:
    """List baselines, with little of each."""
    found = [*caller.state.patch_baselines.values(), *_of_aws(caller)]
    tests: dict[str, t.Callable[[Answer, list[str]], bool]] = {
        "NAME_PREFIX": lambda row, values: row["Name"].startswith(tuple(values)),
        "OWNER": lambda row, values: ("AWS" if row["BaselineId"].startswith("arn:") else "Self") in values,
        "OPERATING_SYSTEM": lambda row, values: row["OperatingSystem"] in values,
    }
    for given in params.get("Filters", []):
        if given["Key"] not in tests:
            raise ApiError("ValidationException", f"{given['Key']} is not a valid filter.")
        found = [row for row in found if tests[given["Key"]](row, given["Values"])]
    rows, token = page(found, "DescribePatchBaselines", params.get("MaxResults", _PAGE), params.get("NextToken"))
    return {"BaselineIdentities": [_identity(caller, row) for row in rows], "NextToken": token}


@operation("GetDefaultPatchBaseline")
def get_default_patch_baseline(caller: Caller, params: Params) -> Answer:
    """Tell the default of an operating system."""
    system = params.get("OperatingSystem", "WINDOWS")
    return {"BaselineId": default_of(caller, system), "OperatingSystem": system}


@operation("RegisterDefaultPatchBaseline")
def register_default_patch_baseline(caller: Caller, params: Params) -> Answer:
    """Make a baseline the default of its operating system."""
    found = _find(caller, params["BaselineId"])
    with caller.state.lock:
        caller.state.default_baselines[found["OperatingSystem"]] = found["BaselineId"]
    return {"BaselineId": found["BaselineId"]}


@operation("RegisterPatchBaselineForPatchGroup")
def register_patch_baseline_for_patch_group(caller: Caller, params: Params) -> Answer:
    """Have a patch group use a baseline, unless it uses another one for the operating system."""
    found = _find(caller, params["BaselineId"])
    key = (found["OperatingSystem"], params["PatchGroup"])
    with caller.state.lock:
        if caller.state.patch_groups.get(key, found["BaselineId"]) != found["BaselineId"]:
            raise ApiError(
                "AlreadyExistsException",
                f"Patch Group baseline already has a baseline registered for OperatingSystem {key[0]}.",
            )
        caller.state.patch_groups[key] = found["BaselineId"]
    return {"BaselineId": found["BaselineId"], "PatchGroup": params["PatchGroup"]}


@operation("DeregisterPatchBaselineForPatchGroup")
def deregister_patch_baseline_for_patch_group(caller: Caller, params: Params) -> Answer:
    """Have a patch group use the default again."""
    found = _find(caller, params["BaselineId"])
    key = (found["OperatingSystem"], params["PatchGroup"])
    with caller.state.lock:
        if caller.state.patch_groups.get(key) != found["BaselineId"]:
            raise ApiError("InvalidResourceId", f"The patch group {key[1]} is not registered with {found['BaselineId']}.")
        del caller.state.patch_groups[key]
    return {"BaselineId": found["BaselineId"], "PatchGroup": params["PatchGroup"]}


@operation("GetPatchBaselineForPatchGroup")
def get_patch_baseline_for_patch_group(caller: Caller, params: Params) -> Answer:
    """Tell the baseline of a patch group, or the default."""
    system, group = params.get("OperatingSystem", "WINDOWS"), params["PatchGroup"]
    return {"BaselineId": of_group(caller, system, group), "PatchGroup": group, "OperatingSystem": system}


@operation("DescribePatchGroups")
def describe_patch_groups(caller: Caller, params: Params) -> Answer:
    """List the patch groups that have a baseline of their own."""
    found = sorted((group, system, baseline) for (system, group), baseline in caller.state.patch_groups.items())
    for given in params.get("Filters", []):
        if given["Key"] == "NAME_PREFIX":
            found = [row for row in found if row[0].startswith(tuple(given["Values"]))]
        elif given["Key"] == "OPERATING_SYSTEM":
            found = [row for row in found if row[1] in given["Values"]]
        else:
            raise ApiError("ValidationException", f"{given['Key']} is not a valid filter.")
    rows, token = page(found, "DescribePatchGroups", params.get("MaxResults", _PAGE), params.get("NextToken"))
    mappings = [
        {"PatchGroup": group, "BaselineIdentity": _identity(caller, _find(caller, baseline))} for group, _system, baseline in rows
    ]
    return {"Mappings": mappings, "NextToken": token}


def default_of(caller: Caller, system: str) -> str:
    """Return the id of an operating system's default baseline."""
    return caller.state.default_baselines.get(system) or _arn(caller, _OF_AWS[system][0])


def of_group(caller: Caller, system: str, group: str) -> str:
    """Return the id of the baseline that nodes of a patch group use."""
    return caller.state.patch_groups.get((system, group)) or default_of(caller, system)


def _arn(caller: Caller, name: str) -> str:
    digest = hashlib.sha256(f"{caller.state.region}/{name}".encode()).hexdigest()
    return f"arn:aws:ssm:{caller.state.region}:{_ACCOUNT_OF_AWS}:patchbaseline/pb-0{digest[:16]}"


def _of_aws(caller: Caller) -> list[Answer]:
    return [
        {
            **_UNSAID,
            "BaselineId": _arn(caller, name),
            "Name": name,
            "OperatingSystem": system,
            "Description": f"Default Patch Baseline for {system} Provided by AWS.",
            "CreatedDate": caller.state.opened,
            "ModifiedDate": caller.state.opened,
        }
        for system, names in _OF_AWS.items()
        for name in names
    ]


def _find(caller: Caller, baseline: str) -> Answer:
    found = next((row for row in _of_aws(caller) if row["BaselineId"] == baseline), None)
    return found or _own(caller, baseline)


def _own(caller: Caller, baseline: str) -> Answer:
    found = caller.state.patch_baselines.get(baseline)
    if found is None:
        raise ApiError("DoesNotExistException", f"Patch baseline {baseline} does not exist.")
    return found


def _identity(caller: Caller, row: Answer) -> Answer:
    return {
        "BaselineId": row["BaselineId"],
        "BaselineName": row["Name"],
        "OperatingSystem": row["OperatingSystem"],
        "BaselineDescription": row.get("Description") or "",
        "DefaultBaseline": default_of(caller, row["OperatingSystem"]) == row["BaselineId"],
    }


def _said(params: Params) -> Answer:
    said = {member: value for member, value in params.items() if member not in _NO_MEMBERS}
    if "ApprovalRules" in said:
        said["ApprovalRules"] = {"PatchRules": [{**_UNSAID_IN_RULE, **rule} for rule in said["ApprovalRules"]["PatchRules"]]}
    return said


def _check_rules(baseline: Answer) -> None:
    for rule in baseline["ApprovalRules"]["PatchRules"]:
        times = [member for member in ("ApproveAfterDays", "ApproveUntilDate") if member in rule]
        if len(times) > 1 or (not times and baseline["OperatingSystem"] not in _WITHOUT_DATES):
            raise ApiError("ValidationException", "A rule needs either ApproveAfterDays or ApproveUntilDate.")
