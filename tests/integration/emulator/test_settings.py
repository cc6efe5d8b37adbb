# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service settings have AWS's defaults, are changed and reset, and the tier of hybrid nodes has its effect."""

from __future__ import annotations

import collections.abc
import re
import typing as t

import pytest

from tests.emulator.operations.settings import KINDS
from tests.emulator.service_models import service_model
from tests.integration.emulator.calls import refused
from tests.integration.running_emulator import RunningEmulator

_TIER = "/ssm/managed-instance/activation-tier"
_HOST_MANAGEMENT = "/ssm/managed-instance/default-ec2-instance-management-role"


@pytest.fixture
def elsewhere(emulator: RunningEmulator) -> collections.abc.Iterator[t.Any]:
    """Systems Manager in a region where nobody has set anything."""
    client = emulator.client("ssm", region="eu-central-1", retries={"total_max_attempts": 1})
    yield client
    for name in KINDS:
        client.reset_service_setting(SettingId=name)


def _setting(ssm: t.Any, name: str) -> dict[str, t.Any]:
    return dict(ssm.get_service_setting(SettingId=name)["ServiceSetting"])


def test_the_settings_are_those_of_the_service_model() -> None:
    shape: t.Any = service_model("ssm").shape_for("GetServiceSettingRequest")
    assert set(re.findall(r"/ssm/[\w/-]+", shape.members["SettingId"].documentation)) == set(KINDS)


@pytest.mark.parametrize(("name", "value"), [(_TIER, "standard"), (_HOST_MANAGEMENT, "$None")])
def test_a_setting_that_nobody_changed_is_awss_default(elsewhere: t.Any, name: str, value: str) -> None:
    found = _setting(elsewhere, name)
    assert (found["SettingId"], found["SettingValue"], found["Status"]) == (name, value, "Default")
    assert found["ARN"] == f"arn:aws:ssm:eu-central-1:123456789012:servicesetting{name}"


@pytest.mark.parametrize("prefix", ["", "arn:aws:ssm:eu-central-1:123456789012:servicesetting"], ids=["name", "ARN"])
def test_a_changed_setting_says_by_whom_until_it_is_reset(elsewhere: t.Any, prefix: str) -> None:
    elsewhere.update_service_setting(SettingId=prefix + _HOST_MANAGEMENT, SettingValue="service-role/Hosts")
    changed = _setting(elsewhere, _HOST_MANAGEMENT)
    assert (changed["SettingValue"], changed["Status"]) == ("service-role/Hosts", "Customized")
    assert changed["LastModifiedUser"] == "arn:aws:iam::123456789012:user/demo"
    reset = elsewhere.reset_service_setting(SettingId=prefix + _HOST_MANAGEMENT)["ServiceSetting"]
    assert (reset["SettingValue"], reset["Status"]) == ("$None", "Default")
    assert _setting(elsewhere, _HOST_MANAGEMENT) == reset


@pytest.mark.parametrize("name", ["/ssm/nothing", "arn:aws:ssm:us-west-2:123456789012:servicesetting" + _TIER])
def test_a_setting_that_is_not_there_is_refused(elsewhere: t.Any, name: str) -> None:
    with refused("ServiceSettingNotFound"):
        _setting(elsewhere, name)


def test_a_setting_cannot_be_what_it_is_not_made_for(elsewhere: t.Any) -> None:
    with refused("ValidationException", "standard, advanced"):
        elsewhere.update_service_setting(SettingId=_TIER, SettingValue="Advanced")
    assert _setting(elsewhere, _TIER)["SettingValue"] == "standard"


def test_a_hybrid_node_of_the_standard_tier_has_no_sessions(ssm: t.Any, emulator: RunningEmulator) -> None:
    nodes = emulator.nodes()
    assert _setting(ssm, _TIER)["SettingValue"] == "advanced"
    ssm.reset_service_setting(SettingId=_TIER)
    try:
        with refused("BadRequest", "Enable advanced-instances tier"):
            ssm.start_session(Target=nodes["db-1"])
        assert ssm.start_session(Target=nodes["web-1"])["SessionId"]
    finally:
        ssm.update_service_setting(SettingId=_TIER, SettingValue="advanced")
    assert ssm.start_session(Target=nodes["db-1"])["SessionId"]
