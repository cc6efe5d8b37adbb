# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: agent_registration
short_description: Register the machine as a hybrid node of AWS Systems Manager, or have it forget that
version_added: 0.1.0
description:
  - Has the SSM Agent register with an activation. The agent forgets its registration before it asks AWS for another; the module
    keeps it, and puts it back when AWS refuses. The agent runs afterwards in any case.
  - It needs systemd. Do not register while an image is built, for all machines made from it would be one node.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.attributes
  - fleet.ssm.attributes.resource
attributes:
  diff_mode:
    details:
      - It shows the id of the node.
options:
  state:
    description:
      - V(present) registers a machine that is not registered.
      - V(absent) has the agent forget its registration. AWS still knows the node; see M(fleet.ssm.managed_node).
    type: str
    choices: [present, absent]
    default: present
  activation_id:
    description:
      - The id of the activation, as M(fleet.ssm.activation) returns it. Needed when there is something to register.
    type: str
  activation_code:
    description:
      - Its code. The agent takes it on its command line only, where others on the machine may see it for a moment; so use an
        activation with few registrations left, and delete it afterwards.
    type: str
  region:
    description:
      - The region of the activation. Needed when there is something to register.
    type: str
  replace:
    description:
      - Whether a machine that is registered already gets a new registration. It is another node then.
    type: bool
    default: false
  new_machine_id:
    description:
      - Whether the machine gets a new C(/etc/machine-id) before it registers, as a copy of another machine must. Without something
        to register it stays as it is.
    type: bool
    default: false
  timeout:
    description:
      - How many seconds the agent may take to register.
    type: int
    default: 120
requirements:
  - Python >= 3.6 on the managed node
seealso:
  - module: fleet.ssm.activation
  - module: fleet.ssm.registration_info
"""

EXAMPLES = r"""
- name: Register the machine
  fleet.ssm.agent_registration:
    activation_id: "{{ made.activation.activation_id }}"
    activation_code: "{{ made.activation_code }}"
    region: eu-west-1
  become: true
  no_log: true

- name: Have the agent forget its registration
  fleet.ssm.agent_registration:
    state: absent
  become: true
"""

RETURN = r"""
node_id:
  description: The id of the node that the machine is now. Null if it is none, and in check mode when it would become one.
  returned: success
  type: str
  sample: mi-0123456789abcdef0
region:
  description: The region it is registered in.
  returned: success
  type: str
  sample: eu-west-1
previous_node_id:
  description: The id that it had before. Null if it had none.
  returned: success
  type: str
  sample: mi-0123456789abcdef1
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleet.ssm.plugins.module_utils._agent.platforms import NAME, UnsupportedError
from ansible_collections.fleet.ssm.plugins.module_utils._agent.refusals import explain
from ansible_collections.fleet.ssm.plugins.module_utils._machine import agent_state, installation, system
from ansible_collections.fleet.ssm.plugins.module_utils._machine.programs import run
from ansible_collections.fleet.ssm.plugins.module_utils._machine.registration import KeptRegistration

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

    Agent = t.Dict[str, t.Any]

_NEEDED = ("activation_id", "activation_code", "region")


class RefusedError(Exception):
    """It was not done; the text says why."""


def _described() -> "Agent":
    there = installation.installed(NAME)
    if not there:
        raise RefusedError("The machine has no SSM Agent. Install it by the role fleet.ssm.agent.")
    if system.is_macos():
        raise RefusedError("AWS registers no Mac. An EC2 Mac instance is a managed node by its instance profile.")
    if not system.this_system().booted:
        raise RefusedError("systemd does not run here, as when an image is built. Register the machine when it has booted.")
    return agent_state.describe(there, True)


def _register(module: AnsibleModule, agent: "Agent") -> None:
    params = module.params
    kept = KeptRegistration()
    try:
        kept.save(agent["node_id"] is not None)
    except OSError as error:
        raise RefusedError("The present registration cannot be saved, so it was left as it is: {0}".format(error)) from error
    try:
        run("systemctl", "stop", agent["unit"])
        if params["new_machine_id"]:
            kept.renew_machine_id()
            # The fingerprint of the old machine, which the agent would compare with.
            run(agent_state.program(agent["kind"]), "-register", "-clear")
        said = run(
            agent_state.program(agent["kind"]),
            *("-register", "-y", "-region", params["region"], "-id", params["activation_id"], "-code", params["activation_code"]),
            seconds=params["timeout"],
        )
        if said.code:
            raise RefusedError(explain(said.output + said.error, params["region"], params["activation_code"]))
    except BaseException:
        kept.put_back()
        raise
    finally:
        started = run("systemctl", "start", agent["unit"])
    kept.forget()
    if started.code:
        raise RefusedError("The machine is registered, but its agent does not start: {0}".format(started.error.strip()))


def _forget(agent: "Agent") -> None:
    said = run(agent_state.program(agent["kind"]), "-register", "-clear")
    if said.code:
        raise RefusedError("The agent does not forget its registration: {0}".format((said.error or said.output).strip()))
    KeptRegistration().clear()
    run("systemctl", "restart", agent["unit"])


def _ensure(module: AnsibleModule) -> "t.Dict[str, t.Any]":
    before = _described()
    wanted = module.params["state"] == "present"
    registered = before["node_id"] is not None
    changed = (not registered or module.params["replace"]) if wanted else registered
    after = dict(before)
    if changed:
        missing = [name for name in _NEEDED if wanted and not module.params[name] and not module.check_mode]
        if missing:
            raise RefusedError("The machine is to be registered, which needs {0}.".format(", ".join(missing)))
        after = dict(before, node_id=None, region=module.params["region"] if wanted else None)
    if changed and not module.check_mode:
        if wanted:
            _register(module, before)
        else:
            _forget(before)
        after = _described()
    return {
        "changed": changed,
        "node_id": after["node_id"],
        "region": after["region"],
        "previous_node_id": before["node_id"],
        "diff": {
            "before": {"node_id": before["node_id"]},
            "after": {"node_id": after["node_id"] or ("(a new one)" if wanted else None)},
        },
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "activation_id": {"type": "str"},
            "activation_code": {"type": "str", "no_log": True},
            "region": {"type": "str"},
            "replace": {"type": "bool", "default": False},
            "new_machine_id": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    try:
        result = _ensure(module)
    except (RefusedError, UnsupportedError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
