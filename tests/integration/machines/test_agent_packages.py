# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages that tests of roles install: the stub's registration, and the real agent's programs in the same layout."""

from __future__ import annotations

import collections.abc
import json
import pathlib
import typing as t

import pytest

from tests.machines import agent_packages, bucket, prerequisites
from tests.machines.machine import Machine
from tests.machines.site import Site

pytestmark = pytest.mark.long

_VERSION = "3.3.1.0"
_REGISTER = ("amazon-ssm-agent", "-register", "-y", "-code", "secret", "-id", "an-id", "-region", "us-east-1")
_VAULT = "var/lib/amazon/ssm/Vault/Store/RegistrationKey"


@pytest.fixture(scope="module")
def serving(site: Site, tmp_path_factory: pytest.TempPathFactory) -> collections.abc.Iterator[bucket.Bucket]:
    with bucket.Bucket(site.network.listen(443), tmp_path_factory.mktemp("bucket")) as made:
        yield made


@pytest.fixture(scope="module")
def machine(site: Site, serving: bucket.Bucket, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    reason = prerequisites.missing_of(prerequisites.PACKAGING_PROGRAMS)
    if reason:
        pytest.skip(reason)
    booted = site.boot("stub", "debian", bucket.NAMES, serving.authority)
    _install(booted, agent_packages.deb(tmp_path_factory.mktemp("packages"), _VERSION))
    return booted


def _install(machine: Machine, package: bytes) -> None:
    (machine.root / "root/agent.deb").write_bytes(package)
    machine.run("dpkg", "--install", "/root/agent.deb")


def _answer(status: int, **members: str) -> bucket.Post:
    return lambda _host, _body: (status, json.dumps(members).encode())


def _vault(machine: Machine) -> dict[str, t.Any]:
    content: dict[str, t.Any] = json.loads(machine.output("cat", f"/{_VAULT}"))
    return content


def test_the_package_starts_the_agent(machine: Machine) -> None:
    assert machine.output("systemctl", "is-active", "amazon-ssm-agent") == "active"
    assert machine.output("amazon-ssm-agent", "-version") == f"SSM Agent version: {_VERSION}"


def test_an_agent_that_is_not_registered_knows_no_node(machine: Machine) -> None:
    asked = machine.run("ssm-cli", "get-instance-information", check=False)
    assert asked.returncode != 0
    assert asked.stdout == ""


def test_a_registered_agent_knows_its_node(machine: Machine, serving: bucket.Bucket) -> None:
    asked: list[tuple[str, bytes]] = []

    def post(host: str, body: bytes) -> tuple[int, bytes]:
        asked.append((host, body))
        return 200, b'{"InstanceId": "mi-1"}'

    serving.content.post = post
    said = machine.output(*_REGISTER)
    assert said == "Successfully registered the instance with AWS SSM using Managed instance-id: mi-1"
    ((host, body),) = asked
    assert host == "ssm.us-east-1.amazonaws.com"
    assert json.loads(body)["Fingerprint"] == machine.output("cat", "/etc/machine-id")
    information = json.loads(machine.output("ssm-cli", "get-instance-information"))
    assert information == {"instance-id": "mi-1", "region": "us-east-1", "release-version": _VERSION}


def test_a_refused_registration_has_blanked_the_one_before_but_its_file_still_names_it(
    machine: Machine, serving: bucket.Bucket
) -> None:
    serving.content.post = _answer(200, InstanceId="mi-2")
    machine.run(*_REGISTER)
    assert _vault(machine)["ManagedInstanceID"] == "mi-2"

    serving.content.post = _answer(400, __type="ActivationExpired", message="The activation has expired.")
    refused = machine.run(*_REGISTER, check=False)
    assert refused.returncode == 1
    assert "ActivationExpired" in refused.stderr
    assert _vault(machine) == {}
    assert "mi-2" in machine.output("cat", "/var/lib/amazon/ssm/registration")
    assert machine.run("ssm-cli", "get-instance-information", check=False).returncode != 0


def test_cleared_together_with_an_activation_is_registered_all_the_same(machine: Machine, serving: bucket.Bucket) -> None:
    serving.content.post = _answer(200, InstanceId="mi-3")
    machine.run(*_REGISTER, "-clear")
    assert _vault(machine)["ManagedInstanceID"] == "mi-3"
    machine.run("amazon-ssm-agent", "-register", "-clear")
    assert _vault(machine) == {}


def test_the_real_agent_is_installed_from_the_same_layout(site: Site, tmp_path: pathlib.Path) -> None:
    programs = agent_packages.real_programs()
    if programs is None:
        pytest.skip("SSM_AGENT_BIN is not set: no real amazon-ssm-agent to test with")
    version = agent_packages.version_of(programs)
    real = site.boot("real", "debian")
    _install(real, agent_packages.deb(tmp_path, version, programs))
    assert real.output("dpkg-query", "--show", "--showformat=${Version}", "amazon-ssm-agent") == f"{version}-1"
    assert real.output("amazon-ssm-agent", "-version") == f"SSM Agent version: {version}"
    assert real.output("systemctl", "is-enabled", "amazon-ssm-agent") == "enabled"
