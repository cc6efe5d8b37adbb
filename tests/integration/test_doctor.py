# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role doctor, by its playbook, against the emulator."""

from __future__ import annotations

import collections.abc
import contextlib
import html.parser
import json
import os
import pathlib
import typing as t

import botocore.exceptions
import pytest

from tests.integration.running_emulator import Ansible, Run, RunningEmulator

_CORE = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
_TIER = "/ssm/managed-instance/activation-tier"


@pytest.fixture
def roles(emulator: RunningEmulator) -> collections.abc.Iterator[None]:
    """The roles that healthy nodes have: web-1 by its instance profile, db-1 by its activation."""
    iam, ec2 = emulator.client("iam"), emulator.client("ec2")
    for name, service in (("SSMServiceRole", "ssm"), ("DoctorTestRole", "ec2")):
        statement = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
        with contextlib.suppress(botocore.exceptions.ClientError):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [statement]}))
        iam.attach_role_policy(RoleName=name, PolicyArn=_CORE)
    iam.create_instance_profile(InstanceProfileName="DoctorTest")
    iam.add_role_to_instance_profile(InstanceProfileName="DoctorTest", RoleName="DoctorTestRole")
    profile = {"Name": "DoctorTest"}
    made = ec2.associate_iam_instance_profile(IamInstanceProfile=profile, InstanceId=emulator.nodes()["web-1"])
    yield
    ec2.disassociate_iam_instance_profile(AssociationId=made["IamInstanceProfileAssociation"]["AssociationId"])
    iam.remove_role_from_instance_profile(InstanceProfileName="DoctorTest", RoleName="DoctorTestRole")
    iam.delete_instance_profile(InstanceProfileName="DoctorTest")
    for name in ("SSMServiceRole", "DoctorTestRole"):
        for attached in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=name, PolicyArn=attached["PolicyArn"])
        iam.delete_role(RoleName=name)


class Doctor:
    """Runs the playbook on hosts, and gives their results."""

    def __init__(self, ansible: Ansible) -> None:
        self._ansible = ansible
        self.report = ansible.folder / "report.html"

    def run(self, hosts: str, **variables: t.Any) -> Run:
        place = self._ansible.folder
        (place / "hosts.ini").write_text(hosts, encoding="utf-8")
        play = place / "play.yml"
        play.write_text(
            "- ansible.builtin.import_playbook: fleet.ssm.doctor\n- hosts: all\n  gather_facts: false\n  tasks:\n"
            "    - ansible.builtin.copy:\n        content: '{{ doctor_result | to_json }}'\n"
            f"        dest: {place}/{{{{ inventory_hostname }}}}.json\n        mode: '0600'\n"
            "      delegate_to: localhost\n",
            encoding="utf-8",
        )
        given = json.dumps({"doctor_region": "us-east-1", **variables})
        return self._ansible.run("ansible-playbook", "-i", str(place / "hosts.ini"), str(play), "-e", given, timeout=180)

    def result(self, host: str) -> dict[str, t.Any]:
        path: pathlib.Path = self._ansible.folder / f"{host}.json"
        result: dict[str, t.Any] = json.loads(path.read_text(encoding="utf-8"))
        return result


@pytest.fixture
def doctor(ansible: Ansible) -> Doctor:
    """The playbook."""
    return Doctor(ansible)


class Page(html.parser.HTMLParser):
    """What is on a page: its text, and whatever would load something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = ""
        self.loads: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [(tag, value or "") for name, value in attrs if name in ("src", "href") and not (value or "").startswith("#")]
        if tag in ("script", "link", "iframe", "object"):
            self.loads.append((tag, ""))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_healthy_nodes_have_no_alarm(doctor: Doctor, emulator: RunningEmulator, roles: None) -> None:
    nodes = emulator.nodes()
    run = doctor.run(
        f"{nodes['web-1']}\ndb ssm_instance_id={nodes['db-1']}\n",
        doctor_on_node=False,
        doctor_fail=True,
        doctor_report=str(doctor.report),
    )
    assert run.code == 0, str(run)
    for host in (nodes["web-1"], "db"):
        result = doctor.result(host)
        assert [check for check in result["checks"] if check["status"] in ("fail", "warn", "unknown")] == []
        assert (result["healthy"], result["cause"]) == (True, None)
    found = {host: {check["id"]: check["status"] for check in doctor.result(host)["checks"]} for host in (nodes["web-1"], "db")}
    assert [found[nodes["web-1"]][name] for name in ("C8", "C9", "C10")] == ["ok", "ok", "skip"]
    assert [found["db"][name] for name in ("C7", "C9", "C17")] == ["ok", "ok", "ok"]
    assert run.says(f"db ({nodes['db-1']}): healthy")
    page = Page(doctor.report.read_text(encoding="utf-8"))
    assert page.loads == []
    assert f"{nodes['db-1']} is registered in us-east-1." in page.text
    assert "Only AWS was asked" in page.text


def test_rights_and_a_tier_that_are_missing_are_told(doctor: Doctor, emulator: RunningEmulator, roles: None) -> None:
    nodes, iam, ssm = emulator.nodes(), emulator.client("iam"), emulator.client("ssm")
    iam.detach_role_policy(RoleName="DoctorTestRole", PolicyArn=_CORE)
    ssm.reset_service_setting(SettingId=_TIER)
    try:
        run = doctor.run(f"{nodes['web-1']}\ndb ssm_instance_id={nodes['db-1']} doctor_sessions=true\n", doctor_on_node=False)
    finally:
        ssm.update_service_setting(SettingId=_TIER, SettingValue="advanced")
    assert run.code == 0, str(run)
    rights, tier = doctor.result(nodes["web-1"])["cause"], doctor.result("db")["cause"]
    assert (rights["id"], "ssmmessages:OpenDataChannel" in rights["cause"]) == ("C9", True)
    assert (tier["id"], tier["evidence"]) == ("C17", "The tier is standard.")


def test_what_is_wrong_is_told_by_host(doctor: Doctor, emulator: RunningEmulator) -> None:
    nodes = emulator.nodes()
    python = "ansible_python_interpreter=/usr/bin/python3"
    run = doctor.run(
        f"{nodes['web-2']} ansible_connection=fleet.ssm.session {python}\n"
        "<new>.example ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1 doctor_name=new\n",
        doctor_report=str(doctor.report),
    )
    assert run.code == 0, str(run)
    # The emulator's simulated agent is no program on the node, which the doctor says, over the session of that agent.
    examined = doctor.result(nodes["web-2"])
    assert (examined["cause"]["id"], examined["healthy"]) == ("N1", False)
    assert {f"N{number}" for number in range(1, 22)} < {check["id"] for check in examined["checks"]}
    lost = doctor.result("<new>.example")
    assert (lost["cause"]["id"], lost["healthy"]) == ("C2", False)
    (unseen,) = [check for check in lost["checks"] if check["id"] == "N2"]
    assert (unseen["status"], "cannot be reached" in unseen["evidence"]) == ("unknown", True)
    assert run.says("first cause: C2 AWS knows the node")
    assert run.says("unknown N2 agent is running: The node cannot be reached over its connection")
    page = Page(doctor.report.read_text(encoding="utf-8"))
    assert page.loads == []
    assert "<new>.example" in page.text


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only nodes with a root folder of their own have logs of their own, and that takes root"
)
def test_what_a_node_logs_is_no_template(doctor: Doctor, emulator: RunningEmulator) -> None:
    log, line = "/var/log/amazon/ssm/amazon-ssm-agent.log", "x509: {{ 6 * 7 }} <b>bold</b> at ssm.us-east-1.amazonaws.com"
    emulator.run_command("web-1", f"mkdir -p $(dirname {log})", f"echo '2026-01-02 03:04:05.0000 ERROR {line}' > {log}")
    try:
        run = doctor.run(
            f"{emulator.nodes()['web-1']} ansible_connection=fleet.ssm.session ansible_python_interpreter=/usr/bin/python3\n",
            doctor_report=str(doctor.report),
        )
    finally:
        emulator.run_command("web-1", f"rm {log}")
    assert run.code == 0, str(run)
    (check,) = [check for check in doctor.result(emulator.nodes()["web-1"])["checks"] if check["id"] == "N6"]
    assert (check["status"], line in check["evidence"]) == ("warn", True)
    assert run.says("{{ 6 * 7 }} <b>bold</b>")
    page = Page(doctor.report.read_text(encoding="utf-8"))
    assert line in page.text


def test_a_node_that_is_not_healthy_fails_the_play_where_that_is_wanted(doctor: Doctor) -> None:
    run = doctor.run("bare\n", doctor_on_node=False, doctor_fail=True, doctor_show="nothing")
    assert run.code == 2, str(run)
    assert run.says("The node is not registered in us-east-1")
    assert not run.says("first cause")


def test_a_node_with_a_real_agent_has_no_alarm(ansible_on_real_agents: Ansible) -> None:
    doctor = Doctor(ansible_on_real_agents)
    node = next(iter(ansible_on_real_agents.emulator.nodes().values()))
    run = doctor.run(f"{node} ansible_connection=fleet.ssm.session ansible_python_interpreter=/usr/bin/python3\n")
    assert run.code == 0, str(run)
    found = {check["id"]: check for check in doctor.result(node)["checks"] if check["id"].startswith("N")}
    assert {name: check for name, check in found.items() if check["status"] not in ("ok", "skip")} == {}
    # It went where the agent goes, and read what the agent wrote.
    assert [found[f"N{number}"]["status"] for number in (1, 2, 3, 4, 5, 6, 7, 9, 10, 15)] == ["ok"] * 10
    assert node in found["N10"]["evidence"]
