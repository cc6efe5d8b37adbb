# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: association_info
short_description: List State Manager associations
version_added: 0.1.0
description:
  - Lists the State Manager associations of an account and region, or only those of a document, of a name or of a node.
  - It needs the IAM action C(ssm:ListAssociations), and with O(instance_id) also C(ssm:DescribeInstanceAssociationsStatus).
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.attributes
  - fleet.ssm.attributes.info
  - fleet.ssm.attributes.actiongroup
options:
  name:
    description:
      - Only associations of this name.
    type: str
  document:
    description:
      - Only associations that carry out this document.
    type: str
  instance_id:
    description:
      - Only associations that State Manager applies to this node, however they target it. What became of each on the node is in
        C(on_node).
    type: str
seealso:
  - module: fleet.ssm.association
"""

EXAMPLES = r"""
- name: List all associations
  fleet.ssm.association_info:
  register: everything

- name: See what keeps the agent of a node up to date
  fleet.ssm.association_info:
    document: AWS-UpdateSSMAgent
    instance_id: mi-0123456789abcdef0
  register: updating
"""

RETURN = r"""
associations:
  description:
    - The associations, as AWS lists them, with C(name) and C(document) for what AWS calls C(AssociationName) and C(Name).
  returned: always
  type: list
  elements: dict
  contains:
    association_id:
      description: Its id.
      returned: always
      type: str
      sample: 0f3a1b2c-5b7d-4c1a-9f00-1234567890ab
    name:
      description: Its name.
      returned: when it has one
      type: str
      sample: update-ssm-agent
    document:
      description: What is carried out.
      returned: always
      type: str
      sample: AWS-UpdateSSMAgent
    targets:
      description: Which nodes it is for.
      returned: when it has any
      type: list
      elements: dict
      sample: [{key: "tag:site", values: [plant7]}]
    schedule_expression:
      description: When it is carried out.
      returned: when it has a schedule
      type: str
      sample: rate(14 days)
    overview:
      description: What became of it, over all nodes.
      returned: when it was begun
      type: dict
      sample: {status: Success, detailed_status: Success, association_status_aggregated_count: {Success: 20}}
    last_execution_date:
      description: When it was carried out last, in UTC.
      returned: when it was
      type: str
      sample: "2030-01-24T18:00:00+00:00"
    on_node:
      description: What became of it on the node, as DescribeInstanceAssociationsStatus tells it.
      returned: with O(instance_id)
      type: dict
      sample: {status: Success, execution_date: "2030-01-24T18:00:00+00:00"}
"""

import functools
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import option_name
from ansible_collections.fleet.ssm.plugins.module_utils._engine import shapes
from ansible_collections.fleet.ssm.plugins.module_utils._engine.info import Info
from ansible_collections.fleet.ssm.plugins.module_utils._engine.module import run_info

_OF_NODE = ("DescribeInstanceAssociationsStatus", "InstanceAssociationStatusInfos")
# What is told of the association itself.
_OF_ASSOCIATION = ("AssociationId", "Name", "AssociationName", "InstanceId")


class Associations(Info):
    """The State Manager associations of an account and region."""

    noun = "associations"
    item = ("ListAssociations", "Associations")
    filters: t.ClassVar[dict[str, str]] = {"name": "AssociationName", "document": "Name"}
    filters_member = "AssociationFilterList"
    renamed: t.ClassVar[dict[str, str]] = {"Name": "document", "AssociationName": "name"}

    @functools.cached_property
    def statuses(self) -> dict[str, dict[str, t.Any]]:
        """What became of associations on the node, by their ids."""
        rows = self.api.items(*_OF_NODE, InstanceId=self.options["instance_id"])
        return {row["AssociationId"]: row for row in rows}

    def keep(self, item: dict[str, t.Any]) -> bool:
        """Leave those of the node: AWS's own filter by node knows only associations as they were made before there were targets."""
        return self.options["instance_id"] is None or item["AssociationId"] in self.statuses

    def entries(self) -> list[dict[str, t.Any]]:
        """Add to each what became of it on the node."""
        listed = super().entries()
        if self.options["instance_id"] is None:
            return listed
        operation, member = _OF_NODE
        shape = self.api.answer_shape(operation).members[member].member
        return [{**entry, "on_node": shapes.to_result(shape, self._status(entry), option_name)} for entry in listed]

    def _status(self, entry: dict[str, t.Any]) -> dict[str, t.Any]:
        row = self.statuses[entry["association_id"]]
        return {member: value for member, value in row.items() if member not in _OF_ASSOCIATION}


def main() -> None:
    """Run the module."""
    run_info(Associations, DOCUMENTATION)


if __name__ == "__main__":
    main()
