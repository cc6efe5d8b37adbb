# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: managed_node_info
short_description: List managed nodes of AWS Systems Manager, or wait until they are online
version_added: 0.1.0
description:
  - Lists the nodes that have registered in an account and region, EC2 instances and others, filtered as you like.
  - With O(wait_seconds) it asks again until all O(instance_ids) are online, with one request for a hundred of them.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.attributes
  - fleet.ssm.attributes.info
  - fleet.ssm.attributes.actiongroup
options:
  instance_ids:
    description:
      - Only the nodes with these ids; those that AWS does not know are left out.
    type: list
    elements: str
  activation_ids:
    description:
      - Only nodes that registered with these activations.
    type: list
    elements: str
  iam_roles:
    description:
      - Only hybrid nodes with these service roles.
    type: list
    elements: str
  ping_status:
    description:
      - Only nodes of which AWS hears (V(Online)), hears no more (V(ConnectionLost)), or that are V(Inactive).
    type: str
    choices: [Online, ConnectionLost, Inactive]
  platform_types:
    description:
      - Only nodes with these operating systems.
    type: list
    elements: str
    choices: [Windows, Linux, MacOS]
  resource_type:
    description:
      - Only EC2 instances, or only the others.
    type: str
    choices: [EC2Instance, ManagedInstance]
  wait_seconds:
    description:
      - Wait at most so long until all O(instance_ids) are online. Those that are not by then are listed as they are, or not at all.
    type: int
    default: 0
seealso:
  - module: fleet.ssm.managed_node
  - plugin: fleet.ssm.managed_nodes
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: List the nodes of which AWS hears no more
  fleet.ssm.managed_node_info:
    ping_status: ConnectionLost
  register: lost

- name: Wait until two nodes are online
  fleet.ssm.managed_node_info:
    instance_ids: [mi-0123456789abcdef0, mi-0123456789abcdef1]
    wait_seconds: 180
  register: found
  failed_when: found.managed_nodes | selectattr('ping_status', 'eq', 'Online') | length < 2
"""

RETURN = r"""
managed_nodes:
  description: The nodes, as AWS lists them.
  returned: always
  type: list
  elements: dict
  contains:
    instance_id:
      description: The id of the node.
      returned: always
      type: str
      sample: mi-0123456789abcdef0
    ping_status:
      description: Whether AWS hears of it.
      returned: always
      type: str
      sample: Online
    last_ping_date_time:
      description: When AWS heard of it last, in UTC.
      returned: when it has
      type: str
      sample: "2030-01-31T18:00:00+00:00"
    computer_name:
      description: The name that the machine gives itself.
      returned: when the agent has told it
      type: str
      sample: press-3.example.com
    ip_address:
      description: Its address, as the agent sees it.
      returned: when the agent has told it
      type: str
      sample: 10.0.7.3
    agent_version:
      description: The version of its agent.
      returned: when the agent has told it
      type: str
      sample: 3.3.987.0
    platform_name:
      description: Its operating system.
      returned: when the agent has told it
      type: str
      sample: Debian GNU/Linux
    activation_id:
      description: The activation with which it registered.
      returned: for hybrid nodes
      type: str
      sample: 5743558d-563b-4457-8682-d16c3example
    iam_role:
      description: Its service role.
      returned: for hybrid nodes
      type: str
      sample: SSMServiceRole
"""

import time
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._engine.info import Info
from ansible_collections.fleet.ssm.plugins.module_utils._engine.module import run_info
from ansible_collections.fleet.ssm.plugins.module_utils._registration import listing

_ONLINE = "Online"
_PAUSE_SECONDS = 3.0


class ManagedNodes(Info):
    """The managed nodes of an account and region."""

    noun = "managed_nodes"
    item = ("DescribeInstanceInformation", "InstanceInformationList")
    filters: t.ClassVar[dict[str, str]] = {
        "instance_ids": "InstanceIds",
        "activation_ids": "ActivationIds",
        "iam_roles": "IamRole",
        "ping_status": "PingStatus",
        "platform_types": "PlatformTypes",
        "resource_type": "ResourceType",
    }

    def entries(self) -> list[dict[str, t.Any]]:
        """List them, again and again while there is something to wait for."""
        deadline = time.monotonic() + self.options["wait_seconds"]
        while True:
            listed = self._listed()
            left = deadline - time.monotonic()
            if left <= 0 or self._all_online(listed):
                return listed
            time.sleep(min(_PAUSE_SECONDS, left))

    def _listed(self) -> list[dict[str, t.Any]]:
        if self.options["instance_ids"] is None:
            return super().entries()
        return listing.of_known(self.options["instance_ids"], self._of)

    def _of(self, ids: t.Sequence[str]) -> list[dict[str, t.Any]]:
        return Info.entries(ManagedNodes(self.api, {**self.options, "instance_ids": ids}))

    def _all_online(self, listed: list[dict[str, t.Any]]) -> bool:
        online = {node["instance_id"] for node in listed if node.get("ping_status") == _ONLINE}
        return online.issuperset(self.options["instance_ids"] or ())


def main() -> None:
    """Run the module."""
    run_info(ManagedNodes, DOCUMENTATION)


if __name__ == "__main__":
    main()
