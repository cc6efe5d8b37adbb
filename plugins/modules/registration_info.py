# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registration_info
short_description: Say which machines must be registered as hybrid nodes
version_added: 0.1.0
description:
  - Compares what machines say of their registration, as M(fleet.ssm.agent_info) returns it, with what AWS knows, and says for each
    what it is and whether it is to be registered.
  - It looks up all machines at once, a hundred with each request, and changes nothing. The role
    P(fleet.ssm.hybrid_activation#role) does what it says.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.attributes
  - fleet.ssm.attributes.info
  - fleet.ssm.attributes.actiongroup
options:
  machines:
    description:
      - What M(fleet.ssm.agent_info) returned, by the name of the machine.
    type: dict
    required: true
  reregister:
    description:
      - Which registrations may be replaced by a new one. V(orphaned) are those of nodes that AWS no longer knows; V(always) are
        all, also those in another region.
    type: str
    choices: [never, orphaned, always]
    default: orphaned
  new_identity:
    description:
      - Whether a copy of another machine may be registered as a machine of its own.
    type: bool
    default: false
  allow_ec2:
    description:
      - Whether an EC2 instance may be registered as a hybrid node.
    type: bool
    default: false
  tags:
    description:
      - The tags that each machine is to have, by the name of the machine.
    type: dict
    default: {}
notes:
  - It uses C(ssm:DescribeInstanceInformation), and C(tag:GetResources) for O(tags) of machines that are registered.
seealso:
  - module: fleet.ssm.agent_info
  - module: fleet.ssm.activation
"""

EXAMPLES = r"""
- name: Look at each machine
  fleet.ssm.agent_info:
  register: found

- name: Compare with what AWS knows
  fleet.ssm.registration_info:
    region: eu-west-1
    machines: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, 'found'))) }}"
  register: registrations
  delegate_to: localhost
  run_once: true

- name: Name the machines to register
  ansible.builtin.debug:
    var: registrations.to_register
  run_once: true
"""

RETURN = r"""
machines:
  description: What each machine is, by its name.
  returned: success
  type: dict
  sample: {web1: {state: new, register: true, new_identity: false, refusal: "", managed_node: {}, missing_tags: {}}}
  contains:
    state:
      description:
        - V(new) has an agent that is not registered; V(registered) is known to AWS in the region.
        - V(orphaned) believes to be a node that AWS does not know. V(elsewhere) is registered in another region.
        - V(clone) has the identity of another machine, as a copy of its disk has.
        - V(ec2) is an EC2 instance, and V(no_agent) has no agent.
      type: str
    register:
      description: Whether it is to be registered.
      type: bool
    new_identity:
      description: Whether it must get a machine id of its own before.
      type: bool
    refusal:
      description: Why it is neither registered nor to be registered, and what to do about it. Empty if it is one of them.
      type: str
    managed_node:
      description: The node as AWS lists it. Empty if it does not.
      type: dict
    missing_tags:
      description: Those of O(tags) that the node does not have, or will not have by RV(common_tags).
      type: dict
region:
  description: The region that was asked, in which to register.
  returned: success
  type: str
  sample: eu-west-1
to_register:
  description: The names of the machines to register.
  returned: success
  type: list
  elements: str
  sample: [web1]
common_tags:
  description: Those of O(tags) that are the same for all machines to register. An activation can give them.
  returned: success
  type: dict
  sample: {site: plant7}
"""

import dataclasses
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.common.parameters import env_fallback
from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure
from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import AwsSession, open_session, option_name
from ansible_collections.fleet.ssm.plugins.module_utils._engine import shapes
from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api
from ansible_collections.fleet.ssm.plugins.module_utils._engine.arguments import HAS_YAML, argument_spec
from ansible_collections.fleet.ssm.plugins.module_utils._registration import listing, tagging
from ansible_collections.fleet.ssm.plugins.module_utils._registration.classification import (
    Machine,
    Reregister,
    State,
    Verdict,
    Wishes,
    classify,
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=argument_spec(DOCUMENTATION, frozenset(), env_fallback) if HAS_YAML else {}, supports_check_mode=True
    )
    if not HAS_YAML:
        module.fail_json(msg=missing_required_lib("PyYAML"))
    try:
        result = _compare(open_session(AwsOptions.from_mapping(module.params)), module.params)
    except AwsFailure as failure:
        module.fail_json(msg=str(failure), error_code=failure.code)
    except NotAMachineError as error:
        module.fail_json(msg=f"machines: {error}")
    module.exit_json(changed=False, **result)


class NotAMachineError(Exception):
    """What was given of a machine is not what agent_info returns."""


def _compare(session: AwsSession, params: dict[str, t.Any]) -> dict[str, t.Any]:
    machines = {name: _machine(name, said) for name, said in params["machines"].items()}
    ssm = Api(session.client("ssm"))
    records = listing.records(ssm, (machine.node_id for machine in machines.values() if machine.node_id))
    wishes = Wishes(session.region, Reregister(params["reregister"]), params["new_identity"], params["allow_ec2"])
    verdicts = classify(machines, records, wishes)
    to_register = [name for name, verdict in verdicts.items() if verdict.register]
    wanted = tagging.as_texts(params["tags"])
    common = tagging.common([wanted.get(name, {}) for name in to_register])
    have = _tags_now(session, wanted, verdicts, machines)
    return {
        "region": session.region,
        "to_register": to_register,
        "common_tags": common,
        "machines": {
            name: {
                "state": verdict.state.value,
                "register": verdict.register,
                "new_identity": verdict.register and verdict.state is State.CLONE,
                "refusal": verdict.refusal,
                "managed_node": _shown(ssm, records.get(machines[name].node_id, {})),
                "missing_tags": tagging.missing(wanted.get(name, {}), common if verdict.register else have.get(name, {})),
            }
            for name, verdict in verdicts.items()
        },
    }


def _machine(name: str, said: t.Any) -> Machine:
    try:
        agent, machine = said["agent"], said["machine"]
        return Machine(
            has_agent=agent["kind"] is not None,
            node_id=agent["node_id"] or "",
            region=agent["region"] or "",
            **{field.name: machine[field.name] for field in dataclasses.fields(Machine) if field.name in machine},
        )
    except (KeyError, TypeError) as error:
        raise NotAMachineError(
            f"what is given for {name} is not what fleet.ssm.agent_info returns; did the task fail there?"
        ) from error


def _tags_now(
    session: AwsSession,
    wanted: t.Mapping[str, listing.Tags],
    verdicts: t.Mapping[str, Verdict],
    machines: t.Mapping[str, Machine],
) -> dict[str, listing.Tags]:
    asked = [name for name, tags in wanted.items() if tags and name in verdicts and verdicts[name].state is State.REGISTERED]
    if not asked:
        return {}
    by_node = listing.tags(Api(session.client("resourcegroupstaggingapi")))
    return {name: by_node.get(machines[name].node_id, {}) for name in asked}


def _shown(ssm: Api, record: dict[str, t.Any]) -> t.Any:
    shape = ssm.answer_shape("DescribeInstanceInformation").members["InstanceInformationList"].member
    return shapes.to_result(shape, record, option_name)


if __name__ == "__main__":
    main()
