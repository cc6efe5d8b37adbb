# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's own programs on an inventory of managed nodes, over accounts and regions, in good times and bad."""

from __future__ import annotations

import collections.abc
import json
import os
import pathlib
import signal
import time
import typing as t

import ansible_runner
import pytest
import yaml

from tests.integration.running_emulator import Ansible, Run, RunningEmulator

REGIONS = ["eu-west-1", "eu-west-3"]
ACCOUNTS = ["111111111111", "222222222222"]
ROLES = [{"arn": f"arn:aws:iam::{account}:role/fleet", "external_id": "secret"} for account in ACCOUNTS]
DENIED = "User: me is not authorized to perform: ssm:DescribeInstanceProperties on resource: *"


@pytest.fixture
def company(emulator: RunningEmulator) -> collections.abc.Iterator[RunningEmulator]:
    """Two accounts with an instance and a server in each of two regions, and a fleet of two thousand in a third."""
    nodes = [
        {"kind": kind, "name": kind, "account": account, "region": region, "tags": {"env": "prod", "note": "{{ 7 * 7 }}"}}
        for account in ACCOUNTS
        for region in REGIONS
        for kind in ("ec2", "hybrid")
    ]
    fleet = [
        {"count": count, "kind": kind, "region": "ap-south-1", "tags": {"env": ["prod", "test"]}}
        for kind, count in (("ec2", 1200), ("hybrid", 800))
    ]
    emulator.add_records({"roles": ROLES, "nodes": [*nodes, *fleet]})
    yield emulator
    emulator.reset()
    emulator.add_records({"clear": True})


@pytest.fixture
def listed(company: RunningEmulator, ansible: Ansible) -> collections.abc.Callable[..., tuple[Run, dict[str, t.Any]]]:
    """List an inventory with these options; return what Ansible said, and the variables of its hosts."""

    def _listed(*arguments: str, **options: t.Any) -> tuple[Run, dict[str, t.Any]]:
        path, output = _write(ansible.folder, **options), ansible.folder / "list.json"
        run = ansible.run("ansible-inventory", "-i", str(path), "--list", "--output", str(output), *arguments)
        return run, json.loads(output.read_text())["_meta"]["hostvars"] if output.exists() else {}

    return _listed


def _write(folder: pathlib.Path, **options: t.Any) -> pathlib.Path:
    path = folder / "company.ssm.yml"
    path.write_text(yaml.safe_dump({"plugin": "fleet.ssm.managed_nodes", **options}))
    return path


def _deny_one(emulator: RunningEmulator) -> None:
    error = {"code": "AccessDeniedException", "message": DENIED, "account": ACCOUNTS[1], "region": REGIONS[1]}
    emulator.order({"fail": {"operation": "*", "times": None, **error}})


def test_tasks_run_on_the_nodes_that_a_file_of_one_line_lists(ansible: Ansible) -> None:
    path = _write(ansible.folder)
    run = ansible.run("ansible", "-i", str(path), "tag_role_db", "-m", "ansible.builtin.raw", "-a", "echo $((6 * 7))")
    assert run.code == 0, run
    assert "42" in run.output


def test_accounts_and_regions_are_one_inventory(listed: t.Any, company: RunningEmulator) -> None:
    run, hosts = listed(regions=REGIONS, roles=ROLES)
    assert len(hosts) == 8, run
    assert {
        (host["ssm_account_id"], host["ssm_region"], host["ansible_ssm_region"], host["ansible_ssm_assume_role_arn"])
        for host in hosts.values()
    } == {(account, region, region, ROLES[number]["arn"]) for number, account in enumerate(ACCOUNTS) for region in REGIONS}
    assert company.calls("sts:AssumeRole") == 2
    assert company.calls("sts:GetCallerIdentity") == 0


def test_a_template_in_a_tag_is_text_in_a_play(company: RunningEmulator, ansible: Ansible) -> None:
    path = _write(ansible.folder, regions=REGIONS[:1], roles=ROLES[:1], compose={"copy": "ssm_tags.note"})
    task = "- ansible.builtin.debug: {msg: '{{ ssm_tags.note }} and {{ copy }}'}"
    run = ansible.playbook(task, path)
    assert run.code == 0, run
    assert "{{ 7 * 7 }} and {{ 7 * 7 }}" in run.output


@pytest.mark.long
def test_a_large_region_takes_few_calls(listed: t.Any, company: RunningEmulator) -> None:
    run, hosts = listed(region="ap-south-1", ec2_facts=True)
    assert len(hosts) == 2000, run
    assert all(host["ssm_tags"]["env"] in ("prod", "test") for host in hosts.values())
    assert company.statistics()["calls"] == {
        "ec2:DescribeInstances": 2,
        "resourcegroupstaggingapi:GetResources": 8,
        "ssm:DescribeInstanceProperties": 2,
        "sts:GetCallerIdentity": 1,
    }


def test_one_region_that_is_denied_is_named_and_nothing_listed(listed: t.Any, company: RunningEmulator) -> None:
    _deny_one(company)
    run, hosts = listed(regions=REGIONS, roles=ROLES)
    assert not hosts
    assert run.says(f"1 of 4 parts of the inventory cannot be listed (on_error: warn lists the rest). {REGIONS[1]} of account")
    assert run.says("Allow the IAM action ssm:DescribeInstanceProperties")


def test_one_region_that_is_denied_is_named_and_the_rest_listed_when_the_user_says_so(
    listed: t.Any, company: RunningEmulator
) -> None:
    _deny_one(company)
    run, hosts = listed(regions=REGIONS, roles=ROLES, on_error="warn")
    assert len(hosts) == 6
    assert run.says(f"{REGIONS[1]} of account {ACCOUNTS[1]}: AWS denied ssm:DescribeInstanceProperties")


def test_a_role_with_another_external_id_is_named(listed: t.Any, company: RunningEmulator) -> None:
    run, hosts = listed(regions=REGIONS, roles=[ROLES[0], {**ROLES[1], "external_id": "wrong"}])
    assert not hosts
    assert run.says(f"Allow the IAM action sts:AssumeRole on {ROLES[1]['arn']}")


def test_throttling_is_waited_out(listed: t.Any, company: RunningEmulator) -> None:
    company.order({"throttle": {"operation": "*", "rate": 0.3, "seed": 3, "times": None}})
    run, hosts = listed(regions=REGIONS, roles=ROLES)
    assert len(hosts) == 8, run


def test_an_organisation_is_listed_with_the_tags_of_each_account(listed: t.Any, company: RunningEmulator) -> None:
    options = {"sync_name": "AWS-QuickSetup-ManagedNode", "regions": REGIONS}
    path = "arn:aws:iam::{account}:role/fleet"
    run, hosts = listed(**options, organization_role=path, external_id="secret")
    assert {host["ssm_account_id"] for host in hosts.values()} == set(ACCOUNTS), run
    assert all(host["ssm_tags"]["env"] == "prod" for host in hosts.values())


def test_the_time_of_each_phase_is_told(listed: t.Any) -> None:
    run, _hosts = listed("-vv", regions=REGIONS, roles=ROLES[:1])
    assert run.says("4 nodes of 2 accounts and regions (0 from the cache) gathered in")
    assert run.says("4 hosts named in")
    assert run.says(f"{REGIONS[0]} of account {ACCOUNTS[0]}: 2 nodes in")


def test_an_interrupt_ends_it_at_once(company: RunningEmulator, ansible: Ansible) -> None:
    company.order({"throttle": {"operation": "*", "times": None}})
    path = _write(ansible.folder, regions=REGIONS, tags=False)
    program = ansible.start("ansible-inventory", "-i", str(path), "--list")
    deadline = time.monotonic() + 60
    while not company.calls("ssm:DescribeInstanceProperties"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(program.pid, signal.SIGINT)
    began = time.monotonic()
    output, _nothing = program.communicate(timeout=60)
    # Left to itself, it would repeat its calls for most of a minute.
    assert time.monotonic() - began < 10, output
    assert program.returncode not in (0, None)
    assert b"Traceback" not in output


@pytest.mark.parametrize("names", [("AWS_SECURITY_TOKEN",), ("AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN")])
def test_awx_lists_it_with_temporary_keys(
    company: RunningEmulator, ansible: Ansible, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    """As AWX does for a source from a project, with its Amazon credential: before 21.11 the token had only its older name."""
    answer = company.client("sts").assume_role(RoleArn=ROLES[0]["arn"], RoleSessionName="awx", ExternalId="secret")["Credentials"]
    for name in list(os.environ):
        if name.startswith(("AWS_", "ANSIBLE_")):
            monkeypatch.delenv(name)
    private = ansible.folder / "runner"
    project = private / "project"
    project.mkdir(parents=True)
    # A name that AWX's file picker does not show, and that says nothing of us.
    (project / "company.yml").write_text(yaml.safe_dump({"plugin": "fleet.ssm.managed_nodes"}))
    output = private / "artifacts" / "output.json"
    output.parent.mkdir()
    arguments = ["--list", "--export", "-i", str(project / "company.yml"), "--output", str(output)]
    environment = {
        "AWS_ACCESS_KEY_ID": answer["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": answer["SecretAccessKey"],
        **dict.fromkeys(names, answer["SessionToken"]),
        # The rest comes from a credential type of one's own.
        "AWS_ENDPOINT_URL": company.url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "FLEET_SSM_REGIONS": ",".join(REGIONS),
        "HOME": str(private),
        "PATH": ansible.environment["PATH"],
    }
    out, _error, code = ansible_runner.run_command(
        executable_cmd="ansible-inventory",
        cmdline_args=[*arguments, "--playbook-dir", str(project), "-vvv"],
        private_data_dir=str(private),
        envvars=environment,
        quiet=True,
    )
    assert code == 0, out
    hosts = json.loads(output.read_text())["_meta"]["hostvars"]
    assert {host["ssm_region"] for host in hosts.values()} == set(REGIONS), out
    assert answer["SecretAccessKey"] not in output.read_text()
