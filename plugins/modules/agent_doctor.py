# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# No annotations from __future__: this runs on nodes, with Python 3.6 and newer.

DOCUMENTATION = r"""
module: agent_doctor
short_description: Say, on a node, why AWS Systems Manager does not manage it
version_added: 0.1.0
description:
  - Examines the machine it runs on, as the SSM agent sees it, and names what keeps the agent from AWS, the first cause on top.
  - It needs nothing but Python, changes nothing, and runs over whatever connection reaches the machine, SSH for instance.
  - It goes the agent's own way to the endpoints of ssm, ssmmessages, ec2messages and s3, with the agent's proxy and certificate
    authorities, up to the answer of AWS and the opening of a websocket; and it reads the agent's unit, configuration, registration
    and log since its last start.
  - All of it takes a few seconds, also where nothing answers.
  - M(fleet.ssm.node_doctor) makes the checks for which AWS has to be asked; the role P(fleet.ssm.doctor#role) does both.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.attributes
  - fleet.ssm.attributes.info
options:
  region:
    description:
      - The AWS region to which the node belongs, or is to belong.
      - Without it, the one of the node's registration, or of the instance metadata service. A machine that was never registered has
        neither.
    type: str
  endpoints:
    description:
      - Where services are, by their names V(ssm), V(ssmmessages), V(ec2messages) and V(s3), as host names or URLs, for VPC
        endpoints without private DNS.
      - Services that are not named are at the endpoints of the region.
    type: dict
    default: {}
  timeout:
    description:
      - How many seconds each step of the way to an endpoint may take.
    type: float
    default: 2
  total_timeout:
    description:
      - After how many seconds the module no longer waits for endpoints that have not answered.
    type: float
    default: 7
notes:
  - Run it as root (C(become)); the agent's registration and log are root's. What cannot be read is V(unknown) in the result.
  - It is for Linux. Windows nodes cannot be examined with it.
  - Keys, tokens, passwords and activation codes are blacked out in what it returns.
seealso:
  - module: fleet.ssm.node_doctor
"""

EXAMPLES = r"""
- name: Say why this machine is not managed
  fleet.ssm.agent_doctor:
    region: eu-west-1
  become: true
  register: found

- name: Show the first cause
  ansible.builtin.debug:
    msg: "{{ found.cause.cause }} {{ found.cause.remedy }}"
  when: found.cause
"""

RETURN = r"""
checks:
  description:
    - What each check found, failures first and in the order of causes, then what is unknown, warnings, and the rest.
    - C(N1) agent installed, C(N2) running, C(N3) names, C(N4) connections, C(N5) clock, C(N6) certificates, C(N7) answers,
      C(N8) proxy, C(N9) fingerprint, C(N10) registration, C(N11) activation, C(N12) credentials, C(N13) denials,
      C(N14) metadata service, C(N15) hibernation, C(N16) disk, C(N17) memory and locks, C(N18) sudo, C(N19) security modules,
      C(N20) CloudWatch agent, C(N21) the agent's configuration.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The check.
      returned: always
      type: str
      sample: N4
    title:
      description: What it is about.
      returned: always
      type: str
      sample: connections to port 443
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
      sample: "ssm.eu-west-1.amazonaws.com: Connection refused."
    cause:
      description: Why it is wrong; empty when it is not.
      returned: always
      type: str
      sample: AWS's endpoint refused the connection.
    remedy:
      description: What to do about it; empty when there is nothing to do.
      returned: always
      type: str
      sample: Allow the node TCP to port 443.
    consequence_of:
      description: The earlier check of whose failure this may be a consequence; empty when there is none.
      returned: when it failed
      type: str
      sample: N3
cause:
  description: The first check that failed, as in RV(checks); null when none did.
  returned: always
  type: dict
  sample: {id: N4, cause: AWS's endpoint refused the connection.}
healthy:
  description: Whether no check failed.
  returned: always
  type: bool
  sample: false
instance_id:
  description: Which node the machine is, as far as it knows; empty when it does not.
  returned: always
  type: str
  sample: mi-0123456789abcdef0
region:
  description: The region it was examined for; empty when none is known.
  returned: always
  type: str
  sample: eu-west-1
agent_version:
  description: The version that the agent's log names; empty when it names none.
  returned: always
  type: str
  sample: 3.3.987.0
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.endpoints import SERVICES, BadEndpointError
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.examination import Question, examine
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.verdict import verdict


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "region": {"type": "str"},
            "endpoints": {"type": "dict", "default": {}},
            "timeout": {"type": "float", "default": 2},
            "total_timeout": {"type": "float", "default": 7},
        },
        supports_check_mode=True,
    )
    unknown = sorted(set(module.params["endpoints"]) - set(SERVICES))
    if unknown:
        module.fail_json(msg="endpoints takes {}, not {}.".format(", ".join(SERVICES), ", ".join(unknown)))
    question = Question(
        module.params["region"] or "",
        {service: str(place) for service, place in module.params["endpoints"].items()},
        module.params["timeout"],
        module.params["total_timeout"],
    )
    try:
        findings = examine(question)
    except BadEndpointError as error:
        module.fail_json(msg=str(error))
    judged = verdict(findings.checks)
    module.exit_json(
        changed=False,
        checks=judged.checks,
        cause=judged.cause,
        healthy=judged.healthy,
        instance_id=findings.instance_id,
        region=findings.region,
        agent_version=findings.agent_version,
    )


if __name__ == "__main__":
    main()
