# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module cloudwatch_agent_package: whose key counts. What it shares with agent_package is tested there."""

from __future__ import annotations

import collections.abc
import pathlib
import socket
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._cloudwatch import signing_key
from ansible_collections.fleet.ssm.plugins.module_utils._machine import installation, system
from ansible_collections.fleet.ssm.plugins.modules import cloudwatch_agent_package

from tests.machines import prerequisites
from tests.machines.bucket import Bucket
from tests.machines.signing import Signer

_VERSION = "1.300073.2b1889"
_FILE = f"/ubuntu/arm64/{_VERSION}/amazon-cloudwatch-agent.deb"
_NEWEST = "/info/latest/CWAGENT_VERSION"
_KEY = "/assets/amazon-cloudwatch-agent.gpg"


class Machine:
    """Ubuntu on arm64, its package, and a bucket."""

    def __init__(self, bucket: Bucket, signer: Signer, folder: pathlib.Path, run: t.Callable[..., t.Any]) -> None:
        self.content = bucket.content
        self.content.files = {
            _NEWEST: f"{_VERSION}\n".encode(),
            _KEY: signer.public_key.encode(),
            _FILE: b"the package",
            f"{_FILE}.sig": signer.sign(b"the package"),
        }
        self.packages: list[installation.Installed] = []
        self._run = run
        self._options = {"source": "mirror", "mirror": f"https://localhost:{bucket.port}/", "ca_bundle": str(folder / "ca.pem")}

    def ensure(self, **options: t.Any) -> t.Any:
        return self._run(cloudwatch_agent_package.main, **{**self._options, **options})

    def install(self, kind: str, path: str, simulate: bool) -> None:
        assert pathlib.Path(path).read_bytes() == b"the package"
        if not simulate:
            self.packages = [installation.Installed(kind, _VERSION)]

    def remove(self, name: str, kind: str, simulate: bool) -> None:
        assert (name, kind) == ("amazon-cloudwatch-agent", "deb")
        if not simulate:
            self.packages = []


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> collections.abc.Iterator[Signer]:
    reason = prerequisites.missing_of({"gpg": "gpg"})
    if reason:
        pytest.skip(reason)
    with Signer(tmp_path_factory.mktemp("k") / "k") as made:
        yield made


@pytest.fixture
def machine(
    signer: Signer, tmp_path: pathlib.Path, run: t.Callable[..., t.Any], monkeypatch: pytest.MonkeyPatch
) -> collections.abc.Iterator[Machine]:
    with Bucket(socket.create_server(("127.0.0.1", 0)), tmp_path, ("localhost",)) as bucket:
        made = Machine(bucket, signer, tmp_path, run)
        monkeypatch.setattr(installation, "installed", lambda _name: list(made.packages))
        monkeypatch.setattr(installation, "install", made.install)
        monkeypatch.setattr(installation, "remove", made.remove)
        monkeypatch.setattr(installation, "version_in", lambda _name, _kind, _path: _VERSION)
        monkeypatch.setattr(system, "this_system", lambda: system.System("deb", "arm64", True))
        monkeypatch.setattr(system, "distribution_names", lambda: ["ubuntu", "debian"])
        monkeypatch.setattr(signing_key, "FINGERPRINT", signer.fingerprint)
        yield made


def test_the_key_beside_the_packages_counts_when_its_fingerprint_is_awss(machine: Machine, signer: Signer) -> None:
    result = machine.ensure()
    assert (result["changed"], result["kind"], result["version"], result["previous_version"]) == (True, "deb", _VERSION, None)
    assert (result["fingerprint"], result["unit"]) == (signer.fingerprint, "amazon-cloudwatch-agent.service")
    assert machine.content.asked == [_NEWEST, _KEY, f"{_FILE}.sig", _FILE]


def test_the_package_check_mode(machine: Machine) -> None:
    assert machine.ensure(check_mode=True)["changed"]
    assert machine.packages == []


def test_the_package_idempotent(machine: Machine) -> None:
    assert machine.ensure()["changed"]
    machine.content.asked.clear()
    assert not machine.ensure()["changed"]
    assert machine.content.asked == []


def test_another_key_beside_the_packages_is_worth_nothing(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> None:
    with Signer(tmp_path_factory.mktemp("k") / "k") as other:
        machine.content.files[_KEY] = other.public_key.encode()
        machine.content.files[f"{_FILE}.sig"] = other.sign(b"the package")
    message = machine.ensure()["msg"]
    assert "which is not among the fingerprints" in message
    assert machine.packages == []


def test_awss_key_is_named_when_it_is_not_among_the_given_ones(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> None:
    with Signer(tmp_path_factory.mktemp("k") / "k") as other:
        message = machine.ensure(keys=[other.public_key])["msg"]
    assert "The signature was made with AWS's key for the CloudWatch agent." in message


def test_keys_that_are_given_are_the_only_ones(machine: Machine, signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing_key, "FINGERPRINT", "0" * 40)
    assert machine.ensure(keys=[signer.public_key])["changed"]
    assert _KEY not in machine.content.asked


def test_a_fingerprint_that_is_given_takes_the_place_of_awss(
    machine: Machine, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_key, "FINGERPRINT", "0" * 40)
    assert "not among the fingerprints" in machine.ensure()["msg"]
    assert machine.ensure(fingerprints=[signer.fingerprint])["changed"]


def test_a_page_instead_of_a_key_is_told(machine: Machine) -> None:
    machine.content.files[_KEY] = b"<html>Please log in"
    assert "is not a public key of OpenPGP" in machine.ensure()["msg"]


def test_stable_is_no_version_of_this_agent(machine: Machine) -> None:
    assert "version must be present, latest or a number" in machine.ensure(version="stable")["msg"]


def test_a_package_is_removed_and_its_absence_left(machine: Machine) -> None:
    machine.ensure()
    assert machine.ensure(state="absent", check_mode=True)["changed"]
    assert machine.packages
    assert machine.ensure(state="absent")["changed"]
    assert not machine.ensure(state="absent")["changed"]
