# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_baseline_info
short_description: List patch baselines of Patch Manager
version_added: 0.1.0
description:
  - Lists the patch baselines of an account and region, those of AWS included.
  - It needs the IAM action C(ssm:DescribePatchBaselines), and with O(details=true) also C(ssm:GetPatchBaseline).
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.attributes
  - fleet.ssm.attributes.info
  - fleet.ssm.attributes.actiongroup
options:
  name_prefix:
    description:
      - Only baselines whose names begin so.
    type: str
  owner:
    description:
      - Only those of AWS, or only the account's own.
    type: str
    choices: [AWS, Self]
  operating_system:
    description:
      - Only baselines for this operating system, such as V(AMAZON_LINUX_2023) or V(WINDOWS).
    type: str
  details:
    description:
      - Whether to read each baseline whole, with its rules and patch groups, which takes a call for each.
    type: bool
    default: false
seealso:
  - module: fleet.ssm.patch_baseline
"""

EXAMPLES = r"""
- name: List the account's own baselines with their rules
  fleet.ssm.patch_baseline_info:
    owner: Self
    details: true
  register: own

- name: See which baseline is the default for Windows
  fleet.ssm.patch_baseline_info:
    operating_system: WINDOWS
  register: windows

- name: Show its name
  ansible.builtin.debug:
    msg: "{{ windows.patch_baselines | selectattr('default') | map(attribute='name') | first }}"
"""

RETURN = r"""
patch_baselines:
  description: The baselines.
  returned: always
  type: list
  elements: dict
  contains:
    baseline_id:
      description: Its id, which is an ARN for a baseline of AWS.
      returned: always
      type: str
      sample: pb-0123456789abcdef0
    name:
      description: Its name.
      returned: always
      type: str
      sample: web-servers
    description:
      description: What it is for.
      returned: when it has one
      type: str
      sample: Security updates after a week
    operating_system:
      description: The operating system that it is for.
      returned: always
      type: str
      sample: AMAZON_LINUX_2023
    default:
      description: Whether it is the default of its operating system.
      returned: always
      type: bool
      sample: false
    approval_rules:
      description: Which patches are approved, as M(fleet.ssm.patch_baseline) has them.
      returned: with O(details=true)
      type: list
      elements: dict
      sample: [{patch_filter_group: [{key: CLASSIFICATION, values: [Security]}], approve_after_days: 7}]
    patch_groups:
      description: The patch groups that use it.
      returned: with O(details=true)
      type: list
      elements: str
      sample: [web]
"""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import option_name
from ansible_collections.fleet.ssm.plugins.module_utils._engine import shapes
from ansible_collections.fleet.ssm.plugins.module_utils._engine.info import Info
from ansible_collections.fleet.ssm.plugins.module_utils._engine.module import run_info


class PatchBaselines(Info):
    """The patch baselines of an account and region."""

    noun = "patch_baselines"
    item = ("DescribePatchBaselines", "BaselineIdentities")
    filters: t.ClassVar[dict[str, str]] = {
        "name_prefix": "NAME_PREFIX",
        "owner": "OWNER",
        "operating_system": "OPERATING_SYSTEM",
    }
    renamed: t.ClassVar[dict[str, str]] = {
        "BaselineName": "name",
        "BaselineDescription": "description",
        "DefaultBaseline": "default",
    }

    def entries(self) -> list[dict[str, t.Any]]:
        """Read each whole when that is wanted."""
        listed = super().entries()
        return [{**row, **self._described(row["baseline_id"])} for row in listed] if self.options["details"] else listed

    def _described(self, baseline_id: str) -> dict[str, t.Any]:
        answer = self.api.call("GetPatchBaseline", BaselineId=baseline_id)
        described: dict[str, t.Any] = shapes.to_result(self.api.answer_shape("GetPatchBaseline"), answer, option_name)
        return described


def main() -> None:
    """Run the module."""
    run_info(PatchBaselines, DOCUMENTATION)


if __name__ == "__main__":
    main()
