# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the agent's common-config.toml and its profile are to say."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent import configuration
from ansible_collections.fleet.ssm.plugins.module_utils._cloudwatch import settings


def _common(text: str = "", **params: t.Any) -> str:
    unset = {"credentials": None, "profile": "default", "credentials_file": "/c", "proxy": None, "ca_bundle": None}
    return settings.common_config(text, {**unset, **params})


def test_the_credentials_of_the_ssm_agent_are_the_default_profile_of_root() -> None:
    text = _common(credentials="ssm", profile="other")
    assert text == '[credentials]\nshared_credential_profile = "default"\nshared_credential_file = "/root/.aws/credentials"\n'


def test_a_profile_is_taken_with_its_file() -> None:
    text = _common(credentials="profile", profile="agent", credentials_file="/home/agent/.aws/credentials")
    assert '"agent"' in text
    assert '"/home/agent/.aws/credentials"' in text


def test_none_takes_the_credentials_out_and_leaves_the_proxy() -> None:
    text = _common(_common(credentials="ssm", proxy={"http": "http://p"}), credentials="none")
    assert "shared_credential" not in text
    assert "http://p" in text


def test_options_that_are_not_given_leave_everything() -> None:
    text = _common(credentials="ssm", proxy={"http": "http://p"}, ca_bundle="/ca")
    assert _common(text) == text


def test_no_proxy_reaches_the_metadata_of_an_instance() -> None:
    text = _common(proxy={"https": "http://p", "no": "a, b"})
    assert 'no_proxy = "a,b,169.254.169.254"' in text
    assert "http_proxy =" not in text.replace("https_proxy", "")


def test_an_empty_proxy_removes_all_of_it() -> None:
    assert "=" not in _common(_common(proxy={"http": "http://p"}), proxy={})


def test_an_empty_ca_bundle_removes_it() -> None:
    assert 'ca_bundle_path = "/ca"' in _common(ca_bundle="/ca")
    assert "=" not in _common(_common(ca_bundle="/ca"), ca_bundle="")


def test_the_region_is_written_beside_the_credentials_where_the_agent_looks_for_it() -> None:
    used = settings.Profile("agent", "/home/agent/.aws/credentials")
    assert settings.profile_config_path(used) == "/home/agent/.aws/config"
    assert settings.profile_config("", used, "eu-west-1") == "[profile agent]\nregion = eu-west-1\n"
    default = settings.Profile("default", configuration.SHARED_CREDENTIALS)
    assert settings.profile_config("", default, "eu-west-1") == "[default]\nregion = eu-west-1\n"


def test_without_credentials_of_ours_there_is_no_profile() -> None:
    assert settings.profile(None, "default", "/c") is None
    assert settings.profile("none", "default", "/c") is None
