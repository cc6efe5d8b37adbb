# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: activation_info
short_description: List hybrid activations of AWS Systems Manager
version_added: 0.1.0
description:
  - Lists the hybrid activations of an account and region, filtered as you like.
  - The activation code is not among what AWS lists; M(fleet.ssm.activation) can store it.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.attributes
  - fleet.ssm.attributes.info
  - fleet.ssm.attributes.actiongroup
options:
  activation_ids:
    description:
      - Only the activations with these ids.
    type: list
    elements: str
  description:
    description:
      - Only activations with exactly this description.
    type: str
  default_instance_name:
    description:
      - Only activations that give machines this name.
    type: str
  iam_role:
    description:
      - Only activations that give machines this service role.
    type: str
  usable:
    description:
      - Only activations with which a machine can register now (V(true)), or those with which none can (V(false)).
      - Without it, both.
    type: bool
seealso:
  - module: fleet.ssm.activation
"""

EXAMPLES = r"""
- name: List all activations
  fleet.ssm.activation_info:
  register: all_activations

- name: Find those with which a machine can still register
  fleet.ssm.activation_info:
    description: Plant 7 servers
    usable: true
  register: plant7
"""

RETURN = r"""
activations:
  description: The activations, as AWS lists them.
  returned: always
  type: list
  elements: dict
  contains:
    activation_id:
      description: The id that goes with the code.
      returned: always
      type: str
      sample: 5743558d-563b-4457-8682-d16c3example
    description:
      description: What the activation is for.
      returned: when it has one
      type: str
      sample: Plant 7 servers
    default_instance_name:
      description: The name that registered machines show.
      returned: when it has one
      type: str
      sample: plant7
    iam_role:
      description: The service role of registered machines.
      returned: always
      type: str
      sample: SSMServiceRole
    registration_limit:
      description: How many machines may register.
      returned: always
      type: int
      sample: 20
    registrations_count:
      description: How many machines have registered.
      returned: always
      type: int
      sample: 3
    expiration_date:
      description: Until when machines may register, in UTC.
      returned: always
      type: str
      sample: "2030-01-31T18:00:00+00:00"
    expired:
      description: Whether it has expired.
      returned: always
      type: bool
      sample: false
    created_date:
      description: When it was created, in UTC.
      returned: always
      type: str
      sample: "2030-01-24T18:00:00+00:00"
    tags:
      description: Its tags.
      returned: when it has tags
      type: dict
      sample: {site: plant7}
"""

import datetime
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._activations.usability import is_usable
from ansible_collections.fleet.ssm.plugins.module_utils._engine.info import Info
from ansible_collections.fleet.ssm.plugins.module_utils._engine.module import run_info


class Activations(Info):
    """The hybrid activations of an account and region."""

    noun = "activations"
    item = ("DescribeActivations", "ActivationList")
    filters: t.ClassVar[dict[str, str]] = {
        "activation_ids": "ActivationIds",
        "default_instance_name": "DefaultInstanceName",
        "iam_role": "IamRole",
    }

    def keep(self, item: dict[str, t.Any]) -> bool:
        """Filter by what AWS has no filter for."""
        description, usable = self.options["description"], self.options["usable"]
        if description is not None and item.get("Description") != description:
            return False
        return usable is None or usable == is_usable(item, datetime.datetime.now(datetime.timezone.utc))


def main() -> None:
    """Run the module."""
    run_info(Activations, DOCUMENTATION)


if __name__ == "__main__":
    main()
