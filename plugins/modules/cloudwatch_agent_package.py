# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: cloudwatch_agent_package
short_description: Install, update or remove the CloudWatch agent, verified by AWS's signature
version_added: 0.1.0
description:
  - Downloads the package of the CloudWatch agent for this machine's distribution and architecture from AWS, checks its signature
    and that it holds the version that was asked for, and installs it, C(.deb) on the Debian family and C(.rpm) on the RHEL family,
    Amazon Linux and SUSE Linux Enterprise Server, on amd64 and arm64.
  - The package manager itself would check no signature. A package that is tampered with, or signed by another key, leaves the
    machine as it is.
  - The package starts no agent; see M(fleet.ssm.cloudwatch_agent_config). An update restarts one that runs.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.download
  - fleet.ssm.attributes
  - fleet.ssm.attributes.resource
attributes:
  check_mode:
    details:
      - It downloads the package into a temporary folder, verifies it and has the package manager simulate the installation, so that
        it fails where the real run would.
options:
  state:
    description:
      - Whether there is to be an agent. Removing it stops it, and leaves its fragments and logs in
        C(/opt/aws/amazon-cloudwatch-agent).
    type: str
    choices: [present, absent]
    default: present
  version:
    description:
      - V(present) takes any version that is installed, and the newest one when none is. It asks nobody when one is installed.
      - V(latest) updates to AWS's newest version. A newer one that is installed stays.
      - A number such as V(1.300073.2b1889) is that version and no other.
    type: str
    default: present
  region:
    description:
      - The region whose bucket is asked, such as V(eu-west-1). Required with O(source=regional).
    type: str
  source:
    description:
      - V(regional) is the bucket of the O(region), V(global) the one for all, in C(us-east-1).
      - V(mirror) is a server of your own, named by O(mirror).
    type: str
    choices: [regional, global, mirror]
    default: regional
  mirror:
    description:
      - The URL of a copy of AWS's bucket, below which there are C(info/latest/CWAGENT_VERSION), a folder for each distribution, and
        C(assets/amazon-cloudwatch-agent.gpg) unless the O(keys) are given.
    type: str
  keys:
    description:
      - The public keys to trust, each the text from C(BEGIN) to C(END PGP PUBLIC KEY BLOCK).
      - Without it, the key is the one that lies beside the packages, and it counts only if its fingerprint is AWS's,
        V(9376 16F3 450B 7D80 6CBD 9725 D581 6730 3B78 9C72), or one of the O(fingerprints).
    type: list
    elements: str
  allow_downgrade:
    description:
      - Install the O(version) although a newer one is installed.
    type: bool
    default: false
requirements:
  - Python >= 3.6 on the managed node
  - gpg on the managed node (the package gpg or gnupg2)
seealso:
  - module: fleet.ssm.cloudwatch_agent_config
  - name: Verify the signature of the CloudWatch agent
    description: The user guide of Amazon CloudWatch, with AWS's fingerprint.
    link: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/verify-CloudWatch-Agent-Package-Signature.html
"""

EXAMPLES = r"""
- name: Have a CloudWatch agent, whichever version
  fleet.ssm.cloudwatch_agent_package:
    region: eu-west-1

- name: Update it
  fleet.ssm.cloudwatch_agent_package:
    region: eu-west-1
    version: latest

- name: Have one version, from a server of our own
  fleet.ssm.cloudwatch_agent_package:
    source: mirror
    mirror: https://files.example.com/amazoncloudwatch-agent
    version: 1.300073.2b1889

- name: Remove it
  fleet.ssm.cloudwatch_agent_package:
    state: absent
"""

RETURN = r"""
kind:
  description: What the agent is installed as, or would be. Null when there is none.
  returned: success
  type: str
  sample: deb
version:
  description: The version that is installed, or would be. Null when there is none.
  returned: success
  type: str
  sample: 1.300073.2b1889
previous_version:
  description: The version that was installed before. Null when there was none.
  returned: success
  type: str
  sample: 1.300071.0b1867
unit:
  description: The agent's systemd unit.
  returned: when there is one
  type: str
  sample: amazon-cloudwatch-agent.service
booted:
  description: Whether systemd runs the machine, without which the agent cannot be configured.
  returned: success
  type: bool
fingerprint:
  description: The fingerprint of the key whose signature held.
  returned: when a package was downloaded
  type: str
  sample: 937616F3450B7D806CBD9725D58167303B789C72
key_expires:
  description: The day on which that key expires, in UTC. Null if it never does.
  returned: when a package was downloaded
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleet.ssm.plugins.module_utils._agent import platforms
from ansible_collections.fleet.ssm.plugins.module_utils._cloudwatch import signing_key, sources
from ansible_collections.fleet.ssm.plugins.module_utils._machine import package, system
from ansible_collections.fleet.ssm.plugins.module_utils._machine.cloudwatch_agent import NAME, UNIT

CLOUDWATCH_AGENT = package.Product(
    name=NAME,
    title="CloudWatch agent",
    bucket=sources.BUCKET,
    channels=(sources.LATEST,),
    example="1.300073.2b1889",
    version_url=sources.version_url,
    package=lambda place, version, machine: sources.package(
        place, version, machine.kind, machine.architecture, system.distribution_names()
    ),
    trusted=lambda place, read: package.Trusted([signing_key.text(read(sources.key_url(place)))], [signing_key.FINGERPRINT]),
    describe_key=signing_key.describe,
    units={platforms.DEB: UNIT, platforms.RPM: UNIT},
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=package.ARGUMENTS, supports_check_mode=True, required_if=package.REQUIRED_IF)
    try:
        result, warnings = package.ensure(CLOUDWATCH_AGENT, module.params, module.check_mode)
    except package.ERRORS as error:
        module.fail_json(msg=str(error))
    for warning in warnings:
        module.warn(warning)
    module.exit_json(booted=system.is_booted(), **result)


if __name__ == "__main__":
    main()
