# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_setting
short_description: Change what AWS Systems Manager does in an account and region
version_added: 0.1.0
description:
  - A service setting holds for all of an account in a region. AWS has them all, with defaults of its own, and they can be changed
    and reset, but neither created nor deleted.
  - It needs the IAM action C(ssm:GetServiceSetting), and as far as it is to do that C(ssm:UpdateServiceSetting) and
    C(ssm:ResetServiceSetting); for V(default_host_management_role) also C(iam:PassRole) of the role.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.attributes
  - fleet.ssm.attributes.resource
  - fleet.ssm.attributes.actiongroup
options:
  setting:
    description:
      - Which setting, by one of the names below, or by the id or ARN that AWS has for this or another one, such as
        V(/ssm/managed-instance/activation-tier).
      - V(default_host_management_role), the role by which EC2 instances without one of their own are managed nodes, with its path,
        such as V(service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole).
      - V(activation_tier) of hybrid nodes, V(standard) or V(advanced). Sessions with them need V(advanced), which AWS bills.
      - V(parameter_tier) of new parameters, V(Standard), V(Advanced) or V(Intelligent-Tiering).
      - V(parameter_throughput), whether Parameter Store takes more requests a second, V(true) or V(false). AWS bills them.
      - V(adaptive_concurrency), whether Automation runs more executions at once when there is need, V(True) or V(False).
      - V(document_public_sharing), whether documents may be shared with everybody, V(Enable) or V(Disable).
      - V(automation_log_destination) of scripts, V(CloudWatch), and V(automation_log_group) there.
      - V(application_manager), V(True) or V(False), and V(opscenter) in Explorer, V(Enabled) or V(Disabled).
    type: str
    required: true
  state:
    description:
      - V(present) gives the setting the O(value), V(default) what AWS has it be.
    type: str
    choices: [present, default]
    default: present
  value:
    description:
      - What the setting is to be. Capitals do not count where AWS knows a few values only.
      - Required with O(state=present).
    type: str
seealso:
  - name: ServiceSetting
    description: The API reference of AWS Systems Manager.
    link: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ServiceSetting.html
"""

EXAMPLES = r"""
- name: Have sessions with hybrid nodes
  fleet.ssm.service_setting:
    setting: activation_tier
    value: advanced

- name: Manage EC2 instances that have no role of their own
  fleet.ssm.service_setting:
    setting: default_host_management_role
    value: service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole

- name: Let nobody share a document with everybody
  fleet.ssm.service_setting:
    setting: /ssm/documents/console/public-sharing-permission
    value: Disable

- name: Pay for no more throughput
  fleet.ssm.service_setting:
    setting: parameter_throughput
    state: default
"""

RETURN = r"""
service_setting:
  description:
    - The setting, as AWS tells it.
    - In check mode, what it would be; the value that AWS would reset it to is not known before.
  returned: always
  type: dict
  contains:
    setting_id:
      description: Its id.
      returned: always
      type: str
      sample: /ssm/managed-instance/activation-tier
    setting_value:
      description: What it is.
      returned: unless it would be reset in check mode
      type: str
      sample: advanced
    status:
      description: V(Default), V(Customized), or V(PendingUpdate) while a change waits for AWS's approval.
      returned: always
      type: str
      sample: Customized
    arn:
      description: Its ARN.
      returned: always
      type: str
      sample: arn:aws:ssm:eu-west-1:123456789012:servicesetting/ssm/managed-instance/activation-tier
    last_modified_date:
      description: When it was changed last, in UTC.
      returned: always
      type: str
      sample: "2030-01-24T18:00:00+00:00"
    last_modified_user:
      description: Who changed it.
      returned: always
      type: str
      sample: arn:aws:iam::123456789012:user/demo
"""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import RefusedError
from ansible_collections.fleet.ssm.plugins.module_utils._engine.module import run_resource
from ansible_collections.fleet.ssm.plugins.module_utils._engine.resource import PRESENT, Outcome, Resource


class Known(t.NamedTuple):
    """A setting that has a name here, and what it can be; no choices: any text."""

    setting_id: str
    choices: tuple[str, ...] = ()


# As the documentation of UpdateServiceSetting in botocore's model lists them.
SETTINGS = {
    "activation_tier": Known("/ssm/managed-instance/activation-tier", ("standard", "advanced")),
    "adaptive_concurrency": Known("/ssm/automation/enable-adaptive-concurrency", ("True", "False")),
    "application_manager": Known("/ssm/appmanager/appmanager-enabled", ("True", "False")),
    "automation_log_destination": Known("/ssm/automation/customer-script-log-destination", ("CloudWatch",)),
    "automation_log_group": Known("/ssm/automation/customer-script-log-group-name"),
    "default_host_management_role": Known("/ssm/managed-instance/default-ec2-instance-management-role"),
    "document_public_sharing": Known("/ssm/documents/console/public-sharing-permission", ("Enable", "Disable")),
    "opscenter": Known("/ssm/opsinsights/opscenter", ("Enabled", "Disabled")),
    "parameter_throughput": Known("/ssm/parameter-store/high-throughput-enabled", ("true", "false")),
    "parameter_tier": Known("/ssm/parameter-store/default-parameter-tier", ("Standard", "Advanced", "Intelligent-Tiering")),
}
_BY_ID = {known.setting_id: known for known in SETTINGS.values()}
_DEFAULT = "Default"


class ServiceSetting(Resource):
    """A setting of the account and region: there is always one, changed here or as AWS has it."""

    noun = "service_setting"
    title = "setting"
    rules: t.ClassVar[dict[str, t.Any]] = {"required_if": [("state", PRESENT, ["value"])]}

    def check(self) -> None:
        """Refuse a name that is none, and a value that AWS does not know."""
        if not self._setting_id().startswith(("/", "arn:")):
            raise RefusedError(
                f"setting must be an id, /ssm/..., an ARN, or one of {', '.join(SETTINGS)}; not {self._setting_id()!r}."
            )
        choices, value = self._known().choices, self.options["value"]
        if value is not None and choices and self._value() not in choices:
            raise RefusedError(f"value must be {' or '.join(choices)} for this setting, not {value!r}.")

    def shape(self) -> t.Any:
        """Give what each of the operations tells."""
        return self.api.answer_shape("GetServiceSetting").members["ServiceSetting"]

    def ensure(self, check_mode: bool) -> Outcome:
        """Update or reset what differs."""
        self.check()
        before = self._ask("GetServiceSetting")
        if self.options["state"] != PRESENT:
            return self._reset(before, check_mode)
        if before["SettingValue"] == self._value():
            return Outcome(False, self._result(before), self._result(before))
        if check_mode:
            return Outcome(
                True, self._result(before), self._result({**before, "SettingValue": self._value(), "Status": "Customized"})
            )
        self.api.call("UpdateServiceSetting", SettingId=self._setting_id(), SettingValue=self._value())
        return Outcome(True, self._result(before), self._result(self._ask("GetServiceSetting")))

    def _reset(self, before: dict[str, t.Any], check_mode: bool) -> Outcome:
        if before["Status"] == _DEFAULT:
            return Outcome(False, self._result(before), self._result(before))
        after = {**before, "SettingValue": None, "Status": _DEFAULT} if check_mode else self._ask("ResetServiceSetting")
        return Outcome(True, self._result(before), self._result(after))

    def _ask(self, operation: str) -> dict[str, t.Any]:
        answer: dict[str, t.Any] = self.api.call(operation, SettingId=self._setting_id())["ServiceSetting"]
        return answer

    def _setting_id(self) -> str:
        given: str = self.options["setting"]
        return SETTINGS[given].setting_id if given in SETTINGS else given

    def _known(self) -> Known:
        setting_id = self._setting_id().rpartition("servicesetting")[2]
        return _BY_ID.get(setting_id, Known(setting_id))

    def _value(self) -> str:
        """Give the value as AWS spells it."""
        value: str = self.options["value"]
        return next((choice for choice in self._known().choices if choice.lower() == value.lower()), value)


def main() -> None:
    """Run the module."""
    run_resource(ServiceSetting, DOCUMENTATION)


if __name__ == "__main__":
    main()
