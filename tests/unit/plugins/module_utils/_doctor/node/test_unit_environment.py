# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proxy is the one that the agent, a Go program below systemd, would use."""

from __future__ import annotations

import contextlib

import hypothesis
import hypothesis.strategies as st
import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node import unit_environment as units

HOST = "ssm.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("[Service]\nEnvironment=a=1 b=2\n", {"a": "1", "b": "2"}),
        ('Environment="https_proxy=http://p:1" "no_proxy=a,b c"', {"https_proxy": "http://p:1", "no_proxy": "a,b c"}),
        ("Environment=a=1\nEnvironment=\nEnvironment=b=2", {"b": "2"}),
        ("Environment=a=1 \\\n  b=2", {"a": "1", "b": "2"}),
        ("# Environment=a=1\nExecStart=/bin/x a=2", {}),
        ("Environment=a='unended", {"a": "'unended"}),
    ],
)
def test_a_unit_has_variables(text: str, variables: dict[str, str]) -> None:
    assert units.unit_variables(text) == variables


def test_a_unit_names_files() -> None:
    assert units.environment_files("[Service]\nEnvironmentFile=-/etc/default/ssm\nEnvironmentFile=\n") == ["/etc/default/ssm"]


def test_a_file_has_variables() -> None:
    text = "# x\nexport A=1\nB='two words'\nC=three words\n;d=4\nnonsense\n"
    assert units.file_variables(text) == {"A": "1", "B": "two words", "C": "three words"}


def test_a_process_has_variables() -> None:
    assert units.process_variables("A=1\0B=2=3\0nonsense\0") == {"A": "1", "B": "2=3"}


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY"])
def test_a_proxy_is_found_under_both_names(name: str) -> None:
    assert str(units.proxy_of({name: "http://proxy:3128"}, "https", HOST)) == "proxy:3128"


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("proxy:3128", units.Proxy("proxy", 3128)),
        ("http://proxy", units.Proxy("proxy", 80)),
        ("https://proxy", units.Proxy("proxy", 443, "https")),
        ("http://user:p%40ss@proxy:1/", units.Proxy("proxy", 1, "http", "user:p@ss")),
        ("http://[fd00::1]:3128", units.Proxy("fd00::1", 3128)),
    ],
)
def test_a_proxy_is_read(url: str, proxy: units.Proxy) -> None:
    assert units.parse_proxy(url) == proxy


@pytest.mark.parametrize(
    "url", ["http://", "http://proxy:port", "socks5://proxy:1", "http://\u201cproxy\u201d:1", "http://[1:1", "http://a b:1"]
)
def test_what_is_no_proxy_is_refused(url: str) -> None:
    with pytest.raises(units.BadProxyError):
        units.parse_proxy(url)


@pytest.mark.parametrize(
    "no_proxy", ["*", HOST, "amazonaws.com", ".amazonaws.com", "x, eu-west-1.amazonaws.com", "*.amazonaws.com", "AMAZONAWS.COM"]
)
def test_a_host_is_exempt(no_proxy: str) -> None:
    assert units.proxy_of({"https_proxy": "http://proxy:1", "no_proxy": no_proxy}, "https", HOST) is None


@pytest.mark.parametrize("no_proxy", ["", ",", "azonaws.com", "169.254.169.254", "10.0.0.0/8", "nonsense/8"])
def test_a_host_is_not_exempt(no_proxy: str) -> None:
    assert units.proxy_of({"https_proxy": "http://proxy:1", "no_proxy": no_proxy}, "https", HOST) is not None


def test_an_address_is_exempt_by_its_network() -> None:
    assert units.is_exempt({"NO_PROXY": "169.254.0.0/16"}, "169.254.169.254")


def test_http_has_a_proxy_of_its_own() -> None:
    assert units.proxy_of({"http_proxy": "http://proxy:1"}, "https", HOST) is None


@hypothesis.given(st.text())
def test_any_text_can_be_in_a_unit(text: str) -> None:
    units.unit_variables(text)
    units.environment_files(text)
    units.file_variables(text)
    units.process_variables(text)


@hypothesis.given(st.text(), st.text())
def test_any_text_is_a_proxy_or_refused(url: str, no_proxy: str) -> None:
    with contextlib.suppress(units.BadProxyError):
        units.proxy_of({"https_proxy": url, "no_proxy": no_proxy}, "https", HOST)
