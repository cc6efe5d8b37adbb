# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook patch on twenty nodes, of which two cannot be patched."""

from __future__ import annotations

import collections.abc
import json
import os
import pathlib
import re
import sys
import time
import typing as t

import pytest

from tests.integration.emulator.calls import post
from tests.integration.running_emulator import Ansible, Run

pytestmark = pytest.mark.long

_NODES = 20
_PER_BATCH = 10
_BATCHES = _NODES // _PER_BATCH


@pytest.fixture
def nodes(ansible: Ansible) -> collections.abc.Iterator[list[str]]:
    """Twenty nodes that are records and lack a patch each; on the third and the twelfth it cannot be installed."""
    ansible.emulator.add_records({"nodes": [{"name": "patched", "count": _NODES, "kind": "hybrid"}]})
    listed = ansible.emulator.client("ssm").get_paginator("describe_instance_properties").paginate().build_full_result()
    by_name = {row.get("Name", ""): row["InstanceId"] for row in listed["InstanceProperties"]}
    ids = [by_name[f"patched-{number}"] for number in range(1, _NODES + 1)]
    _order(ansible, {"nodes": ids, "missing": ["openssl"], "fails": []}, {"nodes": [ids[2], ids[11]], "fails": ["openssl"]})
    yield ids
    ansible.emulator.add_records({"clear": True})


def _order(ansible: Ansible, *orders: dict[str, t.Any]) -> None:
    assert post(ansible.emulator, "/_emulator/patches", json.dumps(orders).encode())[0] == 200


def _patch(ansible: Ansible, nodes: t.Sequence[str], *arguments: str, playbook: str = "fleet.ssm.patch", **variables: t.Any) -> Run:
    path = ansible.folder / "hosts.json"
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    path.write_text(json.dumps({"all": {"hosts": {node: {} for node in nodes}, "vars": local}}), encoding="utf-8")
    given = json.dumps({"patch_serial": _PER_BATCH, "patch_hosts": "all", **variables})
    return ansible.run("ansible-playbook", "-i", str(path), playbook, "-e", given, *arguments)


def _recap(run: Run) -> dict[str, dict[str, int]]:
    rows = re.findall(r"^((?:mi|i)-\w+) +: (ok=.*)$", run.output, re.MULTILINE)
    return {node: {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", row)} for node, row in rows}


def _missing(ansible: Ansible, nodes: t.Sequence[str]) -> list[str]:
    ssm = ansible.emulator.client("ssm")
    rows = ssm.describe_instance_patch_states(InstanceIds=nodes, MaxResults=50)["InstancePatchStates"]
    return sorted(row["InstanceId"] for row in rows if row["MissingCount"] or row["FailedCount"])


def test_those_that_fail_are_named_the_others_patched_and_a_second_run_changes_nothing(
    ansible: Ansible, nodes: list[str], tmp_path: pathlib.Path
) -> None:
    hook = tmp_path / "hook.yml"
    hook.write_text("- ansible.builtin.debug: {msg: 'hook of {{ inventory_hostname }}'}\n", encoding="utf-8")
    failing = [nodes[2], nodes[11]]
    run = _patch(ansible, nodes, patch_max_fail_percentage=50, patch_before_tasks=str(hook), patch_after_tasks=str(hook))
    assert run.code == 2, str(run)
    for node in failing:
        assert run.says(f"{node}: Failed. Could not be installed: openssl.")
    recap = _recap(run)
    assert {node for node, row in recap.items() if row["failed"]} == set(failing), str(run)
    assert {node for node, row in recap.items() if row["changed"]} == set(nodes) - set(failing), str(run)
    assert _missing(ansible, nodes) == sorted(failing)
    assert run.count("hook of") == 2 * _NODES - len(failing)
    assert run.says("0 of 20 nodes are compliant; 20 patches are missing")
    # A scan of all, and for each batch an installation and a scan.
    assert ansible.emulator.calls("ssm:SendCommand") == 1 + 2 * _BATCHES
    again = _patch(ansible, nodes, patch_max_fail_percentage=50)
    assert {node for node, row in _recap(again).items() if row["changed"]} == set(), str(again)
    assert {node for node, row in _recap(again).items() if row["failed"]} == set(failing)


def test_no_batch_is_begun_after_one_in_which_too_many_failed_when_a_tag_chose_the_play_too(
    ansible: Ansible, nodes: list[str]
) -> None:
    monthly = ansible.folder / "monthly.yml"
    monthly.write_text("- import_playbook: fleet.ssm.patch\n  tags: monthly\n", encoding="utf-8")
    run = _patch(ansible, nodes, "--tags", "monthly", playbook=str(monthly))
    assert run.code == 2, str(run)
    assert run.says(f"{nodes[2]}: Failed. Could not be installed: openssl.")
    assert _missing(ansible, nodes) == sorted([nodes[2], *nodes[_PER_BATCH:]])


def test_a_check_tells_what_would_be_installed_and_installs_nothing(ansible: Ansible, nodes: list[str]) -> None:
    few, clean = nodes[:4], nodes[:2]
    _order(ansible, {"nodes": clean, "missing": []})
    scan = {"Operation": ["Scan"]}
    ansible.emulator.client("ssm").send_command(DocumentName="AWS-RunPatchBaseline", InstanceIds=few, Parameters=scan)
    time.sleep(1)
    run = _patch(ansible, few, "--check")
    assert run.code == 0, str(run)
    assert {node for node, row in _recap(run).items() if row["changed"]} == set(few) - set(clean), str(run)
    assert ansible.emulator.calls("ssm:SendCommand") == 1


def test_without_a_reboot_patches_may_wait_for_one(ansible: Ansible, nodes: list[str]) -> None:
    run = _patch(ansible, nodes[:2], patch_reboot="nobody")
    assert run.code == 0, str(run)
    assert all(row["changed"] == 1 for row in _recap(run).values())
    rows = ansible.emulator.client("ssm").describe_instance_patch_states(InstanceIds=nodes[:2])["InstancePatchStates"]
    assert [row["InstalledPendingRebootCount"] for row in rows] == [1, 1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only nodes with a root folder of their own reboot, and that takes root")
def test_ansible_reboots_a_node_over_its_session(ansible: Ansible) -> None:
    inventory = ansible.inventory("web-1")
    given = json.dumps({"patch_reboot": "ansible"})
    run = ansible.run("ansible-playbook", "-i", str(inventory), "fleet.ssm.patch", "-e", given)
    assert run.code == 0, str(run)
    node = ansible.emulator.nodes()["web-1"]
    (row,) = ansible.emulator.client("ssm").describe_instance_patch_states(InstanceIds=[node])["InstancePatchStates"]
    assert (row["Operation"], row["MissingCount"], row["InstalledPendingRebootCount"]) == ("Scan", 0, 0), str(run)
    assert _recap(run)[node]["changed"] == 2
