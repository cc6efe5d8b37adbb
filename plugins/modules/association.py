# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: association
short_description: Create, update or delete State Manager associations
version_added: 0.1.0
description:
  - A State Manager association has AWS carry out a document on managed nodes, once, on a schedule, and whenever a node comes to be
    among its targets.
  - The module knows an association by its O(name). AWS lets several have the same name; the module then keeps the first that is as
    wanted, and O(state=absent) deletes all of them.
  - Options that are not given stay as they are in an association that is there.
  - It needs the IAM actions C(ssm:ListAssociations), C(ssm:DescribeAssociation), C(ssm:CreateAssociation),
    C(ssm:UpdateAssociation) and C(ssm:DeleteAssociation), the last three as far as it is to do that.
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
      - The name of the association, of 3 to 128 letters, digits, dots, hyphens and underscores. AWS calls it C(AssociationName).
    type: str
    required: true
  state:
    description:
      - Whether there is to be such an association. Deleting one undoes nothing on the nodes.
    type: str
    choices: [present, absent]
    default: present
  document:
    description:
      - The name, or for a document of another account the ARN, of the Command document or Automation runbook. AWS calls it C(Name),
        and cannot change it later.
      - Required with O(state=present).
    type: str
  document_version:
    description:
      - The version of the document, a number, V($DEFAULT) or V($LATEST). AWS takes V($DEFAULT) when this is not given.
    type: str
  parameters:
    description:
      - The document's parameters. AWS has lists of texts; a single text, number or boolean stands for a list of it.
      - They are shown in results and differences. For a secret refer to a parameter of Parameter Store, C({{ssm:name}}) on AWS's
        side, or set C(no_log) on the task.
    type: dict
  targets:
    description:
      - Which nodes it is for, those that all entries choose. A node that gets a tag, or registers with one, joins by itself.
    type: list
    elements: dict
    suboptions:
      key:
        description:
          - V(tag:NAME) for nodes with a tag of one of the values, V(tag-key) for those with any tag of these names, V(InstanceIds)
            for nodes by id, or with the value V(*) for all of the account and region, V(resource-groups:Name) for a resource group.
        type: str
        required: true
      values:
        description:
          - The values, at most 50.
        type: list
        elements: str
        required: true
  schedule_expression:
    description:
      - When it is carried out, such as V(rate(14 days\)) or V(cron(0 2 ? * SUN *\)), in UTC. Without it, once, and when targets
        change.
    type: str
  schedule_offset:
    description:
      - How many days after the day of a C(cron) expression it is carried out, from 1 to 6. Needs
        O(apply_only_at_cron_interval=true).
    type: int
  apply_only_at_cron_interval:
    description:
      - Whether it waits for the time of a C(cron) expression, where AWS would else carry it out right after each change of it too.
        AWS has no such choice for C(rate).
    type: bool
  max_concurrency:
    description:
      - On how many nodes at once, a number or a percentage of them such as V(10%). AWS takes V(100%) when this is not given.
    type: str
  max_errors:
    description:
      - After how many failures, a number or a percentage, it is begun on no further node.
    type: str
  compliance_severity:
    description:
      - The severity that is reported for nodes on which it fails.
    type: str
    choices: [CRITICAL, HIGH, MEDIUM, LOW, UNSPECIFIED]
  sync_compliance:
    description:
      - V(AUTO) reports a node as compliant by how it ended there, V(MANUAL) leaves that to you.
    type: str
    choices: [AUTO, MANUAL]
  duration:
    description:
      - How many hours it may run before it is cancelled, from 1 to 24.
    type: int
  calendar_names:
    description:
      - Names or ARNs of Change Calendars. It is carried out only while all of them are open.
    type: list
    elements: str
  output_location:
    description:
      - Where AWS puts the output of commands.
    type: dict
    suboptions:
      s3_location:
        description:
          - A place in S3.
        type: dict
        suboptions:
          output_s3_bucket_name:
            description:
              - The bucket.
            type: str
          output_s3_key_prefix:
            description:
              - What the names of objects begin with.
            type: str
          output_s3_region:
            description:
              - The region of the bucket.
            type: str
  automation_target_parameter_name:
    description:
      - The parameter of an Automation runbook that gets each target.
    type: str
  on_difference:
    description:
      - What to do when an association of the name is there with another O(document), which AWS cannot change.
      - V(fail) says so and changes nothing.
      - V(replace) creates a new one and then deletes the other.
    type: str
    choices: [fail, replace]
    default: fail
seealso:
  - module: fleet.ssm.association_info
  - name: Associations
    description: The user guide of AWS Systems Manager.
    link: https://docs.aws.amazon.com/systems-manager/latest/userguide/systems-manager-associations.html
"""

EXAMPLES = r"""
- name: Keep the agents of all nodes with a tag up to date
  fleet.ssm.association:
    name: update-ssm-agent
    document: AWS-UpdateSSMAgent
    targets:
      - key: tag:site
        values: [plant7]
    schedule_expression: rate(14 days)
    max_concurrency: 10%
    max_errors: 5%

- name: Run a script on Sundays at two, and not before
  fleet.ssm.association:
    name: weekly-clean-up
    document: AWS-RunShellScript
    parameters:
      commands:
        - find /var/tmp -mtime +30 -delete
    targets:
      - key: tag:role
        values: [web, db]
    schedule_expression: cron(0 2 ? * SUN *)
    apply_only_at_cron_interval: true
    output_location:
      s3_location:
        output_s3_bucket_name: our-logs

- name: Delete it
  fleet.ssm.association:
    name: weekly-clean-up
    state: absent
"""

RETURN = r"""
association:
  description:
    - The association, as AWS describes it, with O(name) and O(document) for what AWS calls C(AssociationName) and C(Name). Empty
      when there is none.
    - In check mode, what would be created, without an id.
  returned: always
  type: dict
  contains:
    association_id:
      description: Its id.
      returned: when there is an association
      type: str
      sample: 0f3a1b2c-5b7d-4c1a-9f00-1234567890ab
    association_version:
      description: How many times it was changed, plus one.
      returned: when there is an association
      type: str
      sample: "1"
    name:
      description: Its name.
      returned: when there is an association
      type: str
      sample: update-ssm-agent
    document:
      description: What is carried out.
      returned: when there is an association
      type: str
      sample: AWS-UpdateSSMAgent
    parameters:
      description: The document's parameters.
      returned: when it has any
      type: dict
      sample: {allowDowngrade: ["false"]}
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
      returned: when there is an association
      type: dict
      sample: {status: Success, detailed_status: Success, association_status_aggregated_count: {Success: 20}}
    last_execution_date:
      description: When it was carried out last, in UTC.
      returned: when it was
      type: str
      sample: "2030-01-24T18:00:00+00:00"
"""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure
from ansible_collections.fleet.ssm.plugins.module_utils._commands.parameters import as_texts
from ansible_collections.fleet.ssm.plugins.module_utils._commands.targets import same_targets
from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api
from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import RefusedError, Thing, covers, plain_same
from ansible_collections.fleet.ssm.plugins.module_utils._engine.module import run_resource
from ansible_collections.fleet.ssm.plugins.module_utils._engine.resource import Resource

_GONE = "AssociationDoesNotExist"


class Association(Resource):
    """A State Manager association; an update replaces all of it but its document."""

    noun = "association"
    title = "name"
    ids = ("AssociationId",)
    item = ("ListAssociations", "Associations")
    create = "CreateAssociation"
    update = "UpdateAssociation"
    delete = "DeleteAssociation"
    # UpdateAssociation takes the document's name, but no other one: CloudFormation replaces an association for it.
    fixed = frozenset({"Name", "AssociationVersion"})
    answered = "AssociationDescription"
    renamed: t.ClassVar[dict[str, str]] = {"Name": "document", "AssociationName": "name"}
    rules: t.ClassVar[dict[str, t.Any]] = {"required_if": [("state", "present", ["document"])]}

    def __init__(self, api: Api, options: t.Mapping[str, t.Any]) -> None:
        # Lists of texts, as AWS has them.
        given = options["parameters"]
        parameters = given if given is None else as_texts(given)
        super().__init__(api, {**options, "parameters": parameters})

    def check(self) -> None:
        """Refuse what AWS refuses only after a look at the schedule."""
        only_then = self.options["apply_only_at_cron_interval"]
        if only_then and (self.options["schedule_expression"] or "").startswith("rate("):
            raise RefusedError("apply_only_at_cron_interval needs a cron expression; AWS has no such choice for rate.")
        if self.options["schedule_offset"] is not None and not only_then:
            raise RefusedError("schedule_offset needs apply_only_at_cron_interval=true.")

    def shape(self) -> t.Any:
        """Give what DescribeAssociation tells; what is listed lacks the half of it."""
        return self.api.answer_shape("DescribeAssociation").members[self.answered]

    def find(self) -> list[dict[str, t.Any]]:
        """List those of the name, and read each whole; one that goes meanwhile is gone."""
        named = [{"key": "AssociationName", "value": self.options["name"]}]
        listed = self.api.items(*self.item, AssociationFilterList=named)
        # The filter of AWS may be a loose one.
        ids = [row["AssociationId"] for row in listed if row.get("AssociationName") == self.options["name"]]
        return [thing for thing in map(self._described, ids) if thing]

    def changes(self, have: Thing, want: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Repeat what there is: UpdateAssociation empties every member that it is not told."""
        members = self.api.request_shape(self.update or "").members
        kept = {member: have[member] for member in members if have.get(member) is not None}
        return {member: value for member, value in {**kept, **want}.items() if member in members and member not in _NOT_REPEATED}

    def same(self, member: str, have: t.Any, want: t.Any) -> bool:
        """Compare targets whatever the order of their values, a switch that was never set as off, and of places what was said."""
        if member == "Targets":
            return same_targets(have, want)
        if isinstance(want, bool):
            return bool(have) == want
        if member == "OutputLocation":
            return covers(have, want)
        return plain_same(member, have, want)

    def _described(self, association_id: str) -> dict[str, t.Any]:
        try:
            answer = self.api.call("DescribeAssociation", AssociationId=association_id)
        except AwsFailure as failure:
            if failure.code != _GONE:
                raise
            return {}
        described: dict[str, t.Any] = answer[self.answered]
        return described


# The id is given by the engine; without a version, AWS updates the latest.
_NOT_REPEATED = frozenset({"AssociationId", "AssociationVersion"})


def main() -> None:
    """Run the module."""
    run_resource(Association, DOCUMENTATION)


if __name__ == "__main__":
    main()
