# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: activation
short_description: Create or delete hybrid activations of AWS Systems Manager
version_added: 0.1.0
description:
  - A hybrid activation is what a machine outside EC2 needs to register itself as a managed node, C(mi-...). It consists of an
    activation id and an activation code.
  - With O(state=present) the module returns an activation with the O(description) that is usable, that is, not expired and with
    registrations left. It creates one when there is none.
  - AWS tells the code once, when the activation is created, and never again. Name a O(code_parameter) to have it stored as a
    SecureString parameter of Parameter Store, so that later runs and other playbooks can read it.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.attributes
  - fleet.ssm.attributes.resource
  - fleet.ssm.attributes.actiongroup
attributes:
  idempotent:
    details:
      - A usable activation is kept. One that is expired or used up is no longer usable, so the next run creates another.
options:
  description:
    description:
      - What the activation is for. This is how the module knows it, so give each purpose a description of its own.
    type: str
    required: true
  state:
    description:
      - V(present) returns a usable activation, created if need be.
      - V(absent) deletes all activations with the O(description), expired and used up ones included. Machines that have registered
        stay registered.
    type: str
    choices: [present, absent]
    default: present
  iam_role:
    description:
      - The name, not the ARN, of the IAM service role that registered machines get. Its trust policy must let
        C(ssm.amazonaws.com) assume it.
      - Required with O(state=present).
    type: str
  default_instance_name:
    description:
      - The name that registered machines show in the console.
    type: str
  registration_limit:
    description:
      - How many machines may register with this activation, from 1 to 1000. AWS takes 1 when this is not given.
    type: int
  expires_in_hours:
    description:
      - How many hours a newly created activation is valid, from 1 to 720 (30 days). AWS takes 24 when neither this nor
        O(expiration_date) is given.
      - It does not count as a difference when a usable activation is there.
    type: int
  expiration_date:
    description:
      - Until when the activation is valid, as an ISO 8601 date or time, such as V(2030-01-31T18:00:00Z).
        In UTC if it names no zone. At most 30 days from now.
    type: str
  tags:
    description:
      - Tags of the activation, which registered machines inherit. AWS takes them at creation only.
    type: dict
  on_difference:
    description:
      - What to do when a usable activation differs from the options given, since AWS cannot change an activation.
      - V(fail) says what differs and changes nothing.
      - V(replace) creates a new one and then deletes the one that differs.
    type: str
    choices: [fail, replace]
    default: fail
  code_parameter:
    description:
      - Store the activation code in this SecureString parameter.
      - An activation whose code is not in this parameter does not count as usable.
      - With O(state=absent) the parameter is deleted with its activation.
      - A parameter that exists and was not written by this module is never overwritten.
    type: str
  code_parameter_kms_key:
    description:
      - The KMS key (id, ARN or alias) that encrypts the O(code_parameter). Without it, C(alias/aws/ssm).
      - It applies when a code is written.
    type: str
  return_code:
    description:
      - Return the code although it is stored in O(code_parameter). Without O(code_parameter) it is always returned.
      - A task that returns the code must have C(no_log=true), or else the module refuses to run, since Ansible would print the
        code with C(-v) and hand it to every log and callback.
    type: bool
    default: false
seealso:
  - module: fleet.ssm.activation_info
  - name: Hybrid activations
    description: The user guide of AWS Systems Manager.
    link: https://docs.aws.amazon.com/systems-manager/latest/userguide/hybrid-activation-managed-nodes.html
"""

EXAMPLES = r"""
- name: Have an activation for 20 machines, its code in Parameter Store
  fleet.ssm.activation:
    description: Plant 7 servers
    iam_role: SSMServiceRole
    registration_limit: 20
    expires_in_hours: 168
    code_parameter: /fleet/plant7/activation-code
    tags:
      site: plant7
  register: plant7

- name: Have an activation and use its code right away
  fleet.ssm.activation:
    description: One kiosk
    iam_role: SSMServiceRole
  register: kiosk
  no_log: true

- name: Register the machine
  ansible.builtin.command:
    argv:
      - amazon-ssm-agent
      - -register
      - -id
      - "{{ kiosk.activation.activation_id }}"
      - -code
      - "{{ kiosk.activation_code }}"
      - -region
      - eu-west-1
  when: kiosk is changed
  no_log: true

- name: Want more registrations than the activation has, so replace it
  fleet.ssm.activation:
    description: Plant 7 servers
    iam_role: SSMServiceRole
    registration_limit: 50
    code_parameter: /fleet/plant7/activation-code
    on_difference: replace

- name: Delete the activation and its code
  fleet.ssm.activation:
    description: Plant 7 servers
    code_parameter: /fleet/plant7/activation-code
    state: absent
"""

RETURN = r"""
activation:
  description:
    - The activation, as AWS lists it. Empty when there is none.
    - In check mode, what would be created, without an id.
  returned: always
  type: dict
  contains:
    activation_id:
      description: The id that goes with the code.
      returned: when there is an activation
      type: str
      sample: 5743558d-563b-4457-8682-d16c3example
    description:
      description: What the activation is for.
      returned: when there is an activation
      type: str
      sample: Plant 7 servers
    default_instance_name:
      description: The name that registered machines show.
      returned: when it has one
      type: str
      sample: plant7
    iam_role:
      description: The service role of registered machines.
      returned: when there is an activation
      type: str
      sample: SSMServiceRole
    registration_limit:
      description: How many machines may register.
      returned: when there is an activation
      type: int
      sample: 20
    registrations_count:
      description: How many machines have registered.
      returned: when there is an activation
      type: int
      sample: 3
    expiration_date:
      description: Until when machines may register, in UTC.
      returned: when there is an activation
      type: str
      sample: "2030-01-31T18:00:00+00:00"
    expired:
      description: Whether it has expired.
      returned: when there is an activation
      type: bool
      sample: false
    created_date:
      description: When it was created, in UTC.
      returned: when there is an activation
      type: str
      sample: "2030-01-24T18:00:00+00:00"
    tags:
      description: Its tags.
      returned: when it has tags
      type: dict
      sample: {site: plant7}
activation_code:
  description: The code, a secret.
  returned: >-
    when the activation was created in this run and O(code_parameter) is not given; with O(return_code=true) always,
    but for check mode
  type: str
  sample: Fn1xExAmPlEhrXb0aXtQ
code_parameter:
  description: The parameter that holds the code.
  returned: when O(code_parameter) is given
  type: str
  sample: /fleet/plant7/activation-code
"""

import datetime
import functools
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._activations.usability import is_usable
from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure
from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import RefusedError, Thing
from ansible_collections.fleet.ssm.plugins.module_utils._engine.module import run_resource
from ansible_collections.fleet.ssm.plugins.module_utils._engine.resource import PRESENT, Resource
from ansible_collections.fleet.ssm.plugins.module_utils._parameters.secret import SecretParameter
from ansible_collections.fleet.ssm.plugins.module_utils._registration import service_role

_LONGEST = datetime.timedelta(days=30)
# AWS may cut a time to the second or the minute.
_SAME_TIME = datetime.timedelta(minutes=1)


class Activation(Resource):
    """A hybrid activation: created and deleted, never changed, and its code told once."""

    noun = "activation"
    title = "description"
    ids = ("ActivationId",)
    item = ("DescribeActivations", "ActivationList")
    create = "CreateActivation"
    delete = "DeleteActivation"
    rules: t.ClassVar[dict[str, t.Any]] = {
        "required_if": [("state", "present", ["iam_role"])],
        "mutually_exclusive": [("expires_in_hours", "expiration_date")],
        "required_by": {"code_parameter_kms_key": ["code_parameter"]},
    }
    instead_of_no_log = ", or store the code with code_parameter and leave return_code off"

    @functools.cached_property
    def parameter(self) -> SecretParameter | None:
        """The parameter for the code, if the user wants one."""
        name = self.options["code_parameter"]
        key = self.options["code_parameter_kms_key"]
        return SecretParameter(self.api, name, key, "Code of Systems Manager activation ") if name else None

    def check(self) -> None:
        """Refuse an ARN as the role, and a lifetime AWS does not grant."""
        if sentence := service_role.refusal(self.options["iam_role"] or ""):
            raise RefusedError(sentence)
        left = self._expiration() - _now() if self._expiration_said() else _SAME_TIME
        if not datetime.timedelta() < left <= _LONGEST:
            raise RefusedError("An activation must expire within the next 30 days: set expires_in_hours from 1 to 720.")

    def find(self) -> list[dict[str, t.Any]]:
        """Read all activations, for AWS has no filter by description; the newest first."""
        listed = self.api.items(*self.item)
        named = [item for item in listed if item.get("Description") == self.options["description"]]
        return sorted(named, key=lambda item: item.get("CreatedDate", _EPOCH), reverse=True)

    def fit(self, found: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
        """Leave those with which a machine can register now, and whose code can be had where it is to be kept."""
        usable = [item for item in found if is_usable(item, _now())]
        if self.parameter is None:
            return usable
        owner = self.parameter.owner()
        return [item for item in usable if item["ActivationId"] == owner]

    def wanted(self) -> dict[str, t.Any]:
        """Turn either way to give the end into a date."""
        date = {"ExpirationDate": self._expiration()} if self._expiration_said() else {}
        return {**super().wanted(), **date}

    def compared(self, want: dict[str, t.Any]) -> dict[str, t.Any]:
        """Leave out an end told in hours from now, which is another with every run."""
        if self.options["expiration_date"]:
            return want
        return {member: value for member, value in want.items() if member != "ExpirationDate"}

    def same(self, member: str, have: t.Any, want: t.Any) -> bool:
        """Compare the date loosely, and a role with its path like one without."""
        if member == "ExpirationDate" and have is not None:
            return bool(abs(have - want) < _SAME_TIME)
        if member == "IamRole" and have is not None:
            return service_role.same(have, want)
        return super().same(member, have, want)

    def created(self, answer: dict[str, t.Any]) -> dict[str, t.Any]:
        """Store the code, or else delete the activation again, of which nobody would have the code."""
        code = answer.pop("ActivationCode")
        if self.parameter is None:
            return {"activation_code": code}
        try:
            self.parameter.write(answer["ActivationId"], code)
        except AwsFailure as failure:
            self.api.call(self.delete, ActivationId=answer["ActivationId"])
            sentence = f"The activation's code could not be stored, so the activation was deleted again. {failure}"
            raise AwsFailure(sentence, failure.kind, failure.code) from failure
        return {**self._parameter_named(), **({"activation_code": code} if self.options["return_code"] else {})}

    def kept(self, thing: Thing) -> dict[str, t.Any]:
        """Read the stored code when asked for it."""
        if self.parameter is None:
            return {}
        code = {"activation_code": self.parameter.read()} if self.options["return_code"] else {}
        return {**self._parameter_named(), **code}

    def deleted(self, thing: Thing) -> None:
        """Delete the code of the activation, and no other's."""
        if self.parameter is not None and self.parameter.owner() == thing["ActivationId"]:
            self.parameter.remove()

    def secret_in_result(self) -> str:
        """Say when the code is to be returned."""
        returned = self.options["return_code"] or not self.options["code_parameter"]
        return "the activation code" if returned and self.options["state"] == PRESENT else ""

    def _parameter_named(self) -> dict[str, t.Any]:
        return {"code_parameter": self.options["code_parameter"]}

    def _expiration_said(self) -> bool:
        return bool(self.options["expires_in_hours"] is not None or self.options["expiration_date"])

    def _expiration(self) -> datetime.datetime:
        if self.options["expires_in_hours"] is not None:
            return _now() + datetime.timedelta(hours=self.options["expires_in_hours"])
        text = str(self.options["expiration_date"])
        try:
            date = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError as error:
            raise RefusedError(f"expiration_date must be a date as in 2030-01-31T18:00:00Z, not {text!r}.") from error
        return date if date.tzinfo else date.replace(tzinfo=datetime.timezone.utc)


_EPOCH = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def main() -> None:
    """Run the module."""
    run_resource(Activation, DOCUMENTATION)


if __name__ == "__main__":
    main()
