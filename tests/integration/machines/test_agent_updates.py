# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What updates agents: the role by State Manager, and the playbook update_agents, a batch after the other.

One machine is Debian; the other says of itself that it is SUSE Linux Enterprise Server, and is the look-alike of the RHEL family.
"""

from __future__ import annotations

import collections.abc
import json
import pathlib
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import open_session
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account import node_checks
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.asking import Account
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.facts import Facts, Question

from tests.integration.machines.playbooks import Playbooks, Run
from tests.integration.running_emulator import RunningEmulator
from tests.machines import agent_packages, bucket, prerequisites, signing
from tests.machines.machine import Machine
from tests.machines.site import Site

pytestmark = pytest.mark.long

_OLD, _NEW = "3.3.1.0", "3.3.2.0"
_KINDS = {"debian": "deb", "suse": "rpm"}
_FOLDERS = {"deb": "debian_amd64", "rpm": "linux_amd64"}
_PLACE = "/amazon-ssm-us-east-1"
_ASSOCIATE = "Have State Manager update the agents"
_PACKAGE = "Have the agent's package, verified"
_SAY = "Say from which version to which"
_SLES = """NAME="SLES"
VERSION="15-SP6"
VERSION_ID="15.6"
PRETTY_NAME="SUSE Linux Enterprise Server 15 SP6"
ID="sles"
ID_LIKE="suse"
"""


class Fleet:
    """Two servers, a bucket with two versions of the agent, and an account with the node that the first of them is."""

    def __init__(self, site: Site, serving: bucket.Bucket, folder: pathlib.Path, emulator: RunningEmulator) -> None:
        self.content, self.emulator = serving.content, emulator
        self.ssm = emulator.client("ssm")
        self.node = emulator.nodes()["db-1"]
        self.machines: dict[str, Machine] = {
            "debian": site.boot("debian", "debian", bucket.NAMES, serving.authority),
            "suse": site.boot("suse", "enterprise_linux", bucket.NAMES, serving.authority),
        }
        suse = self.machines["suse"]
        (suse.root / "usr/lib/os-release").write_text(_SLES, encoding="utf-8")
        (suse.root / "etc/redhat-release").unlink()
        (suse.root / "root/platform.rpm").write_bytes(agent_packages.platform_rpm(folder))
        suse.run("rpm", "--install", "/root/platform.rpm")
        self.playbooks = Playbooks(folder, self.machines, emulator.environment)
        self.variables: dict[str, t.Any] = {"agent_region": "us-east-1"}
        self.packages: dict[tuple[str, str], bytes] = {}
        self.files: dict[str, bytes] = {}

    def install(self, version: str) -> None:
        """Have every server run this version, and the first be registered."""
        commands = {"deb": ["dpkg", "--install"], "rpm": ["rpm", "--upgrade", "--oldpackage", "--replacepkgs"]}
        for host, machine in self.machines.items():
            (machine.root / "root/agent").write_bytes(self.packages[_KINDS[host], version])
            machine.run(*commands[_KINDS[host]], "/root/agent")
        self.content.post = lambda _host, _body: (200, json.dumps({"InstanceId": self.node}).encode())
        self.machines["debian"].run("amazon-ssm-agent", "-register", "-y", "-code", "c", "-id", "i", "-region", "us-east-1")

    def versions(self) -> dict[str, str]:
        """Ask each agent for its version."""
        return {host: machine.output("amazon-ssm-agent", "-version").rpartition(" ")[2] for host, machine in self.machines.items()}

    def role(self, *arguments: str, **variables: t.Any) -> Run:
        """Run the role."""
        return self.playbooks.role("main", {**self.variables, **variables}, *arguments)

    def update(self, *arguments: str, **variables: t.Any) -> Run:
        """Run the playbook."""
        given = {**self.variables, "update_agents_become": False, **variables}
        return self.playbooks.plays([{"import_playbook": "fleet.ssm.update_agents", "vars": given}], *arguments)

    def associations(self) -> list[dict[str, t.Any]]:
        """List the account's associations."""
        return list(self.ssm.list_associations()["Associations"])

    def facts(self) -> Facts:
        """Give what the doctor is told of the node."""
        environment = self.emulator.environment
        keys = {"access_key": environment["AWS_ACCESS_KEY_ID"], "secret_key": environment["AWS_SECRET_ACCESS_KEY"]}
        session = open_session(AwsOptions(region=environment["AWS_REGION"], endpoint_url=self.emulator.url, **keys))
        return Facts(Account(session), Question(instance_id=self.node))

    def said(self, run: Run) -> dict[str, str]:
        """Return what the playbook said of each host."""
        return {host: result["msg"] for host, task, result in run.tasks if task == _SAY}


@pytest.fixture(scope="module")
def servers(
    site: Site, running_emulator: RunningEmulator, tmp_path_factory: pytest.TempPathFactory
) -> collections.abc.Iterator[Fleet]:
    reason = prerequisites.missing_of(prerequisites.PACKAGING_PROGRAMS)
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("updates")
    build = {"deb": agent_packages.deb, "rpm": agent_packages.rpm}
    with signing.Signer(folder / "k") as signer, bucket.Bucket(site.network.listen(443), folder) as serving:
        made = Fleet(site, serving, folder, running_emulator)
        made.packages = {(kind, version): build[kind](folder, version) for kind in build for version in (_OLD, _NEW)}
        made.variables["agent_signing_keys"] = [signer.public_key]
        made.files = {f"{_PLACE}/latest/VERSION": f"{_NEW}\n".encode()}
        for (kind, version), package in made.packages.items():
            path = f"{_PLACE}/{version}/{_FOLDERS[kind]}/amazon-ssm-agent.{kind}"
            made.files |= {path: package, f"{path}.sig": signer.sign(package)}
        yield made


@pytest.fixture
def fleet(servers: Fleet, emulator: RunningEmulator) -> collections.abc.Iterator[Fleet]:
    """Servers with the older version, of which the first is registered; a bucket that has a newer one."""
    servers.content.heal(servers.files)
    servers.install(_OLD)
    yield servers
    emulator.reset()
    for row in servers.associations():
        servers.ssm.delete_association(AssociationId=row["AssociationId"])


def _target(fleet: Fleet) -> str:
    """Have the account update all agents; return the association's id."""
    everybody = [{"Key": "InstanceIds", "Values": ["*"]}]
    made = fleet.ssm.create_association(Name="AWS-UpdateSSMAgent", Targets=everybody)
    return str(made["AssociationDescription"]["AssociationId"])


def test_one_association_updates_the_agents_from_then_on(fleet: Fleet) -> None:
    variables: dict[str, t.Any] = {
        "agent_auto_update": True,
        "agent_auto_update_targets": [{"key": "tag:role", "values": ["db"]}],
    }
    checked = fleet.role("--check", "--diff", **variables)
    assert fleet.associations() == []
    run = fleet.role(**variables)
    assert checked.code == run.code == 0, f"{checked}\n{run}"
    # The first host's task is that of all.
    assert checked.changed("debian") == run.changed("debian") == [_ASSOCIATE]
    assert checked.changed("suse") == run.changed("suse") == []
    assert "rate(14 days)" in checked.output
    (made,) = fleet.associations()
    described = fleet.ssm.describe_association(AssociationId=made["AssociationId"])["AssociationDescription"]
    assert (described["Name"], described["AssociationName"]) == ("AWS-UpdateSSMAgent", "update-ssm-agent")
    assert (described["Targets"], described["MaxErrors"]) == ([{"Key": "tag:role", "Values": ["db"]}], "10%")

    again = fleet.role(**variables)
    assert [again.changed(host) for host in _KINDS] == [[], []]
    assert fleet.associations() == [made]
    # The doctor sees it.
    check = node_checks.updates(fleet.facts().associations)
    assert (check.status, made["AssociationId"] in check.evidence) == ("ok", True)


def test_a_pin_and_an_association_are_refused_together(fleet: Fleet) -> None:
    association = _target(fleet)
    run = fleet.role(agent_version=_NEW)
    words = run.failure("debian")
    assert all(word in words for word in (association, fleet.node, _NEW, "Leave agent_version at present")), words
    # A server that is not registered is no node, which no association targets.
    assert fleet.versions() == {"debian": _OLD, "suse": _NEW}


def test_a_pin_together_with_auto_update_is_refused_and_so_is_auto_update_of_nobody(fleet: Fleet) -> None:
    pinned = fleet.role("--limit", "suse", agent_version=_NEW, agent_auto_update=True)
    assert "from which agent_auto_update would update the agent" in pinned.failure("suse")
    nobody = fleet.role("--limit", "suse", agent_auto_update=True)
    assert "agent_auto_update needs agent_auto_update_targets" in nobody.failure("suse")
    assert fleet.associations() == []


def test_a_pin_holds_where_aws_does_not_answer_and_that_is_told(fleet: Fleet) -> None:
    denied = {"operation": "ListAssociations", "code": "AccessDeniedException", "message": "No", "times": None}
    fleet.emulator.order({"fail": denied})
    run = fleet.role("--limit", "debian", agent_version=_NEW)
    assert run.code == 0, run
    assert fleet.versions()["debian"] == _NEW
    assert "It is not known whether State Manager updates this agent" in run.output
    assert "ssm:ListAssociations" in run.output


def test_the_playbook_says_from_which_version_to_which_and_a_second_run_changes_nothing(fleet: Fleet) -> None:
    association = _target(fleet)
    together = {"update_agents_serial": "100%"}
    checked = fleet.update("--check", **together)
    assert fleet.versions() == {"debian": _OLD, "suse": _OLD}
    run = fleet.update(**together)
    assert checked.code == run.code == 0, f"{checked}\n{run}"
    assert fleet.versions() == {"debian": _NEW, "suse": _NEW}
    for host in _KINDS:
        assert checked.changed(host) == run.changed(host) == [_PACKAGE]
        assert fleet.said(checked)[host].startswith(f"{_OLD} -> {_NEW} in a run that is no check.")
        assert fleet.said(run)[host].startswith(f"{_OLD} -> {_NEW}.")
    assert f"State Manager updates it too, by the association {association}." in fleet.said(run)["debian"]
    assert "State Manager" not in fleet.said(run)["suse"]

    again = fleet.update(**together)
    assert [again.changed(host) for host in _KINDS] == [[], []]
    assert fleet.said(again)["suse"] == f"{_NEW} it was already."


def test_a_failure_ends_the_updates_after_its_batch(fleet: Fleet) -> None:
    fleet.content.tamper(f"{_PLACE}/{_NEW}/debian_amd64/amazon-ssm-agent.deb")
    run = fleet.update(update_agents_serial=1)
    assert "was changed after it was signed" in run.failure("debian")
    assert {host for host, _task, _result in run.tasks} == {"debian"}
    assert fleet.versions() == {"debian": _OLD, "suse": _OLD}


def test_where_there_is_no_agent_the_playbook_installs_none_and_a_pinned_host_gets_its_version(fleet: Fleet) -> None:
    fleet.machines["debian"].run("dpkg", "--purge", "amazon-ssm-agent")
    run = fleet.update(agent_version=_OLD)
    assert fleet.said(run) == {
        "debian": "There is no agent; the role fleet.ssm.agent installs one.",
        "suse": f"{_OLD} it was already.",
    }
    assert [run.changed(host) for host in _KINDS] == [[], []]
