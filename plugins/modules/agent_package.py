# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: agent_package
short_description: Install, update or remove the SSM Agent, verified by AWS's signature
version_added: 0.1.0
description:
  - Downloads the package of the SSM Agent for this machine's distribution and architecture from AWS, checks its signature and that
    it holds the version that was asked for, and installs it, C(.deb) on the Debian family and C(.rpm) on the RHEL family (RHEL,
    CentOS, Rocky, Alma, Oracle, Fedora), Amazon Linux and SUSE Linux Enterprise Server, C(.pkg) on macOS.
  - It has never run on macOS. There the package is signed itself, see O(signers), and says nothing of its version, which is looked
    at when it is installed.
  - The package manager itself would check no signature. A package that is tampered with, or signed by another key, leaves the
    machine as it is.
  - The newest version is read from the same bucket as the package, since new versions reach regions on different days.
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
        it fails where the real run would. On macOS there is no simulation.
options:
  state:
    description:
      - Whether there is to be an agent. Removing it leaves C(/var/lib/amazon/ssm), where its registration is.
    type: str
    choices: [present, absent]
    default: present
  version:
    description:
      - V(present) takes any version that is installed, and the newest one when none is. It asks nobody when one is installed.
      - V(latest) and V(stable) update to AWS's newest version of that name. A newer one that is installed stays.
      - A number such as V(3.3.987.0) is that version and no other.
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
      - The URL of a copy of AWS's bucket, below which there is a folder for each version and C(latest/VERSION).
    type: str
  keys:
    description:
      - The public keys to trust, each the text from C(BEGIN) to C(END PGP PUBLIC KEY BLOCK).
      - Without it, AWS's own, as this release of the collection has them. AWS changes keys about every 17 months. The current one
        ends on 2027-11-25, and the module warns of that 60 days before.
    type: list
    elements: str
  allow_downgrade:
    description:
      - Install the O(version) although a newer one is installed.
    type: bool
    default: false
  replace_snap:
    description:
      - Remove the agent's snap, which Ubuntu's images have, to install the package instead; with O(state=absent), remove it too.
      - Without it, the snap is left alone. It does for O(version=present), since it updates itself; all else is an error.
    type: bool
    default: false
  signers:
    description:
      - >-
        On macOS, by whom the package may be signed, as C(pkgutil --check-signature) names the first certificate of the chain, such
        as V(Developer ID Installer: Example Corp (ABCDE12345\)). Needed there to install or update it, for AWS documents no name.
      - The O(keys) are not for macOS.
    type: list
    elements: str
    default: []
requirements:
  - Python >= 3.6 on the managed node
  - gpg on the managed node (the package gpg or gnupg2), but for macOS
seealso:
  - module: fleet.ssm.agent_info
  - module: fleet.ssm.agent_config
  - name: Verify the signature of SSM Agent
    description: The user guide of AWS Systems Manager, with AWS's current key.
    link: https://docs.aws.amazon.com/systems-manager/latest/userguide/verify-agent-signature.html
"""

EXAMPLES = r"""
- name: Have an agent, whichever version
  fleet.ssm.agent_package:
    region: eu-west-1

- name: Update it
  fleet.ssm.agent_package:
    region: eu-west-1
    version: latest

- name: Have one version, from a server of our own
  fleet.ssm.agent_package:
    source: mirror
    mirror: https://files.example.com/amazon-ssm-agent
    version: 3.3.987.0
    keys:
      - "{{ lookup('ansible.builtin.file', 'ssm-agent-2023.asc') }}"
    accept_expired_key: true

- name: Remove it
  fleet.ssm.agent_package:
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
  sample: 3.3.987.0
previous_version:
  description: The version that was installed before. Null when there was none.
  returned: success
  type: str
  sample: 3.3.859.0
unit:
  description: The agent's systemd unit.
  returned: when there is one
  type: str
  sample: amazon-ssm-agent.service
fingerprint:
  description: The fingerprint of the key whose signature held.
  returned: when a package was downloaded that has its signature beside it
  type: str
  sample: 1C5B395CBE5E74E2F1CA21592784DBF388D19D46
key_expires:
  description: The day on which that key expires, in UTC.
  returned: when a package was downloaded that has its signature beside it
  type: str
  sample: "2027-11-25"
signer:
  description: By whom the package was signed.
  returned: on macOS, when a package was downloaded
  type: str
  sample: "Developer ID Installer: Example Corp (ABCDE12345)"
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleet.ssm.plugins.module_utils._agent import platforms, signing_keys, sources
from ansible_collections.fleet.ssm.plugins.module_utils._machine import package

_ARGUMENTS = dict(
    package.ARGUMENTS,
    replace_snap={"type": "bool", "default": False},
    signers={"type": "list", "elements": "str", "default": []},
)


SSM_AGENT = package.Product(
    name=platforms.NAME,
    title="SSM agent",
    bucket=sources.BUCKET,
    channels=(sources.LATEST, sources.STABLE),
    example="3.3.987.0",
    version_url=sources.version_url,
    package=lambda place, version, machine: sources.package(place, version, machine.kind, machine.architecture),
    trusted=lambda _place, _read: package.Trusted(signing_keys.texts()),
    describe_key=signing_keys.describe,
    units=platforms.UNITS,
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=_ARGUMENTS, supports_check_mode=True, required_if=package.REQUIRED_IF)
    try:
        result, warnings = package.ensure(SSM_AGENT, module.params, module.check_mode)
    except package.ERRORS as error:
        module.fail_json(msg=str(error))
    for warning in warnings:
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
