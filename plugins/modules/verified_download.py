# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: verified_download
short_description: Download a file and keep it only if its signature holds
version_added: 0.1.0
description:
  - Downloads a file and its detached OpenPGP signature on the managed node, and has C(gpg) check them against the given keys, in a
    key ring of its own that is gone afterwards. The file appears at O(dest) whole and verified, or not at all.
  - It is the status words of C(gpg) that count, not its exit code. A file is kept only for C(GOODSIG); a changed file, a revoked or
    unknown key, an expired signature and an expired key are errors.
  - When there is a file at O(dest) for which the signature holds, nothing but the signature is downloaded.
  - The module warns from 60 days before a key expires.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.download
  - fleet.ssm.attributes
  - fleet.ssm.attributes.resource
attributes:
  check_mode:
    details:
      - It downloads and verifies the file, into a temporary folder, so that it fails where the real run would.
options:
  url:
    description: Where the file is, C(https://) or C(http://).
    type: str
    required: true
  signature_url:
    description: Where its detached signature is. Without it, O(url) with C(.sig) at its end.
    type: str
  dest:
    description:
      - The path of the file, not of a folder. Its folder must be there.
    type: path
    required: true
  keys:
    description:
      - The public keys to trust, each the text from C(BEGIN) to C(END PGP PUBLIC KEY BLOCK). A publisher who changes keys has two
        for a while, so it is a list.
    type: list
    elements: str
    required: true
requirements:
  - Python >= 3.6 on the managed node
  - gpg on the managed node (the package gpg or gnupg2)
seealso:
  - module: ansible.builtin.get_url
"""

EXAMPLES = r"""
- name: Have the CloudWatch agent's package, verified
  fleet.ssm.verified_download:
    url: https://amazoncloudwatch-agent.s3.amazonaws.com/debian/amd64/latest/amazon-cloudwatch-agent.deb
    dest: /var/cache/amazon-cloudwatch-agent.deb
    keys:
      - "{{ lookup('ansible.builtin.file', 'amazon-cloudwatch-agent.asc') }}"
    fingerprints:
      - 9376 16F3 450B 7D80 6CBD  9725 D581 6730 3B78 9C72

- name: The same through a proxy
  fleet.ssm.verified_download:
    url: https://files.example.com/tool.tar.gz
    signature_url: https://files.example.com/tool.tar.gz.asc
    dest: /opt/tool.tar.gz
    keys: ["{{ tool_key }}"]
    proxy:
      https: http://proxy.example.com:3128
"""

RETURN = r"""
dest:
  description: The path of the file.
  returned: success
  type: str
  sample: /opt/tool.tar.gz
fingerprint:
  description: The fingerprint of the primary key whose signature holds.
  returned: success
  type: str
  sample: 937616F3450B7D806CBD9725D58167303B789C72
key_expires:
  description: The day on which that key expires, in UTC. Null if it never does.
  returned: success
  type: str
  sample: "2027-11-25"
signed:
  description: The day on which the signature was made, as it says, in UTC.
  returned: success
  type: str
  sample: "2026-10-02"
"""

import os
import shutil
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleet.ssm.plugins.module_utils._downloads import options
from ansible_collections.fleet.ssm.plugins.module_utils._downloads.failures import DownloadError
from ansible_collections.fleet.ssm.plugins.module_utils._downloads.signatures import Verdict, day
from ansible_collections.fleet.ssm.plugins.module_utils._downloads.verified import VerifiedSource, Wanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

_ARGUMENTS = dict(
    options.ARGUMENTS,
    url={"type": "str", "required": True},
    signature_url={"type": "str"},
    dest={"type": "path", "required": True},
    keys={"type": "list", "elements": "str", "required": True, "no_log": False},
)


def _get(module: AnsibleModule, dest: str, folder: str) -> "t.Tuple[bool, Verdict]":
    """Return whether the file was got (or would be), and what its signature is worth."""
    params = module.params
    wanted = Wanted(
        params["url"],
        params["signature_url"] or params["url"] + ".sig",
        params["keys"],
        params["fingerprints"],
        params["accept_expired_key"],
    )
    source = VerifiedSource(wanted, options.route(params), folder)
    there = source.holds(dest) if os.path.exists(dest) else None
    if there is not None:
        return False, there
    path = os.path.join(folder, "file")
    verdict = source.load(path)
    if not module.check_mode:
        # As a new file is, not as a temporary one.
        os.chmod(path, 0o666 & ~_umask())
        module.atomic_move(path, dest)
    return True, verdict


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _refuse_folder(module: AnsibleModule, dest: str) -> None:
    folder = os.path.dirname(dest)
    if os.path.isdir(dest):
        module.fail_json(msg="dest is the folder {0}; give the path of the file in it.".format(dest))
    if not os.path.isdir(folder):
        module.fail_json(msg="There is no folder {0} for the file. Create it first.".format(folder))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=_ARGUMENTS, supports_check_mode=True)
    dest = os.path.abspath(module.params["dest"])
    _refuse_folder(module, dest)
    # Beside the file, so that a full disk is noticed while loading; a check leaves that folder alone.
    folder = tempfile.mkdtemp(prefix=".fleet.ssm-", dir=None if module.check_mode else os.path.dirname(dest))
    try:
        changed, verdict = _get(module, dest, folder)
    except DownloadError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg="{0} could not be written: {1}.".format(dest, error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for warning in verdict.warnings:
        module.warn(warning)
    diff = {"before": "", "after": "{0} from {1}\n".format(dest, module.params["url"])} if changed else {"before": "", "after": ""}
    module.exit_json(
        changed=changed,
        dest=dest,
        fingerprint=verdict.fingerprint,
        key_expires=day(verdict.expires),
        signed=day(verdict.signed),
        diff=diff,
    )


if __name__ == "__main__":
    main()
