# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_info
short_description: Tell how nodes are patched, by the last scan or installation of Patch Manager
version_added: 0.1.0
description:
  - Tells the patch states of nodes and counts them, in the fewest calls, fifty nodes in each, or a hundred of a patch group.
  - It scans nothing. What it tells is as old as C(operation_end_time) of each node.
  - It needs the IAM action C(ssm:DescribeInstancePatchStates), or with O(patch_group)
    C(ssm:DescribeInstancePatchStatesForPatchGroup); with O(patches) also C(ssm:DescribeInstancePatches); without O(instance_ids)
    and O(patch_group) also C(ssm:DescribeInstanceProperties), or else C(ssm:DescribeInstanceInformation), which takes twenty times
    the calls.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.attributes
  - fleet.ssm.attributes.info
  - fleet.ssm.attributes.actiongroup
options:
  instance_ids:
    description:
      - Only these nodes. Without it and O(patch_group), all managed nodes of the account and region.
    type: list
    elements: str
  patch_group:
    description:
      - Only the nodes that were of this patch group when they were scanned. Nodes that never were are not known then.
    type: str
  patches:
    description:
      - Which patches to tell of each node, which takes a call for each node that has any.
      - V(none) tells none, only how many there are.
      - V(problems) tells those that are missing, failed, wait for a reboot, or are installed and rejected.
      - V(all) tells installed ones, too.
    type: str
    choices: [none, problems, all]
    default: none
  only_non_compliant:
    description:
      - Whether to leave out nodes on which nothing is to be done. They are counted all the same.
    type: bool
    default: false
seealso:
  - module: fleet.ssm.patch_baseline
"""

EXAMPLES = r"""
- name: See what is missing where
  fleet.ssm.patch_info:
    patches: problems
    only_non_compliant: true
  register: patching

- name: Count
  ansible.builtin.debug:
    msg: "{{ patching.summary }}"

- name: Stop unless every node of a patch group is compliant
  fleet.ssm.patch_info:
    patch_group: canary
  register: canary
  failed_when: canary.summary.non_compliant > 0
"""

RETURN = r"""
nodes:
  description: The nodes that were scanned, in the order of their ids.
  returned: always
  type: list
  elements: dict
  contains:
    instance_id:
      description: The node.
      returned: always
      type: str
      sample: mi-0123456789abcdef0
    compliant:
      description: Whether no patch is missing, failed, waits for a reboot, or is installed and rejected.
      returned: always
      type: bool
      sample: false
    patch_group:
      description: Its patch group, empty when it is in none.
      returned: always
      type: str
      sample: web
    baseline_id:
      description: The baseline it was scanned by.
      returned: always
      type: str
      sample: pb-0123456789abcdef0
    operation:
      description: What was done last, C(Scan) or C(Install).
      returned: always
      type: str
      sample: Scan
    operation_end_time:
      description: When that was over, in UTC.
      returned: always
      type: str
      sample: "2030-01-24T18:00:00+00:00"
    snapshot_id:
      description: The snapshot of the baseline.
      returned: when there is one
      type: str
      sample: 0f3a1b2c-5b7d-4c1a-9f00-1234567890ab
    missing_count:
      description: How many patches are missing. There is such a count for each state.
      returned: always
      type: int
      sample: 2
    failed_count:
      description: How many could not be installed.
      returned: always
      type: int
      sample: 0
    installed_pending_reboot_count:
      description: How many were installed since the last reboot.
      returned: always
      type: int
      sample: 0
    patches:
      description: Its patches.
      returned: unless O(patches=none)
      type: list
      elements: dict
      sample:
        - title: openssl:3.0.15-1
          kb_id: openssl
          classification: Security
          severity: Critical
          state: Missing
          cve_ids: CVE-2024-5535
unscanned:
  description: The nodes that were never scanned.
  returned: always
  type: list
  elements: str
  sample: [mi-0123456789abcdef1]
summary:
  description:
    - How many nodes and patches there are, of all nodes asked for. C(non_compliant_patches) is by the compliance level that AWS
      gives them, C(severities) counts what O(patches) tells.
  returned: always
  type: dict
  sample:
    nodes: 20
    compliant: 17
    non_compliant: 2
    unscanned: 1
    patches: {installed: 2000, missing: 3, failed: 1}
    non_compliant_patches: {critical: 1, security: 3, other: 1}
    severities: {Critical: {missing: 1}, Important: {failed: 1, missing: 2}}
"""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._engine.info import Info
from ansible_collections.fleet.ssm.plugins.module_utils._engine.module import run_info
from ansible_collections.fleet.ssm.plugins.module_utils._patching import asking, counting

Row = dict[str, t.Any]


class PatchStates(Info):
    """The patch states of some nodes."""

    noun = "nodes"
    rules: t.ClassVar[dict[str, t.Any]] = {"mutually_exclusive": [("instance_ids", "patch_group")]}

    def entries(self) -> list[Row]:
        """Read the states, and the patches of nodes where they are wanted."""
        self._asked: list[str] = []
        if self.options["patch_group"]:
            rows = asking.states_of_group(self.api, self.options["patch_group"])
        else:
            given = self.options["instance_ids"]
            self._asked = asking.node_ids(self.api) if given is None else given
            rows = asking.states_of(self.api, self._asked)
        self._all = [self._judged(row) for row in sorted(rows, key=lambda row: str(row["instance_id"]))]
        return [row for row in self._all if not (row["compliant"] and self.options["only_non_compliant"])]

    def also(self, entries: t.Sequence[Row]) -> Row:
        """Count all of them, and name those of which nothing is known."""
        scanned = {row["instance_id"] for row in self._all}
        unscanned = sorted(set(self._asked) - scanned)
        return {"unscanned": unscanned, "summary": counting.summary(self._all, unscanned)}

    def _judged(self, row: Row) -> Row:
        compliant = counting.is_compliant(row)
        which = self.options["patches"]
        if which == "none":
            return {**row, "compliant": compliant}
        some = which == "all" or not compliant
        patches = asking.patches_of(self.api, row["instance_id"], every=which == "all") if some else []
        return {**row, "compliant": compliant, "patches": patches}


def main() -> None:
    """Run the module."""
    run_info(PatchStates, DOCUMENTATION)


if __name__ == "__main__":
    main()
