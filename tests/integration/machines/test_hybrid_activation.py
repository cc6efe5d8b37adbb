# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From bare servers to online hybrid nodes, on booted machines of both families, with an emulator behind AWS's names."""

from __future__ import annotations

import collections.abc
import pathlib
import time
import typing as t

import pytest

from tests.integration.machines.servers import FORESEEN, HOSTS, REGISTER, UNIT, VAULT, Servers, serve
from tests.integration.running_emulator import RunningEmulator
from tests.machines import agent_packages, signing
from tests.machines.site import Site

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def region(
    run_emulator: t.Callable[[pathlib.Path], collections.abc.Iterator[RunningEmulator]], tmp_path_factory: pytest.TempPathFactory
) -> collections.abc.Iterator[RunningEmulator]:
    """A region without nodes."""
    fleet = tmp_path_factory.mktemp("fleet") / "none.yml"
    fleet.write_text("nodes: []\n", encoding="utf-8")
    yield from run_emulator(fleet)


@pytest.fixture(scope="module")
def servers(
    site: Site, signer: signing.Signer, region: RunningEmulator, tmp_path_factory: pytest.TempPathFactory
) -> collections.abc.Iterator[Servers]:
    with serve(site, signer, region, tmp_path_factory.mktemp("stub")) as made:
        yield made


@pytest.fixture
def nodes(servers: Servers) -> Servers:
    """The servers when they are nodes."""
    if not all(servers.node(host) for host in HOSTS):
        run, _seconds = servers.bootstrap()
        assert run.code == 0, str(run)
    return servers


def _bare_servers_become_nodes(servers: Servers) -> None:
    others = servers.listed()
    checked, _seconds = servers.bootstrap("--check")
    assert checked.code == 0, str(checked)
    assert servers.listed() == others
    servers.emulator.reset()
    run, _seconds = servers.bootstrap()
    assert run.code == 0, str(run)
    for host in HOSTS:
        foretold = [FORESEEN.get(task, task) for task in checked.changed(host)]
        assert foretold == run.changed(host), f"{host}\n{checked}\n{run}"
        assert run.changed(host) == [
            "Have the agent's package, verified",
            REGISTER,
            "Give the node its tags",
            "Have the agent's package, verified",
            "Have the agent configured and its service as wanted",
        ]
        assert servers.tags(host) == {"site": "plant7", "Name": host}
    nodes = {servers.node(host) for host in HOSTS}
    listed = servers.listed()
    assert set(listed) == {*others, *nodes}
    assert len(nodes) == len(HOSTS)
    assert {listed[node][1] for node in nodes} == {listed[min(nodes)][1]}
    assert servers.no_activation_is_left()
    assert [servers.emulator.calls(f"ssm:{name}") for name in ("CreateActivation", "StartSession")] == [1, len(HOSTS)]
    again, _seconds = servers.bootstrap()
    assert [again.changed(host) for host in HOSTS] == [[]] * len(HOSTS), str(again)
    assert again.code == 0
    # The one look at the machine has told of both packages: one is not asked for, the other one skipped.
    looked = [result["ending"] for _host, task, result in again.tasks if task.endswith("Have the agent's package, verified")]
    assert looked == ["skipped"] * len(HOSTS), looked


def test_bare_servers_become_nodes_that_run_tasks_over_sessions_and_a_second_run_changes_nothing(servers: Servers) -> None:
    _bare_servers_become_nodes(servers)


def test_the_same_with_the_real_agent(
    site: Site, signer: signing.Signer, region: RunningEmulator, tmp_path_factory: pytest.TempPathFactory
) -> None:
    programs = agent_packages.real_programs()
    if programs is None:
        pytest.skip("SSM_AGENT_BIN is not set: no real amazon-ssm-agent to test with")
    with Site() as own, serve(own, signer, region, tmp_path_factory.mktemp("real"), programs) as servers:
        _bare_servers_become_nodes(servers)


def test_a_node_that_aws_no_longer_knows_is_registered_again_and_the_others_stay(nodes: Servers) -> None:
    before = {host: nodes.node(host) for host in HOSTS}
    nodes.ssm.deregister_managed_instance(InstanceId=before["press"])
    run = nodes.run()
    assert run.code == 0, str(run)
    assert [run.changed(host) for host in HOSTS] == [[REGISTER], [], []]
    assert run.fact("press", "hybrid_activation_result") == {
        "node_id": nodes.node("press"),
        "region": "us-east-1",
        "state": "orphaned",
        "registered_now": True,
    }
    assert nodes.node("press") != before["press"]
    assert [nodes.node(host) for host in ("lathe", "mill")] == [before["lathe"], before["mill"]]
    assert nodes.no_activation_is_left()


def test_a_refused_registration_leaves_the_old_one_and_an_agent_that_runs(nodes: Servers) -> None:
    before = {host: nodes.node(host) for host in HOSTS}
    refused = {"operation": "RegisterManagedInstance", "code": "ActivationExpired", "message": "The activation has expired."}
    nodes.emulator.order({"fail": {**refused, "times": 1}})
    run = nodes.playbooks.role(
        "main", {**nodes.variables, "hybrid_activation_reregister": "always"}, "--limit", "press", name="hybrid_activation"
    )
    assert "The activation has expired." in run.failure("press")
    assert {host: nodes.node(host) for host in HOSTS} == before
    assert nodes.machines["press"].output("systemctl", "is-active", UNIT) == "active"
    assert nodes.no_activation_is_left()
    _wait_until_online(nodes, before["press"])


def test_an_activation_that_may_not_be_made_is_told_although_its_result_is_hidden(nodes: Servers) -> None:
    nodes.emulator.order({"fail": {"operation": "CreateActivation", "code": "AccessDeniedException", "message": "No"}})
    run = nodes.playbooks.role(
        "main", {**nodes.variables, "hybrid_activation_reregister": "always"}, "--limit", "press", name="hybrid_activation"
    )
    assert "There is no activation to register with:" in run.failure("press")
    assert "ssm:CreateActivation" in run.failure("press")


def test_a_copy_is_refused_and_gets_an_identity_of_its_own_when_asked_for(nodes: Servers) -> None:
    original, copy = nodes.machines["press"], nodes.machines["mill"]
    lost = nodes.node("mill")
    for path in (VAULT, "/var/lib/amazon/ssm/registration", "/etc/machine-id"):
        copy.run("sh", "-c", f"cat > {path}", stdin=original.output("cat", path).encode() + b"\n")
    copy.run("systemctl", "stop", UNIT)
    nodes.ssm.deregister_managed_instance(InstanceId=lost)
    refused = nodes.run()
    assert "they are copies of one another" in refused.failure("mill")
    assert refused.changed("press") == refused.changed("lathe") == []
    run = nodes.run(hybrid_activation_new_identity=True)
    assert run.code == 0, str(run)
    assert [run.changed(host) for host in HOSTS] == [[], [], [REGISTER]]
    assert len({nodes.node(host) for host in HOSTS}) == len(HOSTS)
    assert copy.output("cat", "/etc/machine-id") != original.output("cat", "/etc/machine-id")


def test_a_node_that_does_not_come_online_is_examined_and_its_cause_told(nodes: Servers) -> None:
    machine = nodes.machines["press"]
    machine.run("systemctl", "stop", UNIT)
    variables = {**nodes.variables, "hybrid_activation_online_timeout": 2}
    run = nodes.playbooks.role("main", variables, "--limit", "press", name="hybrid_activation")
    machine.run("systemctl", "start", UNIT)
    said = run.failure("press")
    assert said.startswith(f"The node {nodes.node('press')} is not online 2 seconds after")
    assert "The agent does not run." in said
    _wait_until_online(nodes, nodes.node("press"))


def test_every_machine_gets_a_new_registration_when_asked_for_and_the_old_nodes_go(nodes: Servers) -> None:
    before = set(nodes.listed())
    nodes.emulator.reset()
    run = nodes.playbooks.role("main", {**nodes.variables, "hybrid_activation_reregister": "always"}, name="hybrid_activation")
    assert run.code == 0, str(run)
    assert [run.changed(host) for host in HOSTS] == [[REGISTER, "Deregister what the machine was before"]] * len(HOSTS)
    assert not before & set(nodes.listed())
    assert set(nodes.listed()) == {nodes.node(host) for host in HOSTS}
    assert nodes.emulator.calls("ssm:CreateActivation") == 1


def test_a_deregistered_machine_is_no_node_and_deregistering_it_again_changes_nothing(nodes: Servers) -> None:
    run = nodes.run("deregister")
    assert run.code == 0, str(run)
    assert [run.changed(host) for host in HOSTS] == [["Have AWS forget the node", "Have the agent forget its registration"]] * 3
    assert nodes.listed() == {}
    assert [nodes.node(host) for host in HOSTS] == ["", "", ""]
    again = nodes.playbooks.role("deregister", nodes.variables, name="hybrid_activation")
    assert [again.changed(host) for host in HOSTS] == [[], [], []]


def _wait_until_online(nodes: Servers, node: str) -> None:
    deadline = time.monotonic() + 20
    while nodes.listed()[node][0] != "Online":
        assert time.monotonic() < deadline, nodes.listed()
        time.sleep(0.1)
