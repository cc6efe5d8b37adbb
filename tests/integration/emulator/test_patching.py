# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patch baselines and the patches of nodes are as AWS documents them, where no node installs anything."""

from __future__ import annotations

import collections.abc
import json
import time
import typing as t

import pytest

from tests.emulator import patches
from tests.emulator.state import Node, State, now
from tests.integration.emulator.calls import pages, post, refused
from tests.integration.running_emulator import RunningEmulator

_RUN = "AWS-RunPatchBaseline"
_RULES = {
    "PatchRules": [
        {
            "PatchFilterGroup": {"PatchFilters": [{"Key": "PRODUCT", "Values": ["*"]}]},
            "ApproveAfterDays": 7,
        }
    ]
}

Baseline = t.Callable[..., str]
Patch = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def baseline(ssm: t.Any) -> collections.abc.Iterator[Baseline]:
    """Makes baselines, which go when the test ends."""
    yield lambda **params: str(ssm.create_patch_baseline(**{"Name": "ours", **params})["BaselineId"])
    for row in _own(ssm):
        if row["DefaultBaseline"]:
            ssm.register_default_patch_baseline(BaselineId=_of_aws(ssm, row["OperatingSystem"]))
        for group in ssm.get_patch_baseline(BaselineId=row["BaselineId"])["PatchGroups"]:
            ssm.deregister_patch_baseline_for_patch_group(BaselineId=row["BaselineId"], PatchGroup=group)
        ssm.delete_patch_baseline(BaselineId=row["BaselineId"])


@pytest.fixture
def node(emulator: RunningEmulator) -> collections.abc.Iterator[str]:
    """A node that is only a record."""
    emulator.add_records({"nodes": [{"name": "patched", "kind": "hybrid", "tags": {"PatchGroup": "early"}}]})
    (row,) = [row for row in pages(emulator.client("ssm"), "describe_instance_information") if row.get("Name") == "patched-1"]
    yield str(row["InstanceId"])
    emulator.add_records({"clear": True})


@pytest.fixture
def patch(ssm: t.Any) -> Patch:
    """Runs the document on a node to its end."""

    def run(node: str, operation: str, **parameters: str) -> dict[str, t.Any]:
        values = {"Operation": [operation], **{name: [value] for name, value in parameters.items()}}
        sent = ssm.send_command(DocumentName=_RUN, InstanceIds=[node], Parameters=values)["Command"]
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            invocation: dict[str, t.Any] = ssm.get_command_invocation(CommandId=sent["CommandId"], InstanceId=node)
            if invocation["Status"] not in ("Pending", "InProgress"):
                return invocation
            time.sleep(0.02)
        raise AssertionError("it is not over after 10 s")

    return run


def _own(ssm: t.Any) -> list[dict[str, t.Any]]:
    return pages(ssm, "describe_patch_baselines", Filters=[{"Key": "OWNER", "Values": ["Self"]}])


def _of_aws(ssm: t.Any, system: str) -> str:
    filters = [{"Key": "OWNER", "Values": ["AWS"]}, {"Key": "OPERATING_SYSTEM", "Values": [system]}]
    return str(pages(ssm, "describe_patch_baselines", Filters=filters)[0]["BaselineId"])


def _state(ssm: t.Any, node: str) -> dict[str, t.Any]:
    (row,) = ssm.describe_instance_patch_states(InstanceIds=[node])["InstancePatchStates"]
    return dict(row)


def _states(ssm: t.Any, node: str) -> dict[str, str]:
    return {row["KBId"]: row["State"] for row in pages(ssm, "describe_instance_patches", InstanceId=node)}


def _order(emulator: RunningEmulator, **order: t.Any) -> None:
    assert post(emulator, "/_emulator/patches", json.dumps(order).encode())[0] == 200


def test_a_baseline_is_told_with_what_was_not_said(ssm: t.Any, baseline: Baseline) -> None:
    told = ssm.get_patch_baseline(BaselineId=baseline(OperatingSystem="SUSE", ApprovalRules=_RULES))
    assert (told["Name"], told["OperatingSystem"], told["RejectedPatchesAction"]) == ("ours", "SUSE", "ALLOW_AS_DEPENDENCY")
    (rule,) = told["ApprovalRules"]["PatchRules"]
    assert (rule["ApproveAfterDays"], rule["ComplianceLevel"], rule["EnableNonSecurity"]) == (7, "UNSPECIFIED", False)


def test_an_update_leaves_what_it_does_not_say_and_a_replacement_does_not(ssm: t.Any, baseline: Baseline) -> None:
    made = baseline(Description="d", ApprovalRules=_RULES)
    told = ssm.update_patch_baseline(BaselineId=made, ApprovedPatches=["KB1"])
    assert (told["Description"], told["ApprovedPatches"], len(told["ApprovalRules"]["PatchRules"])) == ("d", ["KB1"], 1)
    told = ssm.update_patch_baseline(BaselineId=made, Name="new", Replace=True)
    assert (told["Name"], told.get("Description"), told["ApprovedPatches"], told["ApprovalRules"]) == (
        "new",
        None,
        [],
        {"PatchRules": []},
    )
    with refused("ValidationException"):
        ssm.update_patch_baseline(BaselineId=made, Replace=True)


def test_a_baseline_in_use_is_not_deleted(ssm: t.Any, baseline: Baseline) -> None:
    made = baseline()
    ssm.register_patch_baseline_for_patch_group(BaselineId=made, PatchGroup="web")
    with refused("ResourceInUseException", "patch group"):
        ssm.delete_patch_baseline(BaselineId=made)
    ssm.deregister_patch_baseline_for_patch_group(BaselineId=made, PatchGroup="web")
    ssm.register_default_patch_baseline(BaselineId=made)
    with refused("ResourceInUseException", "default"):
        ssm.delete_patch_baseline(BaselineId=made)
    assert ssm.get_default_patch_baseline()["BaselineId"] == made


def test_a_patch_group_has_one_baseline_for_a_system(ssm: t.Any, baseline: Baseline) -> None:
    first, second, other = baseline(), baseline(), baseline(OperatingSystem="SUSE")
    ssm.register_patch_baseline_for_patch_group(BaselineId=first, PatchGroup="web")
    ssm.register_patch_baseline_for_patch_group(BaselineId=other, PatchGroup="web")
    with refused("AlreadyExistsException"):
        ssm.register_patch_baseline_for_patch_group(BaselineId=second, PatchGroup="web")
    mapped = {row["BaselineIdentity"]["BaselineId"] for row in pages(ssm, "describe_patch_groups")}
    assert mapped == {first, other}
    assert ssm.get_patch_baseline_for_patch_group(PatchGroup="web", OperatingSystem="SUSE")["BaselineId"] == other
    assert ssm.get_patch_baseline_for_patch_group(PatchGroup="none")["BaselineId"].startswith("arn:")


def test_tags_of_a_baseline_change(ssm: t.Any, baseline: Baseline) -> None:
    made = {"ResourceType": "PatchBaseline", "ResourceId": baseline(Tags=[{"Key": "a", "Value": "1"}])}
    ssm.add_tags_to_resource(**made, Tags=[{"Key": "b", "Value": "2"}])
    ssm.remove_tags_from_resource(**made, TagKeys=["a"])
    assert ssm.list_tags_for_resource(**made)["TagList"] == [{"Key": "b", "Value": "2"}]
    with refused("InvalidResourceId"):
        ssm.list_tags_for_resource(ResourceType="PatchBaseline", ResourceId="pb-00000000000000000")


def test_a_scan_tells_what_is_missing_and_an_installation_installs_it(ssm: t.Any, node: str, patch: Patch) -> None:
    assert ssm.describe_instance_patch_states(InstanceIds=[node])["InstancePatchStates"] == []
    assert patch(node, "Scan", SnapshotId="0f3a1b2c-5b7d-4c1a-9f00-1234567890ab")["Status"] == "Success"
    row = _state(ssm, node)
    assert (row["Operation"], row["MissingCount"], row["InstalledCount"], row["PatchGroup"]) == ("Scan", 4, 3, "early")
    assert row["SnapshotId"] == "0f3a1b2c-5b7d-4c1a-9f00-1234567890ab"
    missing = pages(ssm, "describe_instance_patches", InstanceId=node, Filters=[{"Key": "State", "Values": ["Missing"]}])
    assert {entry["KBId"] for entry in missing} == {"openssl", "linux-image", "curl", "tzdata"}
    assert "Installed" in patch(node, "Install")["StandardOutputContent"]
    assert set(_states(ssm, node).values()) == {"Installed"}


def test_without_a_reboot_patches_wait_for_one(ssm: t.Any, emulator: RunningEmulator, node: str, patch: Patch) -> None:
    patch(node, "Install", RebootOption="NoReboot")
    row = _state(ssm, node)
    assert (row["InstalledPendingRebootCount"], row["MissingCount"], row["InstalledCount"]) == (4, 0, 3)
    assert "LastNoRebootInstallOperationTime" in row
    patch(node, "Scan")
    assert _state(ssm, node)["InstalledPendingRebootCount"] == 4
    _order(emulator, nodes=[node], rebooted=True)
    patch(node, "Scan")
    assert (_state(ssm, node)["InstalledPendingRebootCount"], _state(ssm, node)["InstalledCount"]) == (0, 7)


def test_patches_fail_where_that_is_ordered(ssm: t.Any, emulator: RunningEmulator, node: str, patch: Patch) -> None:
    _order(emulator, nodes=[node], missing=["openssl", "hotfix-1"], fails=["hotfix-1"])
    invocation = patch(node, "Install")
    assert (invocation["Status"], invocation["ResponseCode"]) == ("Failed", 1)
    assert "Unable to install hotfix-1" in invocation["StandardErrorContent"]
    assert (_states(ssm, node)["openssl"], _states(ssm, node)["hotfix-1"]) == ("Installed", "Failed")
    _order(emulator, nodes=[node], fails=[], error="No space left on device")
    assert patch(node, "Install")["StandardErrorContent"].startswith("No space left on device")
    _order(emulator, nodes=[node], error="")
    assert patch(node, "Install")["Status"] == "Success"


def test_an_override_list_says_what_is_installed(ssm: t.Any, emulator: RunningEmulator, node: str, patch: Patch) -> None:
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="patch-lists")
    s3.put_object(Bucket="patch-lists", Key="list.yml", Body=b"patches:\n  - {id: openssl*, title: '*'}\n")
    patch(node, "Install", InstallOverrideList="s3://patch-lists/list.yml")
    states = _states(ssm, node)
    assert (states["openssl"], states["curl"]) == ("Installed", "Missing")
    assert patch(node, "Install", InstallOverrideList="s3://patch-lists/none.yml")["ResponseCode"] == 156


def test_states_are_told_by_patch_group(ssm: t.Any, node: str, patch: Patch) -> None:
    patch(node, "Scan")
    for kind, value, count in (("GreaterThan", "3", 1), ("Equal", "3", 0)):
        filters = [{"Key": "MissingCount", "Values": [value], "Type": kind}]
        rows = pages(ssm, "describe_instance_patch_states_for_patch_group", PatchGroup="early", Filters=filters)
        assert len(rows) == count
    counts = ssm.describe_patch_group_state(PatchGroup="early")
    assert (counts["Instances"], counts["InstancesWithMissingPatches"], counts["InstancesWithFailedPatches"]) == (1, 1, 0)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"Operation": ["Look"]}, {"Operation": ["Scan"], "SnapshotId": ["1"]}, {"Operation": ["Scan"], "RebootOption": ["No"]}],
)
def test_parameters_that_the_document_does_not_allow_are_refused(ssm: t.Any, node: str, parameters: dict[str, t.Any]) -> None:
    with refused("InvalidParameters"):
        ssm.send_command(DocumentName=_RUN, InstanceIds=[node], Parameters=parameters)


def test_an_order_that_is_none_is_refused(emulator: RunningEmulator) -> None:
    assert post(emulator, "/_emulator/patches", b'{"node": "x"}')[0] == 400


def test_an_agent_that_connects_anew_has_rebooted_and_the_fleet_says_what_is_missing() -> None:
    state, node = State("123456789012", "eu-west-1"), Node("mi-0123456789abcdef0", "ManagedInstance", computer_name="web-1")
    state.missing_patches = {"web-1": ["openssl"]}
    (missing,) = [patch for patch in patches.of(state, node).patches if patch.state == "Missing"]
    missing.state, missing.installed = "InstalledPendingReboot", now()
    patches.of(state, node)
    assert (missing.kb_id, missing.state) == ("openssl", "InstalledPendingReboot")
    node.connected = now()
    patches.of(state, node)
    assert missing.state == "Installed"
