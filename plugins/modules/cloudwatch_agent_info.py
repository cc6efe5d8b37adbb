# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: cloudwatch_agent_info
short_description: Say which CloudWatch agent a machine has
version_added: 0.1.0
description:
  - Asks the machine's package managers, and nobody else. However the agent was installed, by M(fleet.ssm.cloudwatch_agent_package),
    by Distributor or by hand, its package is in there.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.attributes
  - fleet.ssm.attributes.info
options: {}
requirements:
  - Python >= 3.6 on the managed node
seealso:
  - module: fleet.ssm.cloudwatch_agent_package
  - module: fleet.ssm.cloudwatch_agent_config
"""

EXAMPLES = r"""
- name: Look for the CloudWatch agent
  fleet.ssm.cloudwatch_agent_info:
  register: found

- name: Name the machines that have none
  ansible.builtin.debug:
    msg: "{{ inventory_hostname }} has no CloudWatch agent"
  when: found.version is none
"""

RETURN = r"""
kind:
  description: What the agent is installed as, V(deb) or V(rpm). Null when there is none.
  returned: success
  type: str
  sample: deb
version:
  description: Its version. Null when there is none.
  returned: success
  type: str
  sample: 1.300073.2b1889
unit:
  description: Its systemd unit. Null when there is none.
  returned: success
  type: str
  sample: amazon-cloudwatch-agent.service
booted:
  description: Whether systemd runs the machine, without which the agent cannot be configured.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleet.ssm.plugins.module_utils._machine import cloudwatch_agent


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    module.exit_json(changed=False, **cloudwatch_agent.describe())


if __name__ == "__main__":
    main()
