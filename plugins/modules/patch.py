# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: patch
short_description: Scan nodes for missing patches, or install them
version_added: 0.1.0
description:
  - Runs C(AWS-RunPatchBaseline) on nodes by Run Command, waits until it is over, and tells of each node how it was and how it is.
  - Which patches count is said by the patch baseline of each node; see M(fleet.ssm.patch_baseline).
  - A task is changed only when patches were installed, or when a reboot completed some. A scan changes nothing on nodes.
  - Interrupted, it has AWS cancel the command, as M(fleet.ssm.run_command) does.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.attributes
  - fleet.ssm.attributes.actiongroup
attributes:
  check_mode:
    support: full
    details:
      - It sends nothing, and predicts from the last scan of each node. Nodes that were never scanned are taken to change.
  diff_mode:
    support: none
    details:
      - The return value C(nodes) has how each node was and is.
  idempotent:
    support: full
options:
  operation:
    description:
      - V(scan) only looks what is missing and reports it to Patch Manager.
      - V(install) looks, installs what is missing, and by O(reboot_option) reboots the node.
    type: str
    required: true
    choices: [scan, install]
  instance_ids:
    description:
      - The nodes by their ids. More than 50 are sent in parts of 50, each when the one before is over.
      - Exactly one of O(instance_ids) and O(targets) must be given.
    type: list
    elements: str
  targets:
    description:
      - Which nodes it is for, those that all entries choose. AWS takes five entries.
    type: list
    elements: dict
    suboptions:
      key:
        description:
          - V(tag:NAME) for nodes with a tag of one of the values, V(tag-key) for those with any tag of these names,
            V(resource-groups:Name) for a resource group, V(InstanceIds) for nodes by id, or with the value V(*) for all.
          - Of the nodes of a resource group it is not known beforehand how they are.
        type: str
        required: true
      values:
        description:
          - The values, at most 50.
        type: list
        elements: str
        required: true
  reboot_option:
    description:
      - V(RebootIfNeeded) reboots a node if anything was installed, or waits for a reboot since before. AWS takes it when this is
        not given.
      - V(NoReboot) reboots no node. What was installed then waits for a reboot, C(installed_pending_reboot_count).
      - With O(operation=install) only.
    type: str
    choices: [RebootIfNeeded, NoReboot]
  install_override_list:
    description:
      - An C(https) or C(s3) URL of a list in YAML of the patches to install, in place of those that the baseline approves.
      - With O(operation=install) only.
    type: str
  baseline_override:
    description:
      - An C(https) or C(s3) URL of baselines in JSON to use in place of those of the nodes.
    type: str
  snapshot_id:
    description:
      - A UUID for the snapshot of the baselines. Nodes with the same one get the same patches, whatever is released meanwhile.
      - Without it, each task has one of its own for all its nodes. Give one to have several tasks install the same.
    type: str
  max_concurrency:
    description:
      - On how many nodes at once, a number or a percentage of them such as V(10%). AWS takes V(50) when this is not given.
    type: str
  max_errors:
    description:
      - How many nodes may fail, a number or a percentage of them. When one more does, it is begun on no further node. AWS takes
        V(0) when this is not given.
    type: str
  comment:
    description:
      - What to show beside it in lists of commands, at most 100 characters.
    type: str
  delivery_timeout:
    description:
      - How many seconds AWS has to hand it to a node, from 30 on. AWS takes V(3600) when this is not given.
    type: int
  output_s3_bucket_name:
    description:
      - A bucket in which nodes put all that they print.
    type: str
  output_s3_key_prefix:
    description:
      - What the names of these objects begin with.
    type: str
  wait:
    description:
      - Whether to wait until it is over. With V(false) the module returns the id of the command, and M(fleet.ssm.patch_info) tells
        later how the nodes are. An installation then counts as changed.
    type: bool
    default: true
  wait_timeout:
    description:
      - How many seconds to wait. After that the task fails, and the command goes on.
    type: int
    default: 7200
  fail_on:
    description:
      - V(any) fails the task unless it succeeded on every node, and every patch could be installed.
      - V(max_errors) lets as many nodes fail as O(max_errors) says.
      - V(none) never fails the task by what happened on nodes.
    type: str
    choices: [any, max_errors, none]
    default: any
notes:
  - It needs the IAM actions C(ssm:SendCommand) for the document and the nodes, C(ssm:ListCommands), C(ssm:ListCommandInvocations),
    C(ssm:GetCommandInvocation), C(ssm:CancelCommand), C(ssm:DescribeInstancePatchStates), C(ssm:DescribeInstancePatches), and with
    O(targets) C(ssm:DescribeInstanceInformation) or, for all nodes, C(ssm:DescribeInstanceProperties).
seealso:
  - module: fleet.ssm.patch_info
  - module: fleet.ssm.patch_baseline
  - name: AWS-RunPatchBaseline
    description: The user guide of AWS Systems Manager.
    link: https://docs.aws.amazon.com/systems-manager/latest/userguide/patch-manager-aws-runpatchbaseline.html
"""

EXAMPLES = r"""
- name: Look what is missing on all nodes
  fleet.ssm.patch:
    operation: scan
    targets:
      - key: InstanceIds
        values: ['*']
    max_errors: 100%

- name: Install it on the nodes of a patch group, a tenth of them at once
  fleet.ssm.patch:
    operation: install
    targets:
      - key: tag:PatchGroup
        values: [web]
    max_concurrency: 10%
    max_errors: 5%

- name: Install it on the hosts of this play, without a reboot
  fleet.ssm.patch:
    operation: install
    reboot_option: NoReboot
    instance_ids: "{{ ansible_play_hosts }}"
  run_once: true
  delegate_to: localhost
  register: patched

- name: Name those that have to be rebooted
  ansible.builtin.debug:
    msg: "{{ patched.nodes | selectattr('after.installed_pending_reboot_count', '>', 0) | map(attribute='instance_id') }}"
"""

RETURN = r"""
nodes:
  description:
    - The nodes, by their ids. In check mode those that are known beforehand, without C(status) and C(after).
  returned: when it was waited for, and in check mode
  type: list
  elements: dict
  contains:
    instance_id:
      description: The node.
      returned: always
      type: str
      sample: mi-0123456789abcdef0
    changed:
      description: Whether patches were installed there, or completed by a reboot; in check mode, whether they would be.
      returned: always
      type: bool
      sample: true
    status:
      description: How the command ended there, in AWS's words.
      returned: when it was waited for
      type: str
      sample: Success
    before:
      description: How it was, as M(fleet.ssm.patch_info) tells it. Empty when it was never scanned, or not known beforehand.
      returned: always
      type: dict
      sample: {operation: Scan, installed_count: 120, missing_count: 3, failed_count: 0, compliant: false}
    after:
      description: How it is now, the same way.
      returned: when it was waited for
      type: dict
      sample: {operation: Install, installed_count: 123, missing_count: 0, failed_count: 0, compliant: true}
    failed_patches:
      description: The patches that could not be installed.
      returned: when it was waited for
      type: list
      elements: str
      sample: []
summary:
  description: How many nodes and patches there are after it, as M(fleet.ssm.patch_info) counts.
  returned: when it was waited for
  type: dict
  sample: {nodes: 20, compliant: 18, non_compliant: 2, unscanned: 0}
snapshot_id:
  description: The snapshot that all nodes used.
  returned: when it was sent
  type: str
  sample: 0f3a1b2c-5b7d-4c1a-9f00-1234567890ab
command_ids:
  description: The ids of the commands, one for each 50 of O(instance_ids).
  returned: when it was sent
  type: list
  elements: str
  sample: [9d2b4c1e-5f0a-4c3b-8d7e-6a1f2b3c4d5e]
command:
  description: What was sent; in check mode, what would be.
  returned: always
  type: dict
  sample: {document: AWS-RunPatchBaseline, parameters: {Operation: [Scan]}, instance_ids: [mi-0123456789abcdef0]}
not_sent:
  description: The ids of O(instance_ids) that it was not sent to, because more than O(max_errors) had failed before.
  returned: when it was waited for
  type: list
  elements: str
  sample: []
invocations:
  description: What became of the command on each node, as M(fleet.ssm.run_command) returns it.
  returned: when it was waited for
  type: list
  elements: dict
  sample: [{instance_id: mi-0123456789abcdef0, status: Success, response_code: 0}]
"""

import functools
import typing as t
import uuid

from ansible_collections.fleet.ssm.plugins.module_utils._commands.command import Command
from ansible_collections.fleet.ssm.plugins.module_utils._commands.parameters import as_texts
from ansible_collections.fleet.ssm.plugins.module_utils._commands.verdict import FailOn
from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api
from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import RefusedError
from ansible_collections.fleet.ssm.plugins.module_utils._engine.module import run_action
from ansible_collections.fleet.ssm.plugins.module_utils._patching import asking, counting

Row = dict[str, t.Any]

_DOCUMENT = "AWS-RunPatchBaseline"
_INSTALL = "install"
_NO_REBOOT = "NoReboot"
# The document's parameters, by option.
_PARAMETERS = {
    "snapshot_id": "SnapshotId",
    "reboot_option": "RebootOption",
    "install_override_list": "InstallOverrideList",
    "baseline_override": "BaselineOverride",
}
_OF_INSTALLATION = ("reboot_option", "install_override_list")
# Lines of patches that failed; the return value has them all.
_MOST_LINES = 16


class Patch(Command):
    """AWS-RunPatchBaseline on some nodes, with how they were and are."""

    renamed: t.ClassVar[dict[str, str]] = {"DocumentName": "document", "TimeoutSeconds": "delivery_timeout"}

    def __init__(self, api: Api, options: t.Mapping[str, t.Any]) -> None:
        self._snapshot = options["snapshot_id"] or str(uuid.uuid4())
        said = {**options, "snapshot_id": self._snapshot}
        given = {parameter: said[option] for option, parameter in _PARAMETERS.items() if said[option]}
        parameters = as_texts({"Operation": options["operation"].capitalize(), **given})
        # What nodes print is of interest where they failed.
        super().__init__(api, {**options, "output": "failed", "document": _DOCUMENT, "parameters": parameters})
        self._installs = options["operation"] == _INSTALL
        self._before: dict[str, Row] = {}
        self._patched: list[Row] = []

    def check(self) -> None:
        """Refuse what belongs to an installation only; look how the nodes are before one."""
        wrong = [name for name in _OF_INSTALLATION if self.options[name] and not self._installs]
        if wrong:
            raise RefusedError(f"{' and '.join(wrong)} can only be given with operation=install.")
        super().check()
        self._before = {row["instance_id"]: row for row in self._states(self._targeted or [])}

    def predict(self) -> Row:
        """Tell from the last scan on which nodes something would be installed."""
        reboots = self.options["reboot_option"] != _NO_REBOOT
        nodes = [
            {"instance_id": node, "before": before, "changed": self._installs and self._would_change(before, reboots)}
            for node, before in ((node, self._before.get(node, {})) for node in sorted(set(self._targeted or [])))
        ]
        # Of the nodes of a resource group nothing is known.
        is_unknown = self._installs and self._targeted is None
        return {**super().predict(), "changed": is_unknown or any(node["changed"] for node in nodes), "nodes": nodes}

    def started(self) -> Row:
        """Add the snapshot; a scan changes nothing."""
        return {**super().started(), "changed": self._installs, "snapshot_id": self._snapshot}

    def collect(self) -> Row:
        """Add how the nodes are now."""
        told = super().collect()
        after = {row["instance_id"]: row for row in self._states([one["instance_id"] for one in told["invocations"]])}
        self._patched = [self._node(one, after.get(one["instance_id"], {})) for one in told["invocations"]]
        unscanned = [node["instance_id"] for node in self._patched if not node["after"]]
        return {
            **told,
            "changed": any(node["changed"] for node in self._patched),
            "nodes": self._patched,
            "summary": counting.summary(list(after.values()), unscanned),
        }

    def failure(self) -> str:
        """Name the nodes on which the command failed, and the patches that could not be installed."""
        said = super().failure()
        fail_on = FailOn(self.options["fail_on"])
        failed = [node for node in self._patched if node["failed_patches"]]
        if fail_on is FailOn.NONE or not failed or (fail_on is FailOn.MAX_ERRORS and not said):
            return said
        lines = [f"{node['instance_id']}: {', '.join(node['failed_patches'])}" for node in failed]
        more = [f"and {len(lines) - _MOST_LINES} nodes more; the return value nodes has them all."] if lines[_MOST_LINES:] else []
        headline = f"Patches could not be installed on {len(failed)} of {len(self._patched)} nodes:"
        return "\n".join([*([said] if said else []), headline, *lines[:_MOST_LINES], *more])

    @functools.cached_property
    def _targeted(self) -> list[str] | None:
        if self.options["instance_ids"] is not None:
            return list(self.options["instance_ids"])
        return asking.targeted(self.api, self.options["targets"])

    def _states(self, ids: t.Sequence[str]) -> list[Row]:
        return [{**row, "compliant": counting.is_compliant(row)} for row in asking.states_of(self.api, ids)]

    @staticmethod
    def _would_change(before: Row, reboots: bool) -> bool:
        return not before or counting.would_change(before, reboots=reboots)

    def _node(self, invocation: Row, after: Row) -> Row:
        node = invocation["instance_id"]
        before = self._before.get(node, {})
        failed = asking.patches_of(self.api, node, every=False) if self._installs and after.get("failed_count") else []
        return {
            "instance_id": node,
            "status": invocation["status"],
            "changed": self._has_installed(node, before, after),
            "before": before,
            "after": after,
            "failed_patches": sorted(patch["kb_id"] for patch in failed if counting.state_name(patch["state"]) == "failed"),
        }

    def _has_installed(self, node: str, before: Row, after: Row) -> bool:
        if not self._installs or not after:
            return False
        if before:
            return counting.has_installed(before, after)
        # Nothing is known from before: when was each of its patches installed?
        begun = after["operation_start_time"]
        return any(patch.get("installed_time", "") >= begun for patch in asking.patches_of(self.api, node, every=True))


def main() -> None:
    """Run the module."""
    run_action(Patch, DOCUMENTATION)


if __name__ == "__main__":
    main()
