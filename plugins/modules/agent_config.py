# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: agent_config
short_description: Configure the SSM Agent and its proxy
version_added: 0.1.0
description:
  - Lays options over those in C(/etc/amazon/ssm/amazon-ssm-agent.json) and leaves all others, and writes the proxy into a drop-in
    of the agent's systemd unit.
  - It can be used before the agent is installed. That is best, since the agent starts as soon as its package is installed.
  - The agent reads both when it starts, so restart it when the module has changed something, as the role P(fleet.ssm.agent#role)
    does.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.attributes
  - fleet.ssm.attributes.resource
options:
  config:
    description:
      - Options by section, such as C(CommandWorkersLimit) in C(Mds). A list replaces the one that is there; a null takes an
        option out. All options are in the agent's README.
    type: dict
    default: {}
  proxy:
    description:
      - The proxies the agent is to use. V(169.254.169.254) is added to V(no) by itself, for no proxy reaches the metadata of an
        instance.
      - Empty removes the drop-in. Without this option the drop-in stays as it is.
    type: dict
    suboptions:
      http:
        description: URL of the proxy for C(http://).
        type: str
      https:
        description: URL of the proxy for C(https://).
        type: str
      'no':
        description: Host names, separated by commas, that are reached without a proxy.
        type: str
  unit:
    description:
      - The agent's unit, as M(fleet.ssm.agent_info) tells it; the snap has another one than the packages.
    type: str
    default: amazon-ssm-agent.service
  path:
    description:
      - The configuration file.
    type: path
    default: /etc/amazon/ssm/amazon-ssm-agent.json
requirements:
  - Python >= 3.6 on the managed node
seealso:
  - name: The agent's options
    description: The section "Configuration file" of its README.
    link: https://github.com/aws/amazon-ssm-agent#configuration
"""

EXAMPLES = r"""
- name: Run ten commands at once, through a proxy
  fleet.ssm.agent_config:
    config:
      Mds:
        CommandWorkersLimit: 10
    proxy:
      https: http://proxy.example.com:3128
  register: configuration

- name: Restart the agent, which reads its configuration only then
  ansible.builtin.systemd_service:
    name: amazon-ssm-agent.service
    state: restarted
  when: configuration is changed

- name: Use no proxy any more
  fleet.ssm.agent_config:
    proxy: {}
"""

RETURN = r"""
config:
  description: The options as they are in the file, or would be.
  returned: success
  type: dict
  sample: {Mds: {CommandWorkersLimit: 10}}
drop_in:
  description: The path of the drop-in.
  returned: success
  type: str
  sample: /etc/systemd/system/amazon-ssm-agent.service.d/fleet-ssm-proxy.conf
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleet.ssm.plugins.module_utils._agent import configuration
from ansible_collections.fleet.ssm.plugins.module_utils._downloads.options import PROXY
from ansible_collections.fleet.ssm.plugins.module_utils._machine import files
from ansible_collections.fleet.ssm.plugins.module_utils._machine.programs import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

_UNITS = "/etc/systemd/system"
# It may hold the proxy's password.
_PRIVATE = 0o600
_PUBLIC = 0o644


def _write(path: str, text: str, mode: int) -> None:
    """Put a text into place whole; an empty one removes the file, and its folder when that is empty then."""
    if text:
        files.write(path, text, mode)
        return
    folder = os.path.dirname(path)
    os.unlink(path)
    if not os.listdir(folder):
        os.rmdir(folder)


def _wanted_config(module: AnsibleModule, before: str) -> "t.Tuple[t.Dict[str, t.Any], str]":
    """Return the options and the text of the file; the text that is there when it says the same."""
    path = module.params["path"]
    try:
        there = configuration.parse(before)
    except configuration.UnreadableError as error:
        if not module.params["config"]:
            return {}, before
        module.fail_json(msg="{0} cannot be changed: {1}. Repair the file or remove it.".format(path, error))
    merged = configuration.merge(there, module.params["config"])
    return merged, before if merged == there else configuration.render(merged)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "dict", "default": {}},
            "proxy": PROXY,
            "unit": {"type": "str", "default": "amazon-ssm-agent.service"},
            "path": {"type": "path", "default": "/etc/amazon/ssm/amazon-ssm-agent.json"},
        },
        supports_check_mode=True,
    )
    drop_in = os.path.join(_UNITS, module.params["unit"] + ".d", "fleet-ssm-proxy.conf")
    before = {path: files.read(path) for path in (module.params["path"], drop_in)}
    after = dict(before)
    merged, after[module.params["path"]] = _wanted_config(module, before[module.params["path"]])
    if module.params["proxy"] is not None:
        after[drop_in] = configuration.drop_in(module.params["proxy"])
    changed = [path for path in before if before[path] != after[path]]
    if not module.check_mode:
        for path in changed:
            _write(path, after[path], _PRIVATE if path == drop_in else _PUBLIC)
        if drop_in in changed:
            # Where systemd does not run, there is nothing to tell.
            run("systemctl", "daemon-reload")
    # The drop-in is left out of the diff for the password it may hold.
    shown = [path for path in changed if path != drop_in]
    diff = [{"before_header": path, "after_header": path, "before": before[path], "after": after[path]} for path in shown]
    module.exit_json(changed=bool(changed), config=merged, drop_in=drop_in, diff=diff)


if __name__ == "__main__":
    main()
