# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module agent_package: what it decides, on a machine whose package manager is written here. Booted machines test the rest."""

from __future__ import annotations

import collections.abc
import pathlib
import socket
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._machine import installation, package, system
from ansible_collections.fleet.ssm.plugins.module_utils._machine.programs import Said
from ansible_collections.fleet.ssm.plugins.modules import agent_package

from tests.machines import prerequisites
from tests.machines.bucket import Bucket
from tests.machines.signing import Signer

_FILE = "/3.3.2.0/linux_arm64/amazon-ssm-agent.rpm"


class Machine:
    """An arm64 machine of the RHEL family, its packages, and a bucket."""

    def __init__(self, bucket: Bucket, signer: Signer, folder: pathlib.Path, run: t.Callable[..., t.Any]) -> None:
        self.content = bucket.content
        self.content.files = {
            "/latest/VERSION": b"3.3.2.0\n",
            "/stable/VERSION": b"3.3.1.0\n",
            _FILE: b"the package",
            f"{_FILE}.sig": signer.sign(b"the package"),
        }
        self.packages: list[installation.Installed] = []
        self.removed: list[str] = []
        self._run = run
        self._options = {
            "source": "mirror",
            "mirror": f"https://localhost:{bucket.port}/",
            "keys": [signer.public_key],
            "ca_bundle": str(folder / "ca.pem"),
        }

    def has(self, *packages: tuple[str, str]) -> None:
        self.packages = [installation.Installed(kind, version) for kind, version in packages]

    def ensure(self, **options: t.Any) -> t.Any:
        return self._run(agent_package.main, **{**self._options, **options})

    def install(self, kind: str, path: str, simulate: bool) -> None:
        assert pathlib.Path(path).read_bytes() == b"the package"
        self.has((kind, "3.3.2.0"))

    def remove(self, _name: str, kind: str, simulate: bool) -> None:
        self.removed.append(kind)
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
        monkeypatch.setattr(installation, "version_in", lambda _name, _kind, _path: "3.3.2.0")
        monkeypatch.setattr(system, "this_system", lambda: system.System("rpm", "arm64", True))
        yield made


def test_the_package_is_the_one_for_family_and_architecture(machine: Machine, signer: Signer) -> None:
    result = machine.ensure()
    assert (result["changed"], result["kind"], result["version"], result["previous_version"]) == (True, "rpm", "3.3.2.0", None)
    assert result["fingerprint"] == signer.fingerprint
    assert machine.content.asked == ["/latest/VERSION", f"{_FILE}.sig", _FILE]


def test_nobody_is_asked_when_any_version_will_do(machine: Machine) -> None:
    machine.has(("rpm", "3.0.0.0"))
    assert not machine.ensure()["changed"]
    assert machine.content.asked == []


def test_a_newer_version_than_the_stable_one_stays(machine: Machine) -> None:
    machine.has(("rpm", "3.3.2.0"))
    assert not machine.ensure(version="stable")["changed"]
    assert machine.content.asked == ["/stable/VERSION"]


def test_a_version_that_is_installed_is_not_looked_for(machine: Machine) -> None:
    machine.has(("rpm", "3.3.2.0"))
    assert not machine.ensure(version="3.3.2.0")["changed"]
    assert machine.content.asked == []


def test_a_page_instead_of_a_version_is_told(machine: Machine) -> None:
    machine.content.files["/latest/VERSION"] = b"<html>Please log in"
    assert "Is that a proxy's page?" in machine.ensure()["msg"]


def test_a_word_that_is_no_version_is_told(machine: Machine) -> None:
    assert "version must be present, latest, stable or a number" in machine.ensure(version="newest")["msg"]


def test_a_downgrade_must_be_allowed(machine: Machine) -> None:
    machine.has(("rpm", "3.3.9.0"))
    assert "allow_downgrade" in machine.ensure(version="3.3.2.0")["msg"]
    assert machine.ensure(version="3.3.2.0", allow_downgrade=True)["changed"]


def test_two_agents_are_told(machine: Machine) -> None:
    machine.has(("deb", "3.3.1.0"), ("snap", "3.3.0.5"))
    assert "installed twice, as deb and snap" in machine.ensure()["msg"]


def test_a_snap_does_for_any_version_and_for_no_other(machine: Machine) -> None:
    machine.has(("snap", "3.3.0.5"))
    result = machine.ensure()
    assert (result["changed"], result["unit"]) == (False, "snap.amazon-ssm-agent.amazon-ssm-agent.service")
    assert "set replace_snap" in machine.ensure(version="latest")["msg"]
    assert machine.ensure(version="latest", replace_snap=True)["changed"]
    assert machine.removed == ["snap"]


def test_a_snap_stays_when_the_package_in_its_place_cannot_be_had(machine: Machine) -> None:
    machine.has(("snap", "3.3.0.5"))
    machine.content.tamper(_FILE)
    assert machine.ensure(replace_snap=True)["failed"]
    assert machine.removed == []


def test_a_snap_is_removed_only_when_asked_for(machine: Machine) -> None:
    machine.has(("snap", "3.3.0.5"))
    assert "Set replace_snap" in machine.ensure(state="absent")["msg"]
    assert machine.ensure(state="absent", replace_snap=True)["changed"]
    assert not machine.ensure(state="absent")["changed"]


def test_a_package_that_is_another_program_is_refused(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "version_in", lambda _name, _kind, _path: "")
    assert "is no SSM agent" in machine.ensure()["msg"]
    assert machine.packages == []


def test_what_the_package_manager_says_is_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: t.Any, **_options: t.Any) -> None:
        raise installation.PackageError("The package manager refused (exit code 1): no room")

    monkeypatch.setattr(installation, "install", refuse)
    assert machine.ensure()["msg"].endswith("no room")


def test_without_keys_those_of_aws_count_and_no_other(machine: Machine, signer: Signer) -> None:
    message = machine.ensure(keys=None)["msg"]
    assert "which is none of the given ones" in message
    assert signer.fingerprint[-16:] in message


def test_a_missing_region_is_told(machine: Machine) -> None:
    assert "not the name of an AWS region" in machine.ensure(source="regional", mirror=None)["msg"]


class Mac:
    """What pkgutil says of the package."""

    status = "signed by a developer certificate issued by Apple for distribution"
    signer = "Developer ID Installer: Example Corp (ABCDE12345)"

    def run(self, *command: str) -> Said:
        assert command[:2] == ("pkgutil", "--check-signature")
        assert pathlib.Path(command[2]).read_bytes() == b"the package"
        return Said(0, f"   Status: {self.status}\n   Certificate Chain:\n    1. {self.signer}\n", "")


@pytest.fixture
def mac(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Mac:
    """The machine as a Mac, whose packages have no signature beside them and do not tell their version."""
    made = Mac()
    machine.content.files = {"/latest/VERSION": b"3.3.2.0\n", "/3.3.2.0/darwin_arm64/amazon-ssm-agent.pkg": b"the package"}
    monkeypatch.setattr(system, "this_system", lambda: system.System("pkg", "arm64", True))
    monkeypatch.setattr(installation, "version_in", None)
    monkeypatch.setattr(package, "run", made.run)
    return made


def test_on_macos_the_package_s_own_signature_counts(machine: Machine, mac: Mac) -> None:
    result = machine.ensure(signers=[mac.signer])
    assert (result["changed"], result["kind"], result["version"], result["signer"]) == (True, "pkg", "3.3.2.0", mac.signer)


def test_on_macos_nothing_is_loaded_unless_the_signer_is_named(machine: Machine, mac: Mac) -> None:
    assert "name the first certificate of the chain in signers" in machine.ensure()["msg"]
    assert machine.content.asked == ["/latest/VERSION"]


def test_on_macos_a_package_of_another_signer_is_refused(machine: Machine, mac: Mac) -> None:
    assert f"it was signed by {mac.signer}" in machine.ensure(signers=["Somebody"])["msg"]
    mac.status = "no signature"
    assert "pkgutil says: no signature. Nothing was installed." in machine.ensure(signers=[mac.signer])["msg"]
    assert machine.packages == []


def test_on_macos_another_version_than_was_asked_for_is_told_when_it_is_there(machine: Machine, mac: Mac) -> None:
    machine.content.files["/3.3.3.0/darwin_arm64/amazon-ssm-agent.pkg"] = b"the package"
    assert "but 3.3.3.0 is not there" in machine.ensure(signers=[mac.signer], version="3.3.3.0")["msg"]
