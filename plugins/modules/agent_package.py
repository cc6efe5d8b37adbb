# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: agent_package
short_description: Install, update or remove the SSM Agent, verified by AWS's signature
version_added: 0.1.0
description:
  - Downloads the package of the SSM Agent for this machine's distribution and architecture from AWS, checks its signature and that
    it holds the version that was asked for, and installs it, C(.deb) on the Debian family and C(.rpm) on the RHEL family (Amazon
    Linux, RHEL, CentOS, Rocky, Alma, Oracle, Fedora).
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
        it fails where the real run would.
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
requirements:
  - Python >= 3.6 on the managed node
  - gpg on the managed node (the package gpg or gnupg2)
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
  returned: when a package was downloaded
  type: str
  sample: 1C5B395CBE5E74E2F1CA21592784DBF388D19D46
key_expires:
  description: The day on which that key expires, in UTC.
  returned: when a package was downloaded
  type: str
  sample: "2027-11-25"
"""

import os
import shutil
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleet.ssm.plugins.module_utils._agent import platforms, signing_keys, sources, versions
from ansible_collections.fleet.ssm.plugins.module_utils._downloads import options, transfer
from ansible_collections.fleet.ssm.plugins.module_utils._downloads.failures import DownloadError
from ansible_collections.fleet.ssm.plugins.module_utils._downloads.signatures import day
from ansible_collections.fleet.ssm.plugins.module_utils._downloads.verified import SignatureError, VerifiedSource, Wanted
from ansible_collections.fleet.ssm.plugins.module_utils._machine import installation, system

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

    from ansible_collections.fleet.ssm.plugins.module_utils._downloads.signatures import Verdict

_ARGUMENTS = dict(
    options.ARGUMENTS,
    state={"type": "str", "choices": ["present", "absent"], "default": "present"},
    version={"type": "str", "default": versions.PRESENT},
    region={"type": "str"},
    source={"type": "str", "choices": [sources.REGIONAL, sources.GLOBAL, sources.MIRROR], "default": sources.REGIONAL},
    mirror={"type": "str"},
    keys={"type": "list", "elements": "str", "no_log": False},
    allow_downgrade={"type": "bool", "default": False},
    replace_snap={"type": "bool", "default": False},
)
_CHANNELS = (sources.LATEST, sources.STABLE)


class RefusedError(Exception):
    """What was asked for cannot be; the text says what to do."""


class Agent:
    """The agent on this machine, brought into the state that the options want."""

    def __init__(self, module: AnsibleModule, folder: str) -> None:
        self._module = module
        self._params = module.params
        self._folder = folder
        self._route = options.route(module.params)
        there = installation.installed()
        if len(there) > 1:
            kinds = " and ".join(one.kind for one in there)
            raise RefusedError("The agent is installed twice, as {0}. Remove one of them; both at once do not work.".format(kinds))
        self.before = there[0] if there else None

    def remove(self) -> "t.Dict[str, t.Any]":
        """Remove it."""
        if self.before is None:
            return self._result(False, None)
        if self.before.kind == platforms.SNAP and not self._params["replace_snap"]:
            raise RefusedError("The agent is installed as a snap. Set replace_snap to have it removed.")
        installation.remove(self.before.kind, simulate=self._module.check_mode)
        return self._result(True, None)

    def have(self) -> "t.Dict[str, t.Any]":
        """Install or update it, if need be."""
        snap = self.before is not None and self.before.kind == platforms.SNAP
        replace = snap and self._params["replace_snap"]
        wanted = self._params["version"]
        if self.before is not None and wanted == versions.PRESENT and not replace:
            return self._result(False, self.before)
        if snap and not replace:
            sentence = "The agent is installed as a snap, which updates itself. Leave version at present, or set replace_snap."
            raise RefusedError(sentence)
        machine = system.this_system()
        place = self._place()
        pinned = wanted not in (versions.PRESENT, *_CHANNELS)
        version = wanted if pinned else self._newest(place, sources.STABLE if wanted == sources.STABLE else sources.LATEST)
        installed = "" if self.before is None or replace else self.before.version
        if not versions.must_install(installed, version, pinned, self._params["allow_downgrade"]):
            return self._result(False, self.before)
        return self._install(machine, sources.package(place, version, machine.kind, machine.architecture), version, replace)

    def _install(self, machine: "system.System", package: "sources.Package", version: str, replace: bool) -> "t.Dict[str, t.Any]":
        path = os.path.join(self._folder, os.path.basename(package.url))
        verdict = self._load(package, path)
        held = installation.version_in(machine.kind, path)
        if held != version:
            # A signature says nothing of the place: an old package, with old holes, would pass under a new name.
            what = "version {0}".format(held) if held else "no SSM agent"
            raise RefusedError("{0} is {1} and not {2}. Nothing was installed.".format(package.url, what, version))
        if replace:
            installation.remove(platforms.SNAP, simulate=self._module.check_mode)
        installation.install(machine.kind, path, simulate=self._module.check_mode)
        now = installation.Installed(machine.kind, version)
        if not self._module.check_mode and now not in installation.installed():
            raise RefusedError("The package manager installed {0} without an error, but it is not there.".format(package.url))
        return dict(self._result(True, now), fingerprint=verdict.fingerprint, key_expires=day(verdict.expires))

    def _load(self, package: "sources.Package", path: str) -> "Verdict":
        params = self._params
        keys = signing_keys.texts() if params["keys"] is None else params["keys"]
        wanted = Wanted(package.url, package.signature_url, keys, params["fingerprints"], params["accept_expired_key"])
        try:
            verdict = VerifiedSource(wanted, self._route, self._folder).load(path)
        except SignatureError as error:
            known = signing_keys.describe(error.key_id)
            raise DownloadError(
                "{0}{1}".format(error, " The signature was made with {0}.".format(known) if known else "")
            ) from error
        for warning in verdict.warnings:
            self._module.warn(warning)
        return verdict

    def _place(self) -> str:
        params = self._params
        return sources.bucket(params["source"], params["region"] or "", params["mirror"] or "")

    def _newest(self, place: str, channel: str) -> str:
        url = sources.version_url(place, channel)
        version = transfer.read(url, self._route).decode("utf-8", "replace").strip()
        if not versions.is_number(version):
            raise RefusedError("{0} should hold a version and begins with {1!r}. Is that a proxy's page?".format(url, version[:40]))
        return version

    def _result(self, changed: bool, now: "installation.Installed | None") -> "t.Dict[str, t.Any]":
        before = self.before
        result = {
            "changed": changed,
            "kind": now.kind if now else None,
            "version": now.version if now else None,
            "previous_version": before.version if before else None,
            "diff": {"before": _described(before), "after": _described(now)},
        }  # type: t.Dict[str, t.Any]
        return dict(result, unit=platforms.UNITS[now.kind]) if now else result


def _described(agent: "installation.Installed | None") -> str:
    return "amazon-ssm-agent {0} ({1})\n".format(agent.version, agent.kind) if agent else ""


def _check_options(module: AnsibleModule) -> None:
    version = module.params["version"]
    if version not in (versions.PRESENT, *_CHANNELS) and not versions.is_number(version):
        module.fail_json(msg="version must be present, latest, stable or a number such as 3.3.987.0, not {0!r}.".format(version))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=_ARGUMENTS,
        supports_check_mode=True,
        required_if=[("source", sources.MIRROR, ["mirror"])],
    )
    _check_options(module)
    folder = tempfile.mkdtemp(prefix="fleet.ssm-agent-")
    # The package manager's own user reads it there.
    os.chmod(folder, 0o755)
    try:
        agent = Agent(module, folder)
        result = agent.remove() if module.params["state"] == "absent" else agent.have()
    except _ERRORS as error:
        module.fail_json(msg=str(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    module.exit_json(**result)


_ERRORS = (
    RefusedError,
    DownloadError,
    installation.PackageError,
    platforms.UnsupportedError,
    sources.UnknownSourceError,
    versions.VersionError,
)


if __name__ == "__main__":
    main()
