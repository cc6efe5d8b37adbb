# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module patch."""

from __future__ import annotations

import functools
import time
import typing as t
import uuid

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._engine.interruption import Interruption
from ansible_collections.fleet.ssm.plugins.modules import patch

from tests.unit.plugins.modules.emulated_account import EmulatedAccount
from tests.unit.plugins.modules.patched_fleet import add_nodes

Result = dict[str, t.Any]
_SNAPSHOT = "0f3a1b2c-5b7d-4c1a-9f00-1234567890ab"


@pytest.fixture
def work(run: t.Callable[..., t.Any], emulated: EmulatedAccount, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., Result]:
    """Runs the module; the emulated nodes need a moment, in real time."""
    monkeypatch.setattr(Interruption, "sleep", lambda _watch, _seconds: time.sleep(0.02))
    monkeypatch.setattr(Interruption, "on_death", lambda _watch, _act: None)
    return functools.partial(run, patch.main)


def _by_node(result: Result, *path: str) -> dict[str, t.Any]:
    return {node["instance_id"]: functools.reduce(lambda one, name: one[name], path, node) for node in result["nodes"]}


def test_a_scan_tells_what_is_missing_and_changes_nothing(work: t.Any, emulated: EmulatedAccount) -> None:
    (lacking,) = add_nodes(emulated, 1, missing=["openssl", "curl"], scanned=False)
    result = work(operation="scan", instance_ids=[lacking])
    assert result["changed"] is False
    (node,) = result["nodes"]
    assert (node["status"], node["changed"], node["before"], node["after"]["missing_count"]) == ("Success", False, {}, 2)
    assert (node["after"]["compliant"], result["summary"]["non_compliant"]) == (False, 1)
    assert emulated.changes() == ["SendCommand"]


def test_an_installation_is_changed_only_where_something_was_installed(work: t.Any, emulated: EmulatedAccount) -> None:
    (clean,) = add_nodes(emulated, 1)
    (lacking,) = add_nodes(emulated, 1, missing=["openssl"])
    result = work(operation="install", instance_ids=[lacking, clean])
    assert result["changed"]
    assert _by_node(result, "changed") == {clean: False, lacking: True}
    assert _by_node(result, "before", "missing_count") == {clean: 0, lacking: 1}
    assert _by_node(result, "after", "missing_count") == {clean: 0, lacking: 0}


def test_an_installation_idempotent(work: t.Any, emulated: EmulatedAccount) -> None:
    ids = add_nodes(emulated, 2, missing=["openssl"])
    assert work(operation="install", instance_ids=ids)["changed"]
    again = work(operation="install", instance_ids=ids)
    assert (again["changed"], set(_by_node(again, "changed").values())) == (False, {False})


def test_an_installation_check_mode_predicts_from_the_last_scan(work: t.Any, emulated: EmulatedAccount) -> None:
    (clean,) = add_nodes(emulated, 1)
    (lacking,) = add_nodes(emulated, 1, missing=["openssl"])
    (unknown,) = add_nodes(emulated, 1, scanned=False)
    checked = functools.partial(work, operation="install", check_mode=True)
    result = checked(instance_ids=[clean, lacking, unknown])
    assert result["changed"]
    assert _by_node(result, "changed") == {clean: False, lacking: True, unknown: True}
    assert result["command"]["parameters"]["Operation"] == ["Install"]
    assert checked(instance_ids=[clean])["changed"] is False
    assert checked(targets=[{"key": "tag:PatchGroup", "values": ["web"]}])["changed"] is True
    assert checked(targets=[{"key": "resource-groups:Name", "values": ["web"]}])["changed"] is True
    assert emulated.changes() == []


def test_the_nodes_that_all_targets_choose_are_known_beforehand(work: t.Any, emulated: EmulatedAccount) -> None:
    ids = add_nodes(emulated, 3)
    emulated.state.nodes[ids[0]].tags = {"role": "db"}
    web = {"key": "tag:PatchGroup", "values": ["web"]}
    for targets, chosen in (
        ([web], ids[1:]),
        ([web, {"key": "InstanceIds", "values": ids[:2]}], ids[1:2]),
        ([{"key": "InstanceIds", "values": ids[:2]}], ids[:2]),
        ([{"key": "tag-key", "values": ["role"]}], ids[:1]),
        ([{"key": "InstanceIds", "values": ["*"]}], ids),
    ):
        assert list(_by_node(work(operation="scan", targets=targets, check_mode=True))) == chosen


def test_a_scan_check_mode(work: t.Any, emulated: EmulatedAccount) -> None:
    ids = add_nodes(emulated, 1, missing=["openssl"])
    assert work(operation="scan", instance_ids=ids, check_mode=True)["changed"] is False
    assert emulated.changes() == []


def test_a_node_that_was_never_scanned_is_judged_by_when_its_patches_were_installed(work: t.Any, emulated: EmulatedAccount) -> None:
    (clean,) = add_nodes(emulated, 1, scanned=False)
    (lacking,) = add_nodes(emulated, 1, missing=["openssl"], scanned=False)
    assert _by_node(work(operation="install", instance_ids=[clean, lacking]), "changed") == {clean: False, lacking: True}


def test_without_a_reboot_patches_wait_and_a_reboot_completes_them(work: t.Any, emulated: EmulatedAccount) -> None:
    ids = add_nodes(emulated, 1, missing=["openssl"])
    first = work(operation="install", reboot_option="NoReboot", instance_ids=ids)
    assert (first["changed"], first["nodes"][0]["after"]["installed_pending_reboot_count"]) == (True, 1)
    assert work(operation="install", reboot_option="NoReboot", instance_ids=ids)["changed"] is False
    assert work(operation="install", reboot_option="NoReboot", instance_ids=ids, check_mode=True)["changed"] is False
    assert work(operation="install", instance_ids=ids, check_mode=True)["changed"] is True
    last = work(operation="install", instance_ids=ids)
    assert (last["changed"], last["nodes"][0]["after"]["compliant"]) == (True, True)


def test_nodes_that_fail_are_named_with_the_cause(work: t.Any, emulated: EmulatedAccount) -> None:
    (fine,) = add_nodes(emulated, 1, missing=["openssl"])
    (failing,) = add_nodes(emulated, 1, missing=["openssl", "hotfix-1"], fails=["hotfix-1"])
    (broken,) = add_nodes(emulated, 1, missing=["openssl"])
    emulated.state.patching[broken].error = "No space left on device"
    result = work(operation="install", instance_ids=[fine, failing, broken], max_errors="100%")
    assert result["failed"]
    assert "AWS-RunPatchBaseline succeeded on 1 of 3 nodes" in result["msg"]
    assert f"Patches could not be installed on 1 of 3 nodes:\n{failing}: hotfix-1" in result["msg"]
    assert (broken in result["msg"], "No space left on device" in result["msg"]) == (True, True)
    assert _by_node(result, "changed") == {fine: True, failing: True, broken: False}
    assert _by_node(result, "failed_patches") == {fine: [], failing: ["hotfix-1"], broken: []}


def test_failures_are_told_and_not_minded_when_that_is_wanted(work: t.Any, emulated: EmulatedAccount) -> None:
    ids = add_nodes(emulated, 1, missing=["hotfix-1"], fails=["hotfix-1"]) + add_nodes(emulated, 3)
    for fail_on in ("none", "max_errors"):
        result = work(operation="install", instance_ids=ids, fail_on=fail_on, max_errors="50%")
        assert not result.get("failed")
        assert _by_node(result, "failed_patches")[ids[0]] == ["hotfix-1"]


def test_all_nodes_of_a_task_have_one_snapshot(work: t.Any, emulated: EmulatedAccount) -> None:
    ids = add_nodes(emulated, 120)
    result = work(operation="scan", instance_ids=ids)
    assert len(result["command_ids"]) == 3
    assert set(_by_node(result, "after", "snapshot_id").values()) == {result["snapshot_id"]}
    assert uuid.UUID(result["snapshot_id"])
    given = work(operation="scan", targets=[{"key": "InstanceIds", "values": ["*"]}], snapshot_id=_SNAPSHOT)
    assert set(_by_node(given, "after", "snapshot_id").values()) == {_SNAPSHOT}


def test_it_does_not_wait_when_told_so(work: t.Any, emulated: EmulatedAccount) -> None:
    ids = add_nodes(emulated, 1, missing=["openssl"])
    result = work(operation="scan", instance_ids=ids, wait=False)
    assert (result["changed"], "nodes" in result, len(result["command_ids"])) == (False, False, 1)
    assert work(operation="install", instance_ids=ids, wait=False)["changed"] is True


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"operation": "scan", "reboot_option": "NoReboot"}, "reboot_option can only be given with operation=install"),
        ({"operation": "install", "max_errors": "many"}, "max_errors must be a number or a percentage"),
        ({"operation": "install", "instance_ids": []}, "There is no node to send it to"),
    ],
    ids=["scan", "errors", "no node"],
)
def test_refuses_what_cannot_be_right(work: t.Any, emulated: EmulatedAccount, options: Result, sentence: str) -> None:
    ids = add_nodes(emulated, 1)
    result = work(**{"instance_ids": ids, **options})
    assert sentence in result["msg"]
    assert emulated.changes() == []


def test_names_the_missing_permission(work: t.Any, emulated: EmulatedAccount) -> None:
    ids = add_nodes(emulated, 1)
    emulated.aws.deny("SendCommand")
    assert "Allow the IAM action ssm:SendCommand" in work(operation="scan", instance_ids=ids)["msg"]
