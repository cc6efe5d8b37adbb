# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: agent_info
short_description: Say which SSM Agent a machine has, and what it does
version_added: 0.1.0
description:
  - Looks at the machine itself, and asks AWS nothing. It needs neither an agent there nor facts.
  - All that is returned is what the package managers, systemd and the agent say. The registration is the one that C(ssm-cli) tells,
    for the file C(/var/lib/amazon/ssm/registration) may name a node that is no more.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.attributes
  - fleet.ssm.attributes.info
options: {}
requirements:
  - Python >= 3.6 on the managed node
seealso:
  - module: fleet.ssm.agent_package
"""

EXAMPLES = r"""
- name: Look at the agent
  fleet.ssm.agent_info:
  register: found

- name: Name the machines that Systems Manager does not know
  ansible.builtin.debug:
    msg: "{{ inventory_hostname }} is not registered"
  when: found.agent.node_id is none
"""

RETURN = r"""
agent:
  description: The agent. Each is null where there is none.
  returned: success
  type: dict
  contains:
    kind:
      description: What it was installed as, V(deb), V(rpm), V(snap) or, on macOS, V(pkg).
      type: str
      sample: deb
    version:
      description: Its version.
      type: str
      sample: 3.3.987.0
    unit:
      description: Its systemd unit; on macOS the label that launchd knows it by.
      type: str
      sample: amazon-ssm-agent.service
    running:
      description: >-
        Whether the unit is active, on macOS whether launchd has it loaded. Null where systemd does not run the machine, as when an
        image is built.
      type: bool
    enabled:
      description: Whether the unit is started at boot.
      type: bool
    node_id:
      description: The id of the managed node, if the machine is registered.
      type: str
      sample: mi-0123456789abcdef0
    region:
      description: The region it is registered in.
      type: str
      sample: eu-west-1
installed:
  description: Every package of the agent that is there. More than one is a mistake that the agent does not survive.
  returned: success
  type: list
  elements: dict
  sample: [{kind: deb, version: 3.3.987.0}]
system:
  description: What packages the machine takes. Null where the agent cannot be installed by this collection.
  returned: success
  type: dict
  contains:
    kind:
      description: V(deb), V(rpm) or V(pkg).
      type: str
      sample: rpm
    architecture:
      description: V(amd64), V(386), V(arm64) or V(arm).
      type: str
      sample: arm64
    booted:
      description: Whether systemd runs the machine, or launchd.
      type: bool
machine:
  description: By what the machine can be told from others.
  returned: success
  type: dict
  contains:
    machine_id:
      description: Its id, see machine-id(5). The agent takes a machine with another id for another machine.
      type: str
      sample: 6f1d3c0f9d5a4b5e8b8f5b0b1e0a7c3d
    hostname:
      description: Its name.
      type: str
      sample: press-3.example.com
    addresses:
      description: Its addresses, but for those of the loopback.
      type: list
      elements: str
      sample: [10.0.7.3]
    on_ec2:
      description: Whether it is an EC2 instance. Of a Mac that is taken for granted, as the agent does.
      type: bool
cloudwatch_agent:
  description: The CloudWatch agent, as M(fleet.ssm.cloudwatch_agent_info) tells it.
  returned: success
  type: dict
  sample: {kind: deb, version: 1.300073.2b1889, unit: amazon-cloudwatch-agent.service, booted: true}
unsupported:
  description: Why RV(system) is null.
  returned: when it is
  type: str
  sample: openSUSE Leap 15.6 is neither of the Debian nor of the RHEL family, nor Amazon Linux, nor SUSE Linux Enterprise Server
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleet.ssm.plugins.module_utils._agent.platforms import NAME, UnsupportedError
from ansible_collections.fleet.ssm.plugins.module_utils._machine import (
    agent_state,
    cloudwatch_agent,
    identity,
    installation,
    system,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t


def _system() -> "t.Dict[str, t.Any]":
    try:
        return {"system": dict(system.this_system()._asdict())}
    except UnsupportedError as error:
        return {"system": None, "unsupported": str(error)}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    found = _system()
    there = installation.installed(NAME)
    booted = bool(found["system"] and found["system"]["booted"])
    module.exit_json(
        changed=False,
        agent=agent_state.describe(there, booted),
        machine=identity.describe(),
        cloudwatch_agent=cloudwatch_agent.describe(),
        installed=[dict(one._asdict()) for one in there],
        **found,
    )


if __name__ == "__main__":
    main()
