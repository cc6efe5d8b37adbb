# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role agent on booted machines of both families: a check before each run, which must foretell it task by task."""

from __future__ import annotations

import collections.abc
import json
import pathlib
import typing as t

import pytest

from tests.integration.machines.playbooks import Playbooks, Run
from tests.machines import agent_packages, bucket, prerequisites, signing
from tests.machines.machine import Machine
from tests.machines.site import Site

pytestmark = pytest.mark.long

_OLD, _NEW = "3.3.1.0", "3.3.2.0"
_HOSTS = {"debian": "deb", "rocky": "rpm"}
_FOLDERS = {"deb": "debian_amd64", "rpm": "linux_amd64"}
_PLACE = "/amazon-ssm-us-east-1"
_UNIT = "amazon-ssm-agent.service"
_CONFIG = "/etc/amazon/ssm/amazon-ssm-agent.json"
_DROP_IN = f"/etc/systemd/system/{_UNIT}.d/fleet-ssm-proxy.conf"
_TASKS = {
    "config": "Configure the agent and its proxy",
    "package": "Have the agent's package, verified",
    "service": "Have the agent's service as wanted",
}


# A check has installed no service that it could ask.
_FORESEEN = {"Foresee what the new package's service will need": _TASKS["service"]}


class Fleet:
    """Two bare servers, and the bucket with two versions of the agent."""

    def __init__(self, site: Site, serving: bucket.Bucket, folder: pathlib.Path) -> None:
        self.content = serving.content
        self.machines: dict[str, Machine] = {
            "debian": site.boot("debian", "debian", bucket.NAMES, serving.authority),
            "rocky": site.boot("rocky", "enterprise_linux", bucket.NAMES, serving.authority),
        }
        (self.machines["rocky"].root / "root/platform.rpm").write_bytes(agent_packages.platform_rpm(folder))
        self.machines["rocky"].run("rpm", "--install", "/root/platform.rpm")
        self.playbooks = Playbooks(folder, self.machines)
        self.variables: dict[str, t.Any] = {"agent_region": "us-east-1"}
        self.files: dict[str, bytes] = {}

    def publish(self, packages: dict[tuple[str, str], bytes], signer: signing.Signer, newest: str) -> None:
        """Have the bucket hold these packages, by kind and version, and nothing broken."""
        files = {f"{_PLACE}/latest/VERSION": f"{newest}\n".encode(), f"{_PLACE}/stable/VERSION": f"{_OLD}\n".encode()}
        for (kind, version), package in packages.items():
            files[path_of(kind, version)] = package
            files[path_of(kind, version) + ".sig"] = signer.sign(package)
        self.files = files
        self.content.heal(files)

    def run(self, entry: str = "main", **variables: t.Any) -> Run:
        """Check, then run; each task of the check must have foretold what it then did, on each machine."""
        before = self.states()
        checked = self.playbooks.role(entry, {**self.variables, **variables}, "--check", "--diff")
        assert self.states() == before, "the check changed something"
        run = self.playbooks.role(entry, {**self.variables, **variables})
        assert checked.code == run.code == 0, f"{checked}\n{run}"
        for host in _HOSTS:
            foretold = [_FORESEEN.get(task, task) for task in checked.changed(host)]
            assert foretold == run.changed(host), f"{host}: the check foretold something else\n{checked}\n{run}"
        return run

    def refused(self, **variables: t.Any) -> dict[str, str]:
        """Run what must fail, in the check too and with the same words, and leave everything as it is; return the words."""
        before = self.states()
        checked = self.playbooks.role("main", {**self.variables, **variables}, "--check")
        run = self.playbooks.role("main", {**self.variables, **variables})
        assert self.states() == before
        words = {host: run.failure(host) for host in _HOSTS}
        assert words == {host: checked.failure(host) for host in _HOSTS}
        return words

    def states(self) -> dict[str, str]:
        """Describe each machine as far as the role may change it."""
        script = f"""
            dpkg-query -W -f '${{Status}} ${{Version}}\\n' amazon-ssm-agent 2>/dev/null; rpm -q amazon-ssm-agent 2>/dev/null
            systemctl is-active {_UNIT}; systemctl is-enabled {_UNIT} 2>/dev/null
            systemctl show --property=InvocationID,Environment {_UNIT}
            cat {_CONFIG} {_DROP_IN} 2>/dev/null; ls /tmp /var/lib/amazon /etc/systemd/system 2>/dev/null"""
        return {host: machine.run("sh", "-c", script, check=False).stdout for host, machine in self.machines.items()}

    def version(self, host: str) -> str:
        """Ask the agent itself."""
        return self.machines[host].output("amazon-ssm-agent", "-version").rpartition(" ")[2]

    def is_installed(self, host: str) -> bool:
        """Ask the package manager."""
        query = {"debian": ["dpkg-query", "-W", "-f", "${db:Status-Status}"], "rocky": ["rpm", "-q", "--qf", "installed"]}[host]
        return self.machines[host].run(*query, "amazon-ssm-agent", check=False).stdout == "installed"


def path_of(kind: str, version: str) -> str:
    return f"{_PLACE}/{version}/{_FOLDERS[kind]}/amazon-ssm-agent.{kind}"


class Signers(t.NamedTuple):
    good: signing.Signer
    other: signing.Signer
    expired: signing.Signer


@pytest.fixture(scope="module")
def signers(machine_bases: None, tmp_path_factory: pytest.TempPathFactory) -> collections.abc.Iterator[Signers]:
    reason = prerequisites.missing_of(prerequisites.PACKAGING_PROGRAMS)
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("k")
    with (
        signing.Signer(folder / "g") as good,
        signing.Signer(folder / "o") as other,
        signing.Signer(folder / "e", expired=True) as expired,
    ):
        yield Signers(good, other, expired)


@pytest.fixture(scope="module")
def packages(signers: Signers, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], bytes]:
    folder = tmp_path_factory.mktemp("packages")
    build = {"deb": agent_packages.deb, "rpm": agent_packages.rpm}
    return {(kind, version): build[kind](folder, version) for kind in build for version in (_OLD, _NEW)}


@pytest.fixture(scope="module")
def servers(site: Site, signers: Signers, tmp_path_factory: pytest.TempPathFactory) -> collections.abc.Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("role")
    with bucket.Bucket(site.network.listen(443), folder) as serving:
        made = Fleet(site, serving, folder)
        made.variables["agent_signing_keys"] = [signers.good.public_key]
        yield made


@pytest.fixture
def bare(servers: Fleet, signers: Signers, packages: dict[tuple[str, str], bytes]) -> Fleet:
    """Servers without an agent; a bucket with the older version as the newest."""
    servers.publish(packages, signers.good, _OLD)
    purge = {"debian": "dpkg --purge amazon-ssm-agent", "rocky": "rpm -e amazon-ssm-agent"}
    for host, machine in servers.machines.items():
        machine.run(
            "sh", "-c", f"{purge[host]}; rm -rf /etc/amazon /var/lib/amazon {_DROP_IN}; systemctl daemon-reload", check=False
        )
    return servers


@pytest.fixture
def fleet(bare: Fleet) -> Fleet:
    """Servers with the older version, running; put there without Ansible, which takes longer."""
    for host, machine in bare.machines.items():
        file = machine.root / "root" / f"agent.{_HOSTS[host]}"
        file.write_bytes(bare.files[path_of(_HOSTS[host], _OLD)])
        install = ["dpkg", "--install"] if host == "debian" else ["rpm", "--install"]
        machine.run(*install, f"/root/{file.name}")
        file.unlink()
    return bare


def test_a_bare_server_gets_a_configured_and_running_agent_and_then_stays_as_it_is(bare: Fleet) -> None:
    variables: dict[str, t.Any] = {
        "agent_config": {"Mds": {"CommandWorkersLimit": 8}},
        "agent_proxy": {"https": "http://proxy.example:3128", "no": ".amazonaws.com"},
    }
    run = bare.run(**variables)
    for host, machine in bare.machines.items():
        assert run.changed(host) == [_TASKS["config"], _TASKS["package"]]
        assert bare.version(host) == _OLD
        assert machine.output("systemctl", "is-active", _UNIT) == "active"
        assert machine.output("systemctl", "is-enabled", _UNIT) == "enabled"
        assert json.loads(machine.output("cat", _CONFIG)) == {"Mds": {"CommandWorkersLimit": 8}}
        # The very process that the package started knows the proxy: it was there before.
        leader = machine.output("systemctl", "show", "--value", "--property=MainPID", _UNIT)
        environment = machine.output("cat", f"/proc/{leader}/environ").split("\0")
        assert "https_proxy=http://proxy.example:3128" in environment
        assert "no_proxy=.amazonaws.com,169.254.169.254" in environment
        assert machine.output("stat", "--format=%a", _DROP_IN) == "600"
        assert run.fact(host, "agent_found") == {
            "kind": _HOSTS[host],
            "version": _OLD,
            "previous_version": None,
            "unit": _UNIT,
            "running": True,
            "enabled": True,
            "node_id": None,
            "region": None,
        }

    before = _invocations(bare)
    bare.content.asked.clear()
    again = bare.playbooks.role("main", {**bare.variables, **variables})
    assert again.code == 0, again
    assert [again.changed(host) for host in _HOSTS] == [[], []]
    assert bare.content.asked == []
    assert _invocations(bare) == before


def _invocations(fleet: Fleet) -> list[str]:
    """Name each run of each agent's service."""
    return [machine.output("systemctl", "show", "--value", "--property=InvocationID", _UNIT) for machine in fleet.machines.values()]


def test_a_stopped_agent_is_started_and_a_changed_configuration_repaired_with_a_restart(fleet: Fleet) -> None:
    stopped, changed = fleet.machines["debian"], fleet.machines["rocky"]
    for machine in (stopped, changed):
        machine.run("sh", "-c", f"cat > {_CONFIG}", stdin=b'{"Mds": {"CommandWorkersLimit": 8}, "Agent": {"Region": "r"}}')
    stopped.run("systemctl", "disable", "--now", _UNIT)
    changed.run("sed", "-i", "s/8/1/", _CONFIG)
    before = _invocations(fleet)
    run = fleet.run(agent_config={"Mds": {"CommandWorkersLimit": 8}})
    assert run.changed("debian") == [_TASKS["service"]]
    assert run.changed("rocky") == [_TASKS["config"], _TASKS["service"]]
    assert not set(_invocations(fleet)) & set(before)
    for machine in (stopped, changed):
        assert machine.output("systemctl", "is-active", _UNIT) == "active"
        assert machine.output("systemctl", "is-enabled", _UNIT) == "enabled"
        assert json.loads(machine.output("cat", _CONFIG)) == {"Mds": {"CommandWorkersLimit": 8}, "Agent": {"Region": "r"}}


def test_an_agent_is_updated_when_asked_for_the_latest_version_and_put_back_when_that_is_allowed(
    fleet: Fleet, signers: Signers, packages: dict[tuple[str, str], bytes]
) -> None:
    fleet.publish(packages, signers.good, _NEW)
    run = fleet.run(agent_version="latest")
    for host, machine in fleet.machines.items():
        assert run.changed(host) == [_TASKS["package"]]
        assert fleet.version(host) == run.fact(host, "agent_found")["version"] == _NEW
        assert machine.output("systemctl", "is-active", _UNIT) == "active"
    back = fleet.playbooks.role("main", {**fleet.variables, "agent_version": _OLD, "agent_allow_downgrade": True})
    assert [back.changed(host) for host in _HOSTS] == [[_TASKS["package"]]] * 2
    assert [fleet.version(host) for host in _HOSTS] == [_OLD, _OLD]


class Fault(t.NamedTuple):
    """What one of the two servers finds in the bucket, and what is said of it."""

    break_it: t.Callable[[Fleet, Signers, str], None]
    words: str


def _tamper(fleet: Fleet, _signers: Signers, path: str) -> None:
    fleet.content.tamper(path)


def _sign_with_expired_key(fleet: Fleet, signers: Signers, path: str) -> None:
    fleet.content.files[f"{path}.sig"] = signers.expired.sign(fleet.content.files[path])


_TAMPERED = Fault(_tamper, "was changed after it was signed")
_EXPIRED = Fault(_sign_with_expired_key, "expired on 2024-01-31")


# Each run has another fault for each of the servers, since a run takes longer than all else.
@pytest.mark.parametrize(
    ("debian", "rocky"),
    [(_TAMPERED, _EXPIRED), (_EXPIRED, _TAMPERED)],
    ids=["tampered and expired", "expired and tampered"],
)
def test_a_package_that_is_not_whole_and_signed_is_refused_and_nothing_installed(
    debian: Fault, rocky: Fault, bare: Fleet, signers: Signers
) -> None:
    faults = {"debian": debian, "rocky": rocky}
    for host, fault in faults.items():
        fault.break_it(bare, signers, path_of(_HOSTS[host], _OLD))
    words = bare.refused(agent_signing_keys=[signers.good.public_key, signers.expired.public_key])
    for host, fault in faults.items():
        assert fault.words in words[host]
        assert not bare.is_installed(host)


def test_an_older_version_under_a_newer_name_is_refused(
    fleet: Fleet, signers: Signers, packages: dict[tuple[str, str], bytes]
) -> None:
    fleet.publish({(kind, _NEW): packages[kind, _OLD] for kind in _FOLDERS}, signers.good, _NEW)
    run = fleet.playbooks.role("main", {**fleet.variables, "agent_version": "latest"})
    assert [f"is version {_OLD} and not {_NEW}" in run.failure(host) for host in _HOSTS] == [True, True]
    assert [fleet.version(host) for host in _HOSTS] == [_OLD, _OLD]


def test_an_agent_that_is_not_to_run_is_stopped_after_its_package_started_it(bare: Fleet) -> None:
    run = bare.run(agent_service_state="stopped", agent_service_enabled=False)
    for host, machine in bare.machines.items():
        assert run.changed(host) == [_TASKS["package"], _TASKS["service"]]
        assert machine.run("systemctl", "is-active", _UNIT, check=False).stdout == "inactive\n"
        assert machine.run("systemctl", "is-enabled", _UNIT, check=False).stdout == "disabled\n"
        assert run.fact(host, "agent_found")["running"] is False


def test_where_systemd_does_not_run_the_agent_is_installed_and_its_service_left(bare: Fleet) -> None:
    machine = bare.machines["debian"]
    machine.run("mv", "/run/systemd/system", "/run/systemd/elsewhere")
    try:
        run = bare.playbooks.role("main", bare.variables, "--limit", "debian")
    finally:
        machine.run("mv", "/run/systemd/elsewhere", "/run/systemd/system")
    assert run.code == 0, run
    assert run.changed("debian") == [_TASKS["package"]]
    assert run.fact("debian", "agent_found")["running"] is None
    assert machine.run("systemctl", "is-active", _UNIT, check=False).stdout == "inactive\n"


_SNAP_UNIT = "snap.amazon-ssm-agent.amazon-ssm-agent.service"
# What Ubuntu's images have, as far as anybody asks: snapd itself needs a store.
_SNAP = f"""#!/bin/sh
there=/etc/systemd/system/{_SNAP_UNIT}
case "$1" in
list) [ -e $there ] || exit 1; echo "Name Version Rev Tracking"; echo "amazon-ssm-agent 3.3.0.5 9000 latest/stable" ;;
remove) systemctl disable --now {_SNAP_UNIT}; rm $there; systemctl daemon-reload ;;
esac
"""


def _install_snap(machine: Machine) -> None:
    for path, text in (
        ("usr/bin/snap", _SNAP),
        (f"etc/systemd/system/{_SNAP_UNIT}", "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"),
    ):
        (machine.root / path).write_text(text, encoding="utf-8")
    machine.run("sh", "-c", f"chmod 755 /usr/bin/snap; systemctl daemon-reload; systemctl enable --now {_SNAP_UNIT}")


def test_a_snap_is_configured_and_left_and_replaced_only_when_asked_for(bare: Fleet) -> None:
    machine, only = bare.machines["debian"], ("--limit", "debian")
    _install_snap(machine)
    proxy = {"agent_proxy": {"https": "http://proxy.example:3128"}}
    kept = bare.playbooks.role("main", {**bare.variables, **proxy}, *only)
    assert kept.changed("debian") == [_TASKS["config"], _TASKS["service"]]
    assert kept.fact("debian", "agent_found")["unit"] == _SNAP_UNIT
    assert "https_proxy" in machine.output("systemctl", "show", "--property=Environment", _SNAP_UNIT)

    refused = bare.playbooks.role("main", {**bare.variables, "agent_version": "latest"}, *only)
    assert "set agent_replace_snap" in refused.failure("debian")
    assert "set replace_snap" in bare.playbooks.role("uninstall", {}, *only).failure("debian").lower()
    assert machine.output("systemctl", "is-active", _SNAP_UNIT) == "active"

    replaced = bare.playbooks.role("main", {**bare.variables, "agent_replace_snap": True}, *only)
    assert replaced.changed("debian") == [_TASKS["package"]]
    assert machine.run("systemctl", "cat", _SNAP_UNIT, check=False).returncode != 0
    assert machine.output("systemctl", "is-active", _UNIT) == "active"


def test_an_uninstalled_agent_is_gone_and_uninstalling_it_again_changes_nothing(fleet: Fleet) -> None:
    for machine in fleet.machines.values():
        machine.run("sh", "-c", f"mkdir -p $(dirname {_DROP_IN}) && echo '[Service]' > {_DROP_IN}; mkdir -p /var/lib/amazon/ssm")
    run = fleet.run("uninstall")
    for host, machine in fleet.machines.items():
        assert run.changed(host) == ["Have no package of the agent", "Have no proxy of the agent"]
        assert not fleet.is_installed(host)
        assert machine.run("systemctl", "cat", _UNIT, check=False).returncode != 0
        assert not (machine.root / _DROP_IN.lstrip("/")).parent.exists()
        assert machine.run("test", "-d", "/var/lib/amazon/ssm", check=False).returncode == 0
    again = fleet.playbooks.role("uninstall", {})
    assert [again.changed(host) for host in _HOSTS] == [[], []]
    everything = fleet.playbooks.role("uninstall", {"agent_remove_data": True})
    for host, machine in fleet.machines.items():
        assert everything.changed(host) == ["Have no data of the agent"]
        assert machine.run("ls", "/var/lib/amazon/ssm", "/etc/amazon/ssm", "/var/log/amazon/ssm", check=False).stdout == ""


def test_the_real_agent_is_installed_by_the_role_and_left_by_its_second_run(
    bare: Fleet, signers: Signers, tmp_path: pathlib.Path
) -> None:
    programs = agent_packages.real_programs()
    if programs is None:
        pytest.skip("SSM_AGENT_BIN is not set: no real amazon-ssm-agent to test with")
    version = agent_packages.version_of(programs)
    bare.publish({("deb", version): agent_packages.deb(tmp_path, version, programs)}, signers.good, version)
    variables = {**bare.variables, "agent_config": {"Mds": {"CommandWorkersLimit": 8}}}
    first = bare.playbooks.role("main", variables, "--limit", "debian")
    assert first.changed("debian") == [_TASKS["config"], _TASKS["package"]]
    assert bare.version("debian") == version
    # It has nobody to ask who it is, so it comes and goes; the service is there all the same.
    assert bare.machines["debian"].output("systemctl", "is-enabled", _UNIT) == "enabled"
    second = bare.playbooks.role("main", variables, "--limit", "debian")
    assert second.changed("debian") == []
