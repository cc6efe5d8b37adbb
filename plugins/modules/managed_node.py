# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: managed_node
short_description: Tag a hybrid node of AWS Systems Manager, give it another role, or deregister it
version_added: 0.1.0
description:
  - Changes what AWS keeps of a node outside EC2, C(mi-...). A node comes into being when its agent registers; see the role
    P(fleet.ssm.hybrid_activation#role).
  - Tags and roles of EC2 instances are EC2's.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.attributes
  - fleet.ssm.attributes.resource
  - fleet.ssm.attributes.actiongroup
options:
  instance_id:
    description:
      - The id of the node.
    type: str
    required: true
  state:
    description:
      - V(present) gives the node the O(iam_role) and O(tags), and fails if AWS does not know it.
      - V(absent) deregisters it. Its agent goes on running and is refused by AWS, until it is registered again or removed.
    type: str
    choices: [present, absent]
    default: present
  iam_role:
    description:
      - The name, not the ARN, of the IAM service role that the node is to have.
    type: str
  tags:
    description:
      - Tags that the node is to have.
    type: dict
  purge_tags:
    description:
      - Whether tags that are not in O(tags) are removed. Those of AWS, which begin with C(aws:), never are.
    type: bool
    default: false
notes:
  - It uses C(ssm:DescribeInstanceInformation), and as needed C(ssm:ListTagsForResource), C(ssm:AddTagsToResource),
    C(ssm:RemoveTagsFromResource), C(ssm:UpdateManagedInstanceRole), C(ssm:DeregisterManagedInstance).
seealso:
  - module: fleet.ssm.managed_node_info
"""

EXAMPLES = r"""
- name: Tag a node
  fleet.ssm.managed_node:
    instance_id: mi-0123456789abcdef0
    tags:
      site: plant7
      Name: press-3

- name: Give a node another role
  fleet.ssm.managed_node:
    instance_id: mi-0123456789abcdef0
    iam_role: PlantServiceRole

- name: Deregister a node
  fleet.ssm.managed_node:
    instance_id: mi-0123456789abcdef0
    state: absent
"""

RETURN = r"""
managed_node:
  description: The node as AWS lists it, with C(tags) if O(tags) is given. Empty when it is deregistered.
  returned: always
  type: dict
  sample: {instance_id: mi-0123456789abcdef0, ping_status: Online, iam_role: SSMServiceRole, tags: {site: plant7}}
"""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import RefusedError
from ansible_collections.fleet.ssm.plugins.module_utils._engine.facets import Tags
from ansible_collections.fleet.ssm.plugins.module_utils._engine.module import run_resource
from ansible_collections.fleet.ssm.plugins.module_utils._engine.resource import Outcome, Resource
from ansible_collections.fleet.ssm.plugins.module_utils._registration import listing, service_role


class ManagedNode(Resource):
    """A hybrid node: changed and deregistered here, never created."""

    noun = "managed_node"
    title = "instance_id"
    ids = ("InstanceId",)
    item = ("DescribeInstanceInformation", "InstanceInformationList")

    def check(self) -> None:
        """Refuse an EC2 instance, and an ARN as the role."""
        if not self.options["instance_id"].startswith("mi-"):
            raise RefusedError(f"instance_id must be that of a hybrid node, mi-..., not {self.options['instance_id']!r}.")
        if sentence := service_role.refusal(self.options["iam_role"] or ""):
            raise RefusedError(sentence)

    def find(self) -> list[dict[str, t.Any]]:
        """Look the node up."""
        return list(listing.records(self.api, [self.options["instance_id"]]).values())

    def ensure(self, check_mode: bool) -> Outcome:
        """Change what differs; a node that AWS does not know can only be absent."""
        self.check()
        found = self.find()
        if self.options["state"] == "absent":
            if found and not check_mode:
                self.api.call("DeregisterManagedInstance", InstanceId=self.options["instance_id"])
            return Outcome(bool(found), self._result(found[0] if found else None), {})
        if not found:
            raise RefusedError(f"AWS knows no node {self.options['instance_id']} in this region.")
        return self._present(found[0], check_mode)

    def _present(self, node: dict[str, t.Any], check_mode: bool) -> Outcome:
        before, after = self._result(node), self._result(node)
        role = self.options["iam_role"]
        new_role = bool(role) and not service_role.same(node.get("IamRole", ""), role)
        if new_role:
            after["iam_role"] = role
        tags = Tags(self.api, self.options, listing.TAGGED_AS, self.ids[0])
        if tags.is_wanted:
            before["tags"] = tags.read(node)
            after["tags"] = tags.goal(before["tags"])
        changed = new_role or after.get("tags") != before.get("tags")
        if not check_mode:
            if new_role:
                self.api.call("UpdateManagedInstanceRole", InstanceId=self.options["instance_id"], IamRole=role)
            if tags.is_wanted:
                tags.write(node, before["tags"], after["tags"])
        return Outcome(changed, before, after)


def main() -> None:
    """Run the module."""
    run_resource(ManagedNode, DOCUMENTATION)


if __name__ == "__main__":
    main()
