# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module service_setting."""

from __future__ import annotations

import functools
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.modules import service_setting

from tests.emulator.operations.settings import KINDS
from tests.unit.conftest import FakeAws, Refusal

TIER = "/ssm/managed-instance/activation-tier"


class Account:
    """An account with AWS's settings, as the emulator knows them."""

    def __init__(self, aws: FakeAws) -> None:
        self.aws = aws
        self.values: dict[str, str] = {}
        aws.answers.update(GetServiceSetting=self._get, UpdateServiceSetting=self._update, ResetServiceSetting=self._reset)

    def changes(self) -> list[str]:
        return [name for name in self.aws.operations() if not name.startswith("Get")]

    def _get(self, params: dict[str, t.Any]) -> dict[str, t.Any]:
        name = params["SettingId"].rpartition("servicesetting")[2]
        if name not in KINDS:
            raise Refusal("ServiceSettingNotFound", f"Setting {name} is not found.")
        value = self.values.get(name, KINDS[name].default)
        status = "Customized" if name in self.values else "Default"
        return {"ServiceSetting": {"SettingId": name, "SettingValue": value, "Status": status}}

    def _update(self, params: dict[str, t.Any]) -> dict[str, t.Any]:
        self.values[params["SettingId"].rpartition("servicesetting")[2]] = params["SettingValue"]
        return {}

    def _reset(self, params: dict[str, t.Any]) -> dict[str, t.Any]:
        self.values.pop(params["SettingId"], None)
        return self._get(params)


@pytest.fixture
def account(fake_aws: FakeAws) -> Account:
    return Account(fake_aws)


@pytest.fixture
def ensure(run: t.Callable[..., t.Any], account: Account) -> t.Callable[..., t.Any]:
    return functools.partial(run, service_setting.main)


def test_the_settings_are_those_that_aws_has() -> None:
    assert {known.setting_id: known.choices for known in service_setting.SETTINGS.values()} == {
        name: kind.choices for name, kind in KINDS.items()
    }


def test_changes_a_setting(ensure: t.Any, account: Account) -> None:
    result = ensure(setting="activation_tier", value="advanced", diff=True)
    assert result["changed"]
    assert result["service_setting"] == {"setting_id": TIER, "setting_value": "advanced", "status": "Customized"}
    assert (result["diff"]["before"]["setting_value"], account.values) == ("standard", {TIER: "advanced"})


def test_changes_a_setting_idempotent(ensure: t.Any, account: Account) -> None:
    ensure(setting="activation_tier", value="advanced")
    assert not ensure(setting="activation_tier", value="advanced")["changed"]
    assert account.changes() == ["UpdateServiceSetting"]


def test_changes_a_setting_check_mode(ensure: t.Any, account: Account) -> None:
    result = ensure(setting="activation_tier", value="advanced", check_mode=True)
    assert (result["changed"], result["service_setting"]["setting_value"]) == (True, "advanced")
    assert account.changes() == []


def test_what_aws_has_it_be_is_no_change(ensure: t.Any, account: Account) -> None:
    assert not ensure(setting="activation_tier", value="standard")["changed"]
    assert not ensure(setting="activation_tier", state="default")["changed"]
    assert account.changes() == []


def test_resets_a_setting(ensure: t.Any, account: Account) -> None:
    ensure(setting="activation_tier", value="advanced")
    foreseen = ensure(setting="activation_tier", state="default", check_mode=True)
    assert (foreseen["changed"], foreseen["service_setting"]) == (True, {"setting_id": TIER, "status": "Default"})
    result = ensure(setting="activation_tier", state="default")
    assert (result["changed"], result["service_setting"]["setting_value"], account.values) == (True, "standard", {})
    assert not ensure(setting="activation_tier", state="default")["changed"]


@pytest.mark.parametrize("setting", [TIER, "arn:aws:ssm:eu-west-1:123456789012:servicesetting" + TIER])
def test_settings_go_by_id_and_arn_too(ensure: t.Any, account: Account, setting: str) -> None:
    ensure(setting=setting, value="advanced")
    assert account.values == {TIER: "advanced"}


@pytest.mark.parametrize(
    ("setting", "value", "kept"),
    [("parameter_throughput", True, "true"), ("adaptive_concurrency", "true", "True"), ("opscenter", "ENABLED", "Enabled")],
)
def test_values_are_spelt_as_aws_does(ensure: t.Any, account: Account, setting: str, value: t.Any, kept: str) -> None:
    ensure(setting=setting, value=value)
    assert list(account.values.values()) == [kept]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"setting": "activation_tier"}, "value"),
        ({"setting": "activation_tier", "value": "best"}, "value must be standard or advanced for this setting, not 'best'."),
        ({"setting": "tier", "value": "best"}, "setting must be an id, /ssm/..., an ARN, or one of activation_tier, "),
        ({"setting": "/ssm/none", "value": "best"}, "Setting /ssm/none is not found."),
    ],
)
def test_refuses_what_cannot_be_right(ensure: t.Any, account: Account, options: dict[str, t.Any], sentence: str) -> None:
    assert sentence in ensure(**options)["msg"]
    assert account.changes() == []


def test_names_the_missing_permission(ensure: t.Any, account: Account) -> None:
    account.aws.deny("UpdateServiceSetting")
    assert "Allow the IAM action ssm:UpdateServiceSetting" in ensure(setting="activation_tier", value="advanced")["msg"]
