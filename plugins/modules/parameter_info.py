# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: parameter_info
short_description: Read parameters of the Parameter Store of AWS Systems Manager
version_added: 0.1.0
description:
  - Reads parameters with their values, by their names.
  - A value of the type V(SecureString) is decrypted. Set C(no_log=true) on the task that reads one.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.attributes
  - fleet.ssm.attributes.info
  - fleet.ssm.attributes.actiongroup
options:
  names:
    description:
      - The names or ARNs of the parameters. C(NAME:3) is its version 3, C(NAME:LABEL) the one of a label.
      - One that does not exist is an error.
    type: list
    elements: str
    required: true
seealso:
  - module: fleet.ssm.parameter
  - plugin: fleet.ssm.parameter
    plugin_type: lookup
  - name: ssm:GetParameters
    description: The API reference of AWS Systems Manager.
    link: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
"""

EXAMPLES = r"""
- name: Read the configuration of the CloudWatch agent
  fleet.ssm.parameter_info:
    names: [AmazonCloudWatch-linux]
  delegate_to: localhost
  register: read

- name: Show it
  ansible.builtin.debug:
    msg: "{{ read.parameters[0].value }}"
"""

RETURN = r"""
parameters:
  description: The parameters, in the order of their names as they were given.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      returned: always
      type: str
      sample: AmazonCloudWatch-linux
    type:
      description: V(String), V(StringList) or V(SecureString).
      returned: always
      type: str
      sample: String
    value:
      description: Its value, decrypted.
      returned: always
      type: str
      sample: '{"metrics": {}}'
    version:
      description: Its version.
      returned: always
      type: int
      sample: 3
    selector:
      description: The version or label that was asked for.
      returned: when one was
      type: str
      sample: ":3"
    last_modified_date:
      description: When it was changed last, in UTC.
      returned: always
      type: str
      sample: "2030-01-24T18:00:00+00:00"
    arn:
      description: Its ARN.
      returned: always
      type: str
      sample: arn:aws:ssm:eu-west-1:123456789012:parameter/AmazonCloudWatch-linux
    data_type:
      description: What AWS takes the value for.
      returned: always
      type: str
      sample: text
"""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import option_name
from ansible_collections.fleet.ssm.plugins.module_utils._engine import shapes
from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import RefusedError
from ansible_collections.fleet.ssm.plugins.module_utils._engine.info import Info
from ansible_collections.fleet.ssm.plugins.module_utils._engine.module import run_info
from ansible_collections.fleet.ssm.plugins.module_utils._parameters import reading


class Parameters(Info):
    """Parameters that are asked for by name; AWS has no pages of them, but takes only so many names at once."""

    noun = "parameters"
    item = ("GetParameters", "Parameters")

    def entries(self) -> list[dict[str, t.Any]]:
        """Ask AWS for all of them."""
        found, unknown = reading.by_names(self.api, self.options["names"])
        if unknown:
            raise RefusedError(f"There is no parameter {', '.join(unknown)}. Check its name, the region and the account.")
        operation, member = self.item
        shape = self.api.answer_shape(operation).members[member].member
        return [shapes.to_result(shape, one, option_name) for one in found.values()]


def main() -> None:
    """Run the module."""
    run_info(Parameters, DOCUMENTATION)


if __name__ == "__main__":
    main()
