# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_baseline
short_description: Create, update or delete patch baselines of Patch Manager
version_added: 0.1.0
description:
  - A patch baseline says which patches of an operating system are approved, and so what Patch Manager counts as missing on a node
    and installs there.
  - The module knows a baseline by its O(name) and O(operating_system). AWS lets several have the same; the module then keeps the
    first that is as wanted, and O(state=absent) deletes all of them. Baselines of AWS are never touched.
  - Options that are not given stay as they are in a baseline that is there, unless O(replace=true). Lists are compared whatever
    their order.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.attributes
  - fleet.ssm.attributes.resource
  - fleet.ssm.attributes.actiongroup
options:
  name:
    description:
      - The name of the baseline, of 3 to 128 letters, digits, dots, hyphens and underscores.
    type: str
    required: true
  state:
    description:
      - Whether there is to be such a baseline.
      - V(absent) takes its patch groups from it first, as AWS deletes no baseline that has any. The default baseline of an
        operating system cannot be deleted; see O(default).
    type: str
    choices: [present, absent]
    default: present
  operating_system:
    description:
      - The operating system that it is for. AWS cannot change it later, so that there is another baseline for another one.
      - Required with O(state=present). Without it, O(state=absent) deletes those of the name for all operating systems.
    type: str
    choices:
      - WINDOWS
      - AMAZON_LINUX
      - AMAZON_LINUX_2
      - AMAZON_LINUX_2022
      - AMAZON_LINUX_2023
      - UBUNTU
      - REDHAT_ENTERPRISE_LINUX
      - SUSE
      - CENTOS
      - ORACLE_LINUX
      - DEBIAN
      - MACOS
      - RASPBIAN
      - ROCKY_LINUX
      - ALMA_LINUX
  description:
    description:
      - What it is for.
    type: str
  global_filters:
    description:
      - Only patches that pass all of these filters are looked at by the baseline, at most four.
      - AWS calls the list C(PatchFilters).
    type: list
    elements: dict
    suboptions: &filters
      key:
        description:
          - What is looked at, such as V(PRODUCT), V(CLASSIFICATION), V(SEVERITY), V(MSRC_SEVERITY), V(SECTION) or V(PRIORITY).
            Which keys and values there are depends on the operating system; C(aws ssm describe-patch-properties) lists them.
        type: str
        required: true
      values:
        description:
          - The values that pass, at most 20; V(*) passes all.
        type: list
        elements: str
        required: true
  approval_rules:
    description:
      - A patch that meets one of these rules is approved, at most ten rules.
      - AWS calls the list C(PatchRules).
    type: list
    elements: dict
    suboptions:
      patch_filter_group:
        description:
          - Which patches the rule is about, those that pass all of these filters.
        type: list
        elements: dict
        required: true
        suboptions: *filters
      approve_after_days:
        description:
          - How many days after its release a patch is approved, from 0 to 360.
          - Each rule needs either this or O(approval_rules[].approve_until_date), but for Debian and Ubuntu.
        type: int
      approve_until_date:
        description:
          - Patches released until the end of this day, such as V(2030-01-31), are approved, and no later ones.
        type: str
      compliance_level:
        description:
          - How severe it is when an approved patch is missing. AWS takes V(UNSPECIFIED) when this is not given.
        type: str
        choices: [CRITICAL, HIGH, MEDIUM, LOW, INFORMATIONAL, UNSPECIFIED]
      enable_non_security:
        description:
          - Whether patches that are no security updates count, too; for Linux.
        type: bool
  approved_patches:
    description:
      - Patches that are approved whatever the rules say, at most 50.
    type: list
    elements: str
  approved_patches_compliance_level:
    description:
      - How severe it is when one of O(approved_patches) is missing.
    type: str
    choices: [CRITICAL, HIGH, MEDIUM, LOW, INFORMATIONAL, UNSPECIFIED]
  approved_patches_enable_non_security:
    description:
      - Whether O(approved_patches) has patches that are no security updates; for Linux.
    type: bool
  rejected_patches:
    description:
      - Patches that are rejected whatever the rules say, at most 50.
    type: list
    elements: str
  rejected_patches_action:
    description:
      - Whether a rejected patch may be installed because another one depends on it.
    type: str
    choices: [ALLOW_AS_DEPENDENCY, BLOCK]
  sources:
    description:
      - Repositories to take patches from in place of those of the node, at most 20; for Linux.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - What to call it.
        type: str
        required: true
      products:
        description:
          - The versions of the operating system it is for, such as V(Ubuntu16.04).
        type: list
        elements: str
        required: true
      configuration:
        description:
          - The repository, as yum or apt has it configured. It is shown in results and differences.
        type: str
        required: true
  available_security_updates_compliance_status:
    description:
      - What security updates count as that are there but not approved yet; for Windows.
    type: str
    choices: [COMPLIANT, NON_COMPLIANT]
  replace:
    description:
      - Whether options that are not given are set back to what they are in a new baseline, as AWS does by C(Replace) in
        C(UpdatePatchBaseline). It is for everything that is the baseline itself, and not for O(default), O(patch_groups) and
        O(tags).
    type: bool
    default: false
  default:
    description:
      - V(true) makes it the default baseline of its operating system, for nodes that are in no patch group.
      - AWS cannot have no default. V(false) makes AWS's own baseline the default again, if this one is it; with O(state=absent),
        too, so that it can be deleted.
      - When this is not given, the default is left as it is.
    type: bool
  patch_groups:
    description:
      - All patch groups that are to use it, values of the nodes' tag C(PatchGroup) or C(Patch Group). Others are taken from it.
      - A patch group has one baseline for each operating system. The module does not take one from another baseline.
    type: list
    elements: str
  tags:
    description:
      - Tags that it is to have.
    type: dict
  purge_tags:
    description:
      - Whether tags that are not in O(tags) are removed. Those of AWS, which begin with C(aws:), never are.
    type: bool
    default: false
notes:
  - It uses C(ssm:DescribePatchBaselines) and C(ssm:GetPatchBaseline), and as needed C(ssm:CreatePatchBaseline),
    C(ssm:UpdatePatchBaseline), C(ssm:DeletePatchBaseline), C(ssm:RegisterDefaultPatchBaseline),
    C(ssm:RegisterPatchBaselineForPatchGroup), C(ssm:DeregisterPatchBaselineForPatchGroup), C(ssm:ListTagsForResource),
    C(ssm:AddTagsToResource), C(ssm:RemoveTagsFromResource).
seealso:
  - module: fleet.ssm.patch_baseline_info
  - name: Patch baselines
    description: The user guide of AWS Systems Manager.
    link: https://docs.aws.amazon.com/systems-manager/latest/userguide/patch-manager-patch-baselines.html
"""

EXAMPLES = r"""
- name: Approve security updates after a week, for the nodes of two patch groups
  fleet.ssm.patch_baseline:
    name: web-servers
    operating_system: AMAZON_LINUX_2023
    approval_rules:
      - patch_filter_group:
          - key: CLASSIFICATION
            values: [Security]
          - key: SEVERITY
            values: [Critical, Important]
        approve_after_days: 7
        compliance_level: CRITICAL
    rejected_patches: [kernel-livepatch*]
    rejected_patches_action: BLOCK
    patch_groups: [web, web-canary]
    tags:
      team: platform

- name: Make a baseline for Debian the default, and have it be exactly this
  fleet.ssm.patch_baseline:
    name: debian
    operating_system: DEBIAN
    approval_rules:
      - patch_filter_group:
          - key: PRIORITY
            values: [Required, Important]
    replace: true
    default: true

- name: Delete it, and go back to AWS's own
  fleet.ssm.patch_baseline:
    name: debian
    default: false
    state: absent
"""

RETURN = r"""
patch_baseline:
  description:
    - The baseline, as AWS describes it, with lists for C(global_filters) and C(approval_rules). Empty when there is none.
    - In check mode, what would be created, without an id.
  returned: always
  type: dict
  contains:
    baseline_id:
      description: Its id.
      returned: when there is a baseline
      type: str
      sample: pb-0123456789abcdef0
    name:
      description: Its name.
      returned: when there is a baseline
      type: str
      sample: web-servers
    operating_system:
      description: The operating system that it is for.
      returned: when there is a baseline
      type: str
      sample: AMAZON_LINUX_2023
    approval_rules:
      description: Which patches are approved.
      returned: when it has any
      type: list
      elements: dict
      sample:
        - patch_filter_group: [{key: CLASSIFICATION, values: [Security]}]
          approve_after_days: 7
          compliance_level: CRITICAL
          enable_non_security: false
    default:
      description: Whether it is the default of its operating system.
      returned: when there is a baseline
      type: bool
      sample: false
    patch_groups:
      description: The patch groups that use it, in alphabetical order.
      returned: when there is a baseline
      type: list
      elements: str
      sample: [web, web-canary]
    tags:
      description: Its tags.
      returned: if O(tags) is given
      type: dict
      sample: {team: platform}
"""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure
from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import RefusedError, Thing
from ansible_collections.fleet.ssm.plugins.module_utils._engine.facets import Facet
from ansible_collections.fleet.ssm.plugins.module_utils._engine.module import run_resource
from ansible_collections.fleet.ssm.plugins.module_utils._engine.resource import Resource

# Of the three that AWS has for Windows, only the default's name ends like those of the others.
_AWS_DEFAULT = "DefaultPatchBaseline"

# What a baseline has of which nothing was said when it was created.
_UNSAID: dict[str, t.Any] = {
    "GlobalFilters": {"PatchFilters": []},
    "ApprovalRules": {"PatchRules": []},
    "ApprovedPatches": [],
    "ApprovedPatchesComplianceLevel": "UNSPECIFIED",
    "ApprovedPatchesEnableNonSecurity": False,
    "RejectedPatches": [],
    "RejectedPatchesAction": "ALLOW_AS_DEPENDENCY",
    "Description": None,
    "Sources": [],
    "AvailableSecurityUpdatesComplianceStatus": None,
}
_APPROVAL = ("ApproveAfterDays", "ApproveUntilDate")
_UNSAID_IN_RULE = {"ComplianceLevel": "UNSPECIFIED", "EnableNonSecurity": False}


class Default(Facet):
    """Whether it is the default baseline of its operating system."""

    name = "default"
    free = True

    def read(self, thing: Thing) -> bool:
        """Give what the list of baselines tells."""
        return bool(thing.get("DefaultBaseline"))

    def new(self) -> bool:
        """Say no."""
        return False

    def write(self, thing: Thing, have: t.Any, goal: t.Any) -> None:
        """Register it, or AWS's own in its place."""
        baseline = thing["BaselineId"] if goal else self._of_aws(thing["OperatingSystem"])
        self.api.call("RegisterDefaultPatchBaseline", BaselineId=baseline)

    def _of_aws(self, operating_system: str) -> str:
        wanted = [{"Key": "OWNER", "Values": ["AWS"]}, {"Key": "OPERATING_SYSTEM", "Values": [operating_system]}]
        for row in self.api.items("DescribePatchBaselines", "BaselineIdentities", Filters=wanted):
            if row["BaselineName"].endswith(_AWS_DEFAULT):
                return str(row["BaselineId"])
        raise RefusedError(
            f"AWS lists no baseline of its own for {operating_system}. Make another one the default by default=true."
        )


class PatchGroups(Facet):
    """The patch groups that use it."""

    name = "patch_groups"
    free = True

    def read(self, thing: Thing) -> list[str]:
        """Give what the description tells."""
        return sorted(thing.get("PatchGroups", []))

    def new(self) -> list[str]:
        """Give none."""
        return []

    def goal(self, have: t.Any) -> list[str]:
        """Give exactly those wanted."""
        return sorted(set(self.options[self.name])) if self.is_wanted else have

    def write(self, thing: Thing, have: t.Any, goal: t.Any) -> None:
        """Take out those that are not to be, and add those that are missing."""
        baseline = thing["BaselineId"]
        for group in sorted(set(have) - set(goal)):
            self.api.call("DeregisterPatchBaselineForPatchGroup", BaselineId=baseline, PatchGroup=group)
        for group in sorted(set(goal) - set(have)):
            self._add(baseline, group, thing["OperatingSystem"])

    def _add(self, baseline: str, group: str, operating_system: str) -> None:
        try:
            self.api.call("RegisterPatchBaselineForPatchGroup", BaselineId=baseline, PatchGroup=group)
        except AwsFailure as failure:
            if failure.code != "AlreadyExistsException":
                raise
            owner = self.api.call("GetPatchBaselineForPatchGroup", PatchGroup=group, OperatingSystem=operating_system)
            sentence = (
                f"The patch group {group!r} uses the baseline {owner['BaselineId']} for {operating_system}."
                " Take it out of the patch_groups of that one first."
            )
            raise RefusedError(sentence) from failure


class PatchBaseline(Resource):
    """A patch baseline of the account's own."""

    noun = "patch_baseline"
    title = "name"
    ids = ("BaselineId",)
    item = ("DescribePatchBaselines", "BaselineIdentities")
    create = "CreatePatchBaseline"
    update = "UpdatePatchBaseline"
    delete = "DeletePatchBaseline"
    tagged_as = "PatchBaseline"
    rules: t.ClassVar[dict[str, t.Any]] = {"required_if": [("state", "present", ["operating_system"])]}

    def check(self) -> None:
        """Refuse rules that say in two ways when they approve."""
        for rule in self.options["approval_rules"] or []:
            if rule["approve_after_days"] is not None and rule["approve_until_date"] is not None:
                raise RefusedError("Give each rule of approval_rules either approve_after_days or approve_until_date, not both.")

    def shape(self) -> t.Any:
        """Give what GetPatchBaseline tells; what is listed lacks most of it."""
        return self.api.answer_shape("GetPatchBaseline")

    def find(self) -> list[dict[str, t.Any]]:
        """List those of the name, and read each whole."""
        said = {"NAME_PREFIX": self.options["name"], "OWNER": "Self", "OPERATING_SYSTEM": self.options["operating_system"]}
        wanted = [{"Key": key, "Values": [value]} for key, value in said.items() if value]
        listed = [row for row in self.api.items(*self.item, Filters=wanted) if row["BaselineName"] == self.options["name"]]
        whole = [(self.api.call("GetPatchBaseline", BaselineId=row["BaselineId"]), row) for row in listed]
        return [{**described, "DefaultBaseline": row.get("DefaultBaseline", False)} for described, row in whole]

    def facets(self) -> list[Facet]:
        """Add what is registered for it."""
        return [*super().facets(), Default(self.api, self.options), PatchGroups(self.api, self.options)]

    def compared(self, want: dict[str, t.Any]) -> dict[str, t.Any]:
        """Compare what was not said too, when that is to be as in a new one."""
        return {**_UNSAID, **want} if self.options["replace"] else want

    def same(self, member: str, have: t.Any, want: t.Any) -> bool:
        """Compare whatever the order, and rules with what AWS adds to them."""
        if member == "ApprovalRules":
            have, want = _rules(have, want)
        return bool(_orderless(_UNSAID.get(member) if have is None else have) == _orderless(want))

    def changes(self, have: Thing, want: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Have AWS empty what is not said, when that is wanted."""
        said = super().changes(have, want)
        return {**said, "Replace": True} if self.options["replace"] else said

    def refuse_deletion(self, thing: Thing) -> None:
        """Refuse to delete a default, unless AWS's own is to take its place."""
        if thing["DefaultBaseline"] and self.options["default"] is not False:
            raise RefusedError(
                f"The patch baseline {self.options['name']!r} is the default for {thing['OperatingSystem']}, and AWS deletes no"
                " default. Make another one the default first by default=true, or give default=false here to go back to AWS's own."
            )

    def release(self, thing: Thing) -> None:
        """Take its patch groups and its being the default from it."""
        if thing["DefaultBaseline"]:
            Default(self.api, self.options).write(thing, True, False)
        groups = PatchGroups(self.api, self.options)
        groups.write(thing, groups.read(thing), [])


def _rules(have: t.Any, want: t.Any) -> tuple[t.Any, t.Any]:
    """Give rules with what AWS adds to them, and when they approve only where that is said."""
    have, want = ([{**_UNSAID_IN_RULE, **rule} for rule in (one or {}).get("PatchRules", [])] for one in (have, want))
    # AWS has a number of days for Debian and Ubuntu, too, where it means nothing.
    if not any(member in rule for rule in want for member in _APPROVAL):
        have = [{member: value for member, value in rule.items() if member not in _APPROVAL} for rule in have]
    return have, want


def _orderless(value: t.Any) -> t.Any:
    """Give something that is equal for values that differ in the order of lists only."""
    if isinstance(value, list):
        return sorted((_orderless(item) for item in value), key=repr)
    if isinstance(value, dict):
        return {key: _orderless(value[key]) for key in sorted(value)}
    return value


def main() -> None:
    """Run the module."""
    run_resource(PatchBaseline, DOCUMENTATION)


if __name__ == "__main__":
    main()
