# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_doctor
short_description: Say why AWS Systems Manager does not manage a node
version_added: 0.1.0
description:
  - Asks AWS all that may keep a node from being managed, and names the first cause, with what to do about it.
  - For an EC2 instance that is its state, instance profile, role, default host management, metadata options, VPC endpoints and
    their policies, security groups, network ACL, routes and name resolution; for a hybrid node its activation, role, tier, and
    machines with the same identity; for both registration, ping, session channel, version, rights and session preferences.
  - What M(fleet.ssm.agent_doctor) found on the node is taken into the order of causes by O(found_on_node).
  - What your own identity may not ask is V(unknown) in the result, with the IAM action that is missing; it is never taken for well.
  - It changes nothing, and asks some ten to twenty questions. Those about the network are not asked where the node reports and has
    its session channel.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.attributes
  - fleet.ssm.attributes.info
  - fleet.ssm.attributes.actiongroup
options:
  instance_id:
    description:
      - The node, V(i-…) or V(mi-…).
    type: str
  activation_id:
    description:
      - The activation with which a machine has registered, or was to register; for a machine that has no id yet.
    type: str
  name:
    description:
      - The name or computer name of a hybrid node.
    type: str
  ip_address:
    description:
      - The address of a hybrid node.
    type: str
  account_id:
    description:
      - The account to which the node belongs. If your credentials are for another, that is the cause.
    type: str
  other_regions:
    description:
      - Regions in which to look for O(instance_id) too, if O(region) does not know it.
    type: list
    elements: str
    default: []
  sessions:
    description:
      - Whether sessions to the node are wanted. If so, a tier without sessions to hybrid nodes is a failure, and not a warning.
    type: bool
    default: false
  found_on_node:
    description:
      - The RV(fleet.ssm.agent_doctor#module:checks) that M(fleet.ssm.agent_doctor) returned on the node.
    type: list
    elements: dict
    default: []
notes:
  - The IAM actions it uses, those that are missing being told in the result. Always C(sts:GetCallerIdentity),
    C(ssm:DescribeInstanceInformation), C(ssm:GetConnectionStatus), C(ssm:DescribeInstanceAssociationsStatus), C(ssm:GetDocument),
    C(ssm:GetServiceSetting), C(iam:GetRole), C(iam:SimulatePrincipalPolicy).
  - For hybrid nodes C(ssm:DescribeInstanceProperties) and C(ssm:DescribeActivations).
  - For EC2 instances C(iam:GetInstanceProfile), C(ec2:DescribeInstances), C(ec2:DescribeInstanceStatus), C(ec2:GetConsoleOutput),
    C(ec2:DescribeVpcEndpoints), C(ec2:DescribeRouteTables), C(ec2:DescribeNatGateways), C(ec2:DescribeSecurityGroups),
    C(ec2:DescribeNetworkAcls), C(ec2:DescribeVpcs), C(ec2:DescribeVpcAttribute), C(ec2:DescribeDhcpOptions).
  - IAM's simulation knows neither service control policies nor the policies of keys, buckets and VPC endpoints.
seealso:
  - module: fleet.ssm.agent_doctor
"""

EXAMPLES = r"""
- name: Say why an instance is not managed
  fleet.ssm.node_doctor:
    instance_id: i-0123456789abcdef0
    region: eu-west-1
  register: found

- name: Show the first cause
  ansible.builtin.debug:
    msg: "{{ found.cause.cause }} {{ found.cause.remedy }}"
  when: found.cause

- name: Examine the server itself
  fleet.ssm.agent_doctor:
    region: eu-west-1
  become: true
  register: on_node

- name: Say why a server that was to register has not done so
  fleet.ssm.node_doctor:
    activation_id: 5743558d-563b-4457-8682-d16c3example
    region: eu-west-1
    found_on_node: "{{ on_node.checks }}"
  delegate_to: localhost
"""

RETURN = r"""
checks:
  description:
    - What each check found, those of O(found_on_node) included; failures first and in the order of causes, then what is unknown,
      warnings, and the rest.
    - C(C1) our own identity, C(C2) registered, C(C3) ping, C(C4) session channel, C(C5) version, C(C6) activation, C(C7) role of
      hybrid nodes, C(C8) instance profile, C(C9) rights, C(C10) default host management, C(C11) metadata options,
      C(C12) VPC endpoints, C(C13) security groups and network ACL, C(C14) policies of endpoints, C(C15) route,
      C(C16) name resolution, C(C17) tier, C(C18) duplicates, C(C19) session preferences, C(C20) updates, C(C21) state.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The check.
      returned: always
      type: str
      sample: C8
    title:
      description: What it is about.
      returned: always
      type: str
      sample: instance profile
    status:
      description:
        - V(fail) is wrong, V(warn) may become so, V(unknown) could not be found out, V(skip) does not apply.
      returned: always
      type: str
      sample: fail
    evidence:
      description: What was seen.
      returned: always
      type: str
      sample: The instance has no instance profile, and default host management is off.
    cause:
      description: Why it is wrong; empty when it is not.
      returned: always
      type: str
      sample: The instance has no role.
    remedy:
      description: What to do about it; empty when there is nothing to do.
      returned: always
      type: str
      sample: Attach an instance profile with AmazonSSMManagedInstanceCore.
    consequence_of:
      description: The earlier check of whose failure this may be a consequence; empty when there is none.
      returned: when it failed
      type: str
      sample: C21
cause:
  description: The first check that failed, as in RV(checks); null when none did.
  returned: always
  type: dict
  sample: {id: C8, cause: The instance has no role.}
healthy:
  description: Whether no check failed, and it is known that the node is registered and reports.
  returned: always
  type: bool
  sample: false
instance_id:
  description: The node's id; empty when it is not registered and none was given.
  returned: always
  type: str
  sample: i-0123456789abcdef0
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.common.parameters import env_fallback
from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure, FailureKind
from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import open_session
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.asking import Account
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.examination import Findings, examine, without_aws
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.facts import Question
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.checks import NotACheckError, from_result
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.verdict import verdict
from ansible_collections.fleet.ssm.plugins.module_utils._engine.arguments import HAS_YAML, argument_spec

_WAYS_TO_NAME = ["instance_id", "activation_id", "name", "ip_address"]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=argument_spec(DOCUMENTATION, frozenset(), env_fallback) if HAS_YAML else {},
        supports_check_mode=True,
        required_one_of=[_WAYS_TO_NAME] if HAS_YAML else [],
    )
    if not HAS_YAML:
        module.fail_json(msg=missing_required_lib("PyYAML"))
    try:
        on_node = [from_result(result) for result in module.params["found_on_node"]]
        findings = _findings(AwsOptions.from_mapping(module.params), _question(module.params))
        judged = verdict([*findings.checks, *on_node])
    except AwsFailure as failure:
        module.fail_json(msg=str(failure), error_code=failure.code)
    except NotACheckError as error:
        module.fail_json(msg=f"found_on_node: {error}.")
    module.exit_json(
        changed=False, checks=judged.checks, cause=judged.cause, healthy=judged.healthy, instance_id=findings.instance_id
    )


def _findings(options: AwsOptions, question: Question) -> Findings:
    try:
        session = open_session(options)
    except AwsFailure as failure:
        # A missing library or profile is the task's fault and not the node's.
        if failure.kind is FailureKind.SETUP:
            raise
        return without_aws(question, str(failure))
    return examine(Account(session), question)


def _question(params: dict[str, t.Any]) -> Question:
    said = {name: params[name] or "" for name in (*_WAYS_TO_NAME, "account_id")}
    return Question(**said, other_regions=tuple(params["other_regions"]), sessions=params["sessions"])


if __name__ == "__main__":
    main()
