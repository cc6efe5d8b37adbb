# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-RunPatchBaseline, answered by the emulator: nothing is installed on any machine, and none is rebooted.

What a simulated node lacks is told by ``tests.emulator.patches``. A node that a command has rebooted goes on as it was.
"""

from __future__ import annotations

import collections
import datetime
import fnmatch
import json
import typing as t
import uuid

import moto.backends
import yaml

from tests.emulator import patches
from tests.emulator.command_delivery import Printed
from tests.emulator.operations import nodes, patch_baselines, stand_ins
from tests.emulator.operations.registry import Answer, Caller
from tests.emulator.state import Command, Node, Patch, now

_SYSTEMS = {
    "Amazon Linux": "AMAZON_LINUX_2023",
    "CentOS": "CENTOS",
    "Debian": "DEBIAN",
    "Red Hat": "REDHAT_ENTERPRISE_LINUX",
    "Rocky": "ROCKY_LINUX",
    "SLES": "SUSE",
    "Ubuntu": "UBUNTU",
}
_GROUP_TAGS = ("PatchGroup", "Patch Group")
_NOT_COMPLIANT = {"Missing", "Failed", "InstalledPendingReboot"}


class _UnreadableError(Exception):
    """A list that a parameter names cannot be had."""


def group_of(caller: Caller, node: Node) -> str:
    """Return a node's patch group, empty when it is in none."""
    tags = nodes.tags_of(caller, node)
    return next((tags[name] for name in _GROUP_TAGS if name in tags), "")


def run_patch_baseline(caller: Caller, command: Command, node_id: str) -> Printed:
    """Scan a node for patches, or install them."""
    started = now()
    node = caller.state.nodes[node_id]
    patching = patches.of(caller.state, node)
    given = {name: values[0] for name, values in command.parameters.items() if values and values[0]}
    if patching.error:
        return Printed(1, "", f"{patching.error}\nfailed to run commands: exit status 1")
    try:
        wanted = _override(caller, given)
    except _UnreadableError as error:
        return Printed(156, "", f"{error}\nfailed to run commands: exit status 156")
    if given["Operation"] == "Install":
        _install(patching.patches, wanted, reboot=given.get("RebootOption", "RebootIfNeeded") == "RebootIfNeeded")
    row = _state(caller, node, patching.patches, given, started)
    caller.state.patch_states[node_id] = row
    patching.reported = [_report(patch) for patch in patching.patches]
    failed = [patch.title for patch in patching.patches if patch.state == "Failed" and given["Operation"] == "Install"]
    errors = "".join(f"Unable to install {title}\n" for title in failed)
    return Printed(int(bool(failed)), _summary(row), f"{errors}failed to run commands: exit status 1" if failed else "")


stand_ins.DOCUMENTS["AWS-RunPatchBaseline"] = stand_ins.Document(run_patch_baseline, "PatchLinux")


def _install(found: list[Patch], wanted: list[str] | None, *, reboot: bool) -> None:
    for patch in found:
        is_wanted = wanted is None or any(fnmatch.fnmatch(patch.kb_id, name) for name in wanted)
        if patch.state in {"Missing", "Failed"} and is_wanted:
            # Without a reboot every patch waits for one, whether it needs it or not.
            patch.state = "Failed" if patch.fails else "InstalledPendingReboot"
            patch.installed = None if patch.fails else now()
        if reboot:
            patches.reboot(patch)


def _override(caller: Caller, given: dict[str, str]) -> list[str] | None:
    """Return the names of InstallOverrideList; None: whatever is missing."""
    # The baselines of the other parameter make no difference here, but that they can be read does.
    if "BaselineOverride" in given:
        json.loads(_text(caller, given["BaselineOverride"]))
    if "InstallOverrideList" not in given:
        return None
    listed: t.Any = yaml.safe_load(_text(caller, given["InstallOverrideList"]))
    return [str(entry["id"]) for entry in listed["patches"]]


def _text(caller: Caller, url: str) -> str:
    bucket, _slash, key = url.removeprefix("s3://").partition("/")
    backend: t.Any = moto.backends.get_backend("s3")[caller.state.account]["aws"]
    try:
        return str(backend.get_object(bucket, key).value.decode())
    except Exception as error:
        raise _UnreadableError(f"{url} cannot be read.") from error


def _state(caller: Caller, node: Node, found: list[Patch], given: dict[str, str], started: datetime.datetime) -> Answer:
    group = group_of(caller, node)
    counts = collections.Counter(patch.state for patch in found)
    bad = [patch for patch in found if patch.state in _NOT_COMPLIANT]
    before = caller.state.patch_states.get(node.instance_id, {})
    no_reboot = given["Operation"] == "Install" and given.get("RebootOption") == "NoReboot"
    return {
        "InstanceId": node.instance_id,
        "PatchGroup": group,
        "BaselineId": patch_baselines.of_group(caller, _system(node), group),
        "SnapshotId": given.get("SnapshotId") or str(uuid.uuid4()),
        "InstallOverrideList": given.get("InstallOverrideList"),
        "InstalledCount": counts["Installed"],
        "InstalledOtherCount": 0,
        "InstalledPendingRebootCount": counts["InstalledPendingReboot"],
        "InstalledRejectedCount": 0,
        "MissingCount": counts["Missing"],
        "FailedCount": counts["Failed"],
        "NotApplicableCount": 0,
        "OperationStartTime": started,
        "OperationEndTime": now(),
        "Operation": given["Operation"],
        "LastNoRebootInstallOperationTime": now() if no_reboot else before.get("LastNoRebootInstallOperationTime"),
        "RebootOption": given.get("RebootOption", "RebootIfNeeded"),
        "CriticalNonCompliantCount": sum(patch.severity == "Critical" for patch in bad),
        "SecurityNonCompliantCount": sum(patch.classification == "Security" for patch in bad),
        "OtherNonCompliantCount": sum(patch.classification != "Security" for patch in bad),
    }


def _system(node: Node) -> str:
    if node.platform_type != "Linux":
        return node.platform_type.upper()
    return next((system for name, system in _SYSTEMS.items() if node.platform_name.startswith(name)), "AMAZON_LINUX_2")


def _report(patch: Patch) -> Answer:
    return {
        "Title": patch.title,
        "KBId": patch.kb_id,
        "Classification": patch.classification,
        "Severity": patch.severity,
        "State": patch.state,
        "InstalledTime": patch.installed or datetime.datetime.fromtimestamp(0, datetime.timezone.utc),
        "CVEIds": patch.cves if patch.cves and patch.state in {"Missing", "Failed"} else None,
    }


def _summary(row: Answer) -> str:
    counts = ("InstalledCount", "InstalledPendingRebootCount", "MissingCount", "FailedCount")
    listed = ", ".join(f"{name} = {row[name]}" for name in counts)
    return (
        f"Running with snapshot id = {row['SnapshotId']} and operation = {row['Operation']}\n{listed}\n"
        f"Patch compliance data with the snapshot ID {row['SnapshotId']} successfully uploaded to SSM.\n"
    )
