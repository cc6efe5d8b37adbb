# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Patch Manager was told of nodes by the last scan or installation."""

from __future__ import annotations

import operator
import typing as t

from tests.emulator.answers import ApiError
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.paging import page

_PAGE = 10
_COMPARISONS: dict[str, t.Callable[[int, int], bool]] = {
    "Equal": operator.eq,
    "NotEqual": operator.ne,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
}
_COUNTS = {
    "InstalledCount",
    "InstalledOtherCount",
    "InstalledPendingRebootCount",
    "InstalledRejectedCount",
    "MissingCount",
    "FailedCount",
    "UnreportedNotApplicableCount",
    "NotApplicableCount",
}
_FILTERED = {"Classification", "KBId", "Severity", "State"}
_SUMMED = {
    "InstancesWithInstalledPatches": "InstalledCount",
    "InstancesWithInstalledOtherPatches": "InstalledOtherCount",
    "InstancesWithInstalledPendingRebootPatches": "InstalledPendingRebootCount",
    "InstancesWithInstalledRejectedPatches": "InstalledRejectedCount",
    "InstancesWithMissingPatches": "MissingCount",
    "InstancesWithFailedPatches": "FailedCount",
    "InstancesWithNotApplicablePatches": "NotApplicableCount",
    "InstancesWithUnreportedNotApplicablePatches": "UnreportedNotApplicableCount",
    "InstancesWithCriticalNonCompliantPatches": "CriticalNonCompliantCount",
    "InstancesWithSecurityNonCompliantPatches": "SecurityNonCompliantCount",
    "InstancesWithOtherNonCompliantPatches": "OtherNonCompliantCount",
}


@operation("DescribeInstancePatchStates")
def describe_instance_patch_states(caller: Caller, params: Params) -> Answer:
    """Tell the patch state of up to 50 nodes; one that was never scanned has no row."""
    found = [caller.state.patch_states[node_id] for node_id in params["InstanceIds"] if node_id in caller.state.patch_states]
    rows, token = page(found, "DescribeInstancePatchStates", params.get("MaxResults", _PAGE), params.get("NextToken"))
    return {"InstancePatchStates": rows, "NextToken": token}


@operation("DescribeInstancePatchStatesForPatchGroup")
def describe_instance_patch_states_for_patch_group(caller: Caller, params: Params) -> Answer:
    """Tell the patch state of a patch group's nodes."""
    found = _of_group(caller, params["PatchGroup"])
    for given in params.get("Filters", []):
        if given["Key"] not in _COUNTS or not given["Values"][0].isdigit():
            raise ApiError("InvalidFilter", f"{given['Key']} is not a valid filter, or its value is no number.")
        compare = _COMPARISONS[given["Type"]]
        found = [row for row in found if compare(row.get(given["Key"], 0), int(given["Values"][0]))]
    name = "DescribeInstancePatchStatesForPatchGroup"
    rows, token = page(found, name, params.get("MaxResults", _PAGE), params.get("NextToken"))
    return {"InstancePatchStates": rows, "NextToken": token}


@operation("DescribePatchGroupState")
def describe_patch_group_state(caller: Caller, params: Params) -> Answer:
    """Count the nodes of a patch group by what they have patches of."""
    found = _of_group(caller, params["PatchGroup"])
    counts = {name: sum(bool(row.get(member)) for row in found) for name, member in _SUMMED.items()}
    return {"Instances": len(found), **counts}


@operation("DescribeInstancePatches")
def describe_instance_patches(caller: Caller, params: Params) -> Answer:
    """List the patches of one node."""
    if params["InstanceId"] not in caller.state.nodes:
        raise ApiError("InvalidInstanceId", f"{params['InstanceId']} is not valid.")
    there = caller.state.patching.get(params["InstanceId"])
    found = there.reported if there else []
    for given in params.get("Filters", []):
        if given.get("Key") not in _FILTERED:
            raise ApiError("InvalidFilter", f"{given.get('Key')} is not a valid filter.")
        found = [row for row in found if row[given["Key"]] in given.get("Values", [])]
    rows, token = page(found, "DescribeInstancePatches", params.get("MaxResults", _PAGE), params.get("NextToken"))
    return {"Patches": rows, "NextToken": token}


def _of_group(caller: Caller, group: str) -> list[Answer]:
    return [row for _node_id, row in sorted(caller.state.patch_states.items()) if row["PatchGroup"] == group]
