# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service settings of an account in a region: get, update, reset."""

from __future__ import annotations

import re
import typing as t

from tests.emulator.answers import ApiError
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.state import Setting, State, now

ACTIVATION_TIER = "/ssm/managed-instance/activation-tier"
ADVANCED = "advanced"


class Kind(t.NamedTuple):
    """What a setting is unless someone changes it, and what it may be; no choices: any text."""

    default: str
    choices: tuple[str, ...] = ()


# The names and choices are those of UpdateServiceSetting in botocore's model. Of the defaults, those of log destination, adaptive
# concurrency, Application Manager and OpsCenter are told nowhere: here they are what it is like before anybody has set them up.
KINDS = {
    "/ssm/appmanager/appmanager-enabled": Kind("False", ("True", "False")),
    "/ssm/automation/customer-script-log-destination": Kind("", ("CloudWatch",)),
    "/ssm/automation/customer-script-log-group-name": Kind("/aws/ssm/automation/executeScript"),
    "/ssm/automation/enable-adaptive-concurrency": Kind("False", ("True", "False")),
    "/ssm/documents/console/public-sharing-permission": Kind("Enable", ("Enable", "Disable")),
    ACTIVATION_TIER: Kind("standard", ("standard", ADVANCED)),
    "/ssm/managed-instance/default-ec2-instance-management-role": Kind("$None"),
    "/ssm/opsinsights/opscenter": Kind("Disabled", ("Enabled", "Disabled")),
    "/ssm/parameter-store/default-parameter-tier": Kind("Standard", ("Standard", "Advanced", "Intelligent-Tiering")),
    "/ssm/parameter-store/high-throughput-enabled": Kind("false", ("true", "false")),
}
_ARN = re.compile(r"arn:[^:]+:ssm:(?P<region>[^:]*):(?P<account>\d{12}):servicesetting(?P<name>/.+)")


def value_of(state: State, name: str) -> str:
    """Return a setting's value."""
    return state.settings[name].value if name in state.settings else KINDS[name].default


@operation("GetServiceSetting")
def get_service_setting(caller: Caller, params: Params) -> Answer:
    """Tell what a setting is."""
    return {"ServiceSetting": _row(caller.state, _name(caller.state, params["SettingId"]))}


@operation("UpdateServiceSetting")
def update_service_setting(caller: Caller, params: Params) -> Answer:
    """Change a setting."""
    name, value = _name(caller.state, params["SettingId"]), params["SettingValue"]
    choices = KINDS[name].choices
    if choices and value not in choices:
        raise ApiError("ValidationException", f"The value {value} is not valid for {name}: it is one of {', '.join(choices)}.")
    user = caller.credential.principal if caller.credential else ""
    with caller.state.lock:
        caller.state.settings[name] = Setting(value, now(), user)
    return {}


@operation("ResetServiceSetting")
def reset_service_setting(caller: Caller, params: Params) -> Answer:
    """Have a setting be what it was at first, and tell that."""
    name = _name(caller.state, params["SettingId"])
    with caller.state.lock:
        caller.state.settings.pop(name, None)
    return {"ServiceSetting": _row(caller.state, name)}


def _name(state: State, given: str) -> str:
    """Return the name of a setting that is given by name or ARN."""
    arn = _ARN.fullmatch(given)
    if arn and (arn["region"], arn["account"]) == (state.region, state.account):
        given = arn["name"]
    if given not in KINDS:
        raise ApiError("ServiceSettingNotFound", f"Setting {given} is not found.")
    return given


def _row(state: State, name: str) -> Answer:
    changed = state.settings.get(name)
    return {
        "SettingId": name,
        "SettingValue": value_of(state, name),
        "LastModifiedDate": changed.changed if changed else state.opened,
        "LastModifiedUser": changed.user if changed else "System",
        "ARN": f"arn:aws:ssm:{state.region}:{state.account}:servicesetting{name}",
        "Status": "Customized" if changed else "Default",
    }
