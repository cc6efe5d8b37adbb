# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory plugin managed_nodes, as Ansible loads it, against an AWS of functions."""

from __future__ import annotations

import pathlib
import typing as t

import ansible.template
import pytest
from ansible.inventory.manager import InventoryManager
from ansible.plugins.loader import connection_loader, shell_loader
from ansible.utils.unsafe_proxy import AnsibleUnsafe

from tests.unit.plugins.inventory.two_nodes import PLANT, TAGS


def _variables(inventory: InventoryManager, host: str) -> dict[str, t.Any]:
    return dict(inventory.get_host(host).get_vars())


def _groups(inventory: InventoryManager, host: str) -> set[str]:
    return {group.name for group in inventory.get_host(host).get_groups()} - {"all", "ungrouped"}


def test_lists_ec2_and_hybrid_nodes(aws: t.Any, load: t.Any) -> None:
    assert sorted(load().hosts) == ["i-0web", "mi-0plant"]


def test_sets_the_connection(aws: t.Any, load: t.Any) -> None:
    variables = _variables(load(endpoint_url="https://aws.test", role_session_name="me"), "i-0web")
    assert {name: value for name, value in variables.items() if name.startswith("ansible_")} == {
        "ansible_connection": "fleet.ssm.session",
        "ansible_host": "i-0web",
        "ansible_ssm_region": "eu-west-1",
        "ansible_ssm_endpoint_url": "https://aws.test",
        "ansible_ssm_role_session_name": "me",
    }


def test_sets_the_shell_of_windows(aws: t.Any, load: t.Any) -> None:
    assert _variables(load(), "mi-0plant")["ansible_shell_type"] == "powershell"


def test_leaves_the_connection_alone_when_told(aws: t.Any, load: t.Any) -> None:
    assert not [name for name in _variables(load(set_connection=False), "i-0web") if name.startswith("ansible_")]


def test_hands_no_secret_to_the_hosts(aws: t.Any, load: t.Any) -> None:
    variables = _variables(load(access_key="AKIA", secret_key="hidden", session_token="hidden"), "i-0web")
    assert "hidden" not in str(variables)


def test_sets_facts_as_plain_variables(aws: t.Any, load: t.Any) -> None:
    variables = _variables(load(), "i-0web")
    assert variables["ssm_last_ping"] == "2030-01-02T03:04:05+00:00"
    assert variables["ssm_tags"] == TAGS["i-0web"]
    assert variables["ssm_kind"] == "ec2"
    assert "ssm_ec2" not in variables


def test_sets_ec2_facts_when_asked(aws: t.Any, load: t.Any) -> None:
    facts = _variables(load(ec2_facts=True, tags=False), "i-0web")
    assert facts["ssm_ec2"] == {
        "vpc_id": "vpc-1",
        "instance_state": "running",
        "launch_time": "2030-01-02T03:04:05+00:00",
        "security_groups": [{"GroupId": "sg-1", "GroupName": "default"}],
    }
    assert facts["ssm_tags"] == {}


def test_makes_groups_without_being_asked(aws: t.Any, load: t.Any) -> None:
    inventory = load()
    assert _groups(inventory, "i-0web") == {
        "ec2",
        "ping_online",
        "platform_linux",
        "platform_debian",
        "region_eu_west_1",
        "account_123456789012",
        "tag_env_prod",
        "tag_Patch_Group_early",
        "tag_note_7_7",
        "tag_flag",
        "patch_group_early",
    }
    assert {"hybrid", "ping_connectionlost", "platform_windows"} < _groups(inventory, "mi-0plant")


def test_makes_only_the_groups_wanted(aws: t.Any, load: t.Any) -> None:
    assert _groups(load(default_groups=["kind"]), "i-0web") == {"ec2"}


def test_constructs(aws: t.Any, load: t.Any) -> None:
    inventory = load(
        compose={"site": "ssm_tags.env ~ '!'"},
        groups={"debian": "ssm_platform_name is defined and 'Debian' in ssm_platform_name"},
        keyed_groups=[{"key": "ssm_tags.env", "prefix": "env"}, {"key": "site", "prefix": "site"}],
    )
    assert _variables(inventory, "i-0web")["site"] == "prod!"
    assert {"debian", "env_prod", "site_prod_"} <= {group.replace("!", "_") for group in _groups(inventory, "i-0web")}


def test_strict_tells_of_an_expression_that_fails(aws: t.Any, load: t.Any, said: t.Callable[[], str]) -> None:
    load(compose={"site": "ssm_tags.nowhere"}, strict=True)
    assert "Could not set site for host i-0web" in said()


def test_text_of_aws_is_no_template(aws: t.Any, load: t.Any) -> None:
    inventory = load(
        compose={"copied": "ssm_tags.note"},
        keyed_groups=[{"key": "ssm_tags.note", "prefix": "note"}],
    )
    assert _variables(inventory, "i-0web")["copied"] == "{{ 7 * 7 }}"
    assert not [group for group in inventory.groups if "49" in group]


def test_only_what_might_be_a_template_is_marked(aws: t.Any, load: t.Any) -> None:
    is_trusted = getattr(ansible.template, "is_trusted_as_template", lambda text: not isinstance(text, AnsibleUnsafe))
    variables = _variables(load(), "i-0web")
    assert all(is_trusted(variables[name]) for name in ("ansible_connection", "ssm_instance_id", "ssm_platform_name"))
    assert {key for key, value in variables["ssm_tags"].items() if not is_trusted(value)} == {"note"}


def test_names_hosts_by_the_first_expression_that_gives_text(aws: t.Any, load: t.Any) -> None:
    assert sorted(load(hostnames=["ssm_computer_name", "ssm_tags.Name ~ '.ec2'"]).hosts) == ["plant7", "web.ec2"]


def test_falls_back_on_the_node_id(aws: t.Any, load: t.Any) -> None:
    assert sorted(load(hostnames=["ssm_computer_name"]).hosts) == ["i-0web", "plant7"]


def test_a_name_of_two_is_given_to_neither(aws: t.Any, load: t.Any, said: t.Callable[[], str]) -> None:
    assert sorted(load(hostnames=["'web'"]).hosts) == ["i-0web", "mi-0plant"]
    assert "Several nodes would have the same name, so none of them has it: web" in said()


def test_an_expression_that_cannot_be_read_fails(aws: t.Any, load: t.Any, said: t.Callable[[], str]) -> None:
    inventory = load(hostnames=["ssm_tags.Name | nosuchfilter"])
    assert not inventory.hosts
    assert "does not work for" in said()


def test_filters_are_pushed_to_aws(aws: t.Any, load: t.Any) -> None:
    load(ping_status=["Online"], platforms=["Linux", "MacOS"], kinds=["hybrid"])
    assert dict(aws.calls)["DescribeInstanceProperties"]["InstancePropertyFilterList"] == [
        {"key": "PingStatus", "valueSet": ["Online"]},
        {"key": "PlatformTypes", "valueSet": ["Linux", "MacOS"]},
        {"key": "ResourceType", "valueSet": ["ManagedInstance"]},
    ]


def test_options_come_from_the_environment(aws: t.Any, load: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_SSM_REGION", "us-east-2")
    monkeypatch.setenv("FLEET_SSM_TAGS", "false")
    assert _variables(load(), "i-0web")["ansible_ssm_region"] == "us-east-2"
    assert aws.operations() == ["DescribeInstanceProperties"]


@pytest.mark.parametrize(
    ("file_name", "taken"),
    [("fleet.ssm.yml", True), ("ssm.yaml", True), ("anything.yml", True), ("anything.yaml", True), ("anything.conf", False)],
)
def test_takes_files_by_name_or_content(aws: t.Any, load: t.Any, file_name: str, taken: bool) -> None:
    assert bool(load(file_name).hosts) is taken


def test_leaves_files_of_others_alone(aws: t.Any, load: t.Any) -> None:
    load("anything.yml", plugin="ansible.builtin.constructed")
    assert aws.calls == []


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (lambda aws, env: env.delenv("AWS_DEFAULT_REGION"), "No AWS region is known. Set the option region"),
        (lambda aws, env: aws.deny("DescribeInstanceProperties", "ExpiredTokenException"), "The AWS credentials have expired"),
        (lambda aws, env: aws.deny("DescribeInstances", "UnauthorizedOperation"), "Allow the IAM action ec2:DescribeInstances"),
        (lambda aws, env: aws.deny("DescribeInstanceProperties", "RequestLimitExceeded"), "AWS kept throttling"),
    ],
)
def test_fails_with_a_sentence(
    aws: t.Any, load: t.Any, said: t.Callable[[], str], monkeypatch: pytest.MonkeyPatch, prepare: t.Any, sentence: str
) -> None:
    prepare(aws, monkeypatch)
    assert not load().hosts
    assert sentence in said()


# The cache.


@pytest.fixture
def cached(load: t.Any, tmp_path: pathlib.Path) -> t.Callable[..., InventoryManager]:
    """Load with a cache in files."""
    where = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    return lambda use_cache=True, **options: load(use_cache=use_cache, **where, **options)


def test_the_cache_saves_all_calls(aws: t.Any, cached: t.Any) -> None:
    first = cached()
    asked = len(aws.calls)
    second = cached()
    assert asked
    assert len(aws.calls) == asked
    assert _variables(second, "i-0web") == _variables(first, "i-0web")
    assert _groups(second, "mi-0plant") == _groups(first, "mi-0plant")


def test_the_cache_is_written_anew_when_flushed(aws: t.Any, cached: t.Any) -> None:
    cached()
    aws.answers["DescribeInstanceProperties"] = lambda _: {"InstanceProperties": [PLANT]}
    assert len(cached().hosts) == 2
    assert list(cached(use_cache=False).hosts) == ["mi-0plant"]
    assert list(cached().hosts) == ["mi-0plant"]


@pytest.mark.parametrize("changed", [{"platforms": ["Windows"]}, {"region": "us-east-1"}, {"ec2_facts": True}])
def test_the_cache_does_not_answer_another_question(aws: t.Any, cached: t.Any, changed: dict[str, t.Any]) -> None:
    cached()
    asked = len(aws.calls)
    cached(**changed)
    assert len(aws.calls) > asked


def test_the_cache_does_not_answer_for_another_account(aws: t.Any, cached: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cached()
    asked = len(aws.calls)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAANOTHER")
    cached()
    assert len(aws.calls) > asked


def test_construction_follows_the_file_and_not_the_cache(aws: t.Any, cached: t.Any) -> None:
    cached()
    asked = len(aws.calls)
    assert "env_prod" in _groups(cached(keyed_groups=[{"key": "ssm_tags.env", "prefix": "env"}]), "i-0web")
    assert len(aws.calls) == asked


def test_the_cache_keeps_no_secret(aws: t.Any, cached: t.Any, tmp_path: pathlib.Path) -> None:
    cached(access_key="AKIAX", secret_key="hidden", session_token="hidden")
    (kept,) = (tmp_path / "cache").iterdir()
    assert "hidden" not in kept.read_text()
    assert "i-0web" in kept.read_text()


def test_loads_the_connection_before_workers_fork(aws: t.Any, load: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    loaders = (connection_loader, shell_loader)
    for loader in loaders:
        monkeypatch.setattr(loader, "_module_cache", {})
    load()
    assert [[pathlib.Path(path).name for path in loader._module_cache] for loader in loaders] == [["session.py"], ["sh.py"]]
