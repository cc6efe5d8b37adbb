# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory of many accounts and regions: whom it asks, and what becomes of those that do not answer."""

from __future__ import annotations

import collections.abc
import json
import pathlib
import re
import threading
import time
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory import gathering

REGIONS = ["eu-west-1", "eu-west-3", "us-east-1"]
ROLE = "arn:aws:iam::222233334444:role/fleet"
DENIED = "User: me is not authorized to perform: ssm:DescribeInstanceInformation on resource: *"


@pytest.fixture
def world(fake_aws: t.Any) -> t.Any:
    """A node in each region; roles that can be assumed."""

    def nodes(_params: dict[str, t.Any]) -> dict[str, t.Any]:
        return {"InstanceProperties": [{"InstanceId": f"i-{fake_aws.region}", "PingStatus": "Online"}]}

    fake_aws.answers |= {
        "DescribeInstanceProperties": nodes,
        "DescribeInstances": lambda _: {"Reservations": []},
        "DescribeRegions": lambda _: {"Regions": [{"RegionName": name} for name in REGIONS]},
        "AssumeRole": lambda _: {
            "Credentials": {
                "AccessKeyId": "ASIAROLE",
                "SecretAccessKey": "secret",
                "SessionToken": "token",
                "Expiration": "2099-01-01T00:00:00Z",
            }
        },
    }
    return fake_aws


@pytest.fixture
def denied(world: t.Any) -> t.Any:
    """The same, with one region denied."""
    for operation in ("DescribeInstanceProperties", "DescribeInstanceInformation"):
        world.answers.setdefault(operation, world.answers["DescribeInstanceProperties"])
        world.deny(operation, "AccessDeniedException", DENIED, region="eu-west-3")
    return world


def _of(inventory: t.Any, name: str) -> dict[str, t.Any]:
    return dict(inventory.get_host(name).get_vars())


def _asked(aws: t.Any, operation: str) -> list[dict[str, t.Any]]:
    return [params for name, params in aws.calls if name == operation]


# Whom it asks.


def test_each_of_the_regions_is_listed(world: t.Any, load: t.Any) -> None:
    inventory = load(regions=REGIONS)
    assert sorted(inventory.hosts) == [f"i-{region}" for region in REGIONS]
    assert _of(inventory, "i-us-east-1")["ansible_ssm_region"] == "us-east-1"


def test_all_regions_are_those_that_the_account_has(world: t.Any, load: t.Any) -> None:
    assert len(load(regions=["all"]).hosts) == 3
    assert len(_asked(world, "DescribeRegions")) == 1


def test_regions_can_be_given_where_there_is_no_other(world: t.Any, load: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert list(load(regions=["us-east-1"]).hosts) == ["i-us-east-1"]


@pytest.fixture
def profiles(world: t.Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two profiles, of two regions."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    lines = [
        f"[profile {name}]\nregion={region}\naws_access_key_id=AKIA{name}\naws_secret_access_key=x"
        for name, region in (("shop", "eu-west-1"), ("till", "us-east-1"))
    ]
    (tmp_path / "aws-config").write_text("\n".join(lines))


@pytest.mark.usefixtures("profiles")
def test_a_profile_is_listed_in_its_own_region(world: t.Any, load: t.Any) -> None:
    assert list(load(profile="till").hosts) == ["i-us-east-1"]


@pytest.mark.usefixtures("profiles")
def test_each_profile_is_listed_and_handed_to_its_hosts(world: t.Any, load: t.Any) -> None:
    inventory = load(profiles=["shop", "till"])
    assert {name: _of(inventory, name)["ansible_ssm_profile"] for name in inventory.hosts} == {
        "i-eu-west-1": "shop",
        "i-us-east-1": "till",
    }


@pytest.mark.usefixtures("profiles")
def test_a_profile_that_is_not_there_is_named(world: t.Any, load: t.Any, said: t.Any) -> None:
    assert list(load(profiles=["shop", "nobody"], regions=["eu-west-1"], on_error="warn").hosts) == ["i-eu-west-1"]
    assert "eu-west-1 with the profile nobody: The AWS configuration cannot be used" in said()


def test_a_role_is_assumed_once_and_handed_to_its_hosts(world: t.Any, load: t.Any) -> None:
    inventory = load(regions=REGIONS, roles=[{"arn": ROLE, "external_id": "secret", "session_name": "me"}])
    variables = _of(inventory, "i-us-east-1")
    assert variables["ssm_account_id"] == "222233334444"
    assert {name: variables[name] for name in variables if name.startswith("ansible_ssm")} == {
        "ansible_ssm_region": "us-east-1",
        "ansible_ssm_assume_role_arn": ROLE,
        "ansible_ssm_external_id": "secret",
        "ansible_ssm_role_session_name": "me",
    }
    (assumed,) = _asked(world, "AssumeRole")
    assert {name: assumed[name] for name in ("RoleArn", "ExternalId", "RoleSessionName")} == {
        "RoleArn": ROLE,
        "ExternalId": "secret",
        "RoleSessionName": "me",
    }
    assert not _asked(world, "GetCallerIdentity")


def test_the_identity_itself_can_be_listed_beside_its_roles(world: t.Any, load: t.Any) -> None:
    world.answers["DescribeInstanceProperties"] = lambda _: {"InstanceProperties": [{"InstanceId": f"i-{len(world.calls)}"}]}
    inventory = load(roles=["self", ROLE])
    roles = {_of(inventory, name).get("ansible_ssm_assume_role_arn") for name in inventory.hosts}
    assert roles == {None, ROLE}


def test_a_role_that_may_not_be_assumed_is_told_once_for_all_regions(world: t.Any, load: t.Any, said: t.Any) -> None:
    world.deny("AssumeRole", "AccessDenied", f"User: me is not authorized to perform: sts:AssumeRole on resource: {ROLE}")
    assert not load(regions=REGIONS, roles=[ROLE]).hosts
    told = said()
    assert f"AWS denied sts:AssumeRole on {ROLE}" in told
    # Ansible shows an error more than once.
    assert told.count("Allow the IAM action sts:AssumeRole") == told.count("3 of 3 parts of the inventory cannot be listed")
    assert len(_asked(world, "AssumeRole")) == 1


def test_a_node_that_two_identities_see_is_one_host_of_the_first(world: t.Any, load: t.Any) -> None:
    inventory = load(roles=["self", ROLE])
    assert list(inventory.hosts) == ["i-eu-west-1"]
    assert "ansible_ssm_assume_role_arn" not in _of(inventory, "i-eu-west-1")


def test_ten_accounts_and_regions_are_asked_at_once_and_no_more(world: t.Any, load: t.Any) -> None:
    change = threading.Condition()
    running, most = 0, 0

    def slow(_params: dict[str, t.Any]) -> dict[str, t.Any]:
        nonlocal running, most
        with change:
            running += 1
            most = max(most, running)
            change.notify_all()
            change.wait_for(lambda: most >= gathering._PARTS_AT_ONCE, timeout=60)
        time.sleep(0.1)  # for one too many to come
        with change:
            running -= 1
        return {"InstanceProperties": []}

    world.answers["DescribeInstanceProperties"] = slow
    load(regions=[f"xx-test-{number}" for number in range(1, 25)], tags=False)
    assert most == gathering._PARTS_AT_ONCE == 10


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"roles": ["fleet"]}, "roles: 'fleet' is neither 'self', nor an ARN"),
        ({"roles": [{"arn": ROLE, "external": "x"}]}, "nor a dictionary of arn, external_id, session_name"),
        ({"roles": [ROLE], "assume_role_arn": ROLE}, "Give assume_role_arn or roles."),
        ({"sync_name": "x", "roles": ["self", ROLE]}, "give no profiles and no roles"),
        ({"sync_name": "x", "ping_status": ["Online"]}, "An organisation's list knows neither ping_status nor unmanaged"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    world: t.Any, load: t.Any, said: t.Any, options: dict[str, t.Any], sentence: str
) -> None:
    assert not load(**options).hosts
    assert sentence in said()


@pytest.mark.parametrize("text", [f"self,{ROLE}", json.dumps(["self", {"arn": ROLE}])])
def test_roles_and_regions_come_from_the_environment(world: t.Any, load: t.Any, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("FLEET_SSM_ROLES", text)
    monkeypatch.setenv("FLEET_SSM_REGIONS", "eu-west-1,us-east-1")
    load()
    assert len(_asked(world, "DescribeInstanceProperties")) == 4


def test_an_empty_environment_variable_says_nothing(world: t.Any, load: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROLES", "REGIONS", "PROFILES", "EXTERNAL_ID", "TAG_FILTERS", "SYNC_NAME"):
        monkeypatch.setenv(f"FLEET_SSM_{name}", "")
    assert list(load().hosts) == ["i-eu-west-1"]


# Those that do not answer.


def test_a_part_that_is_denied_fails_all_and_is_named(denied: t.Any, load: t.Any, said: t.Any) -> None:
    assert not load(regions=REGIONS).hosts
    told = said()
    assert "1 of 3 parts of the inventory cannot be listed" in told
    assert "eu-west-3 of account 123456789012: AWS denied ssm:DescribeInstanceInformation" in told
    assert "Allow the IAM action ssm:DescribeInstanceInformation" in told


def test_a_part_that_is_denied_is_left_out_with_a_warning_when_the_user_says_so(denied: t.Any, load: t.Any, said: t.Any) -> None:
    assert sorted(load(regions=REGIONS, on_error="warn").hosts) == ["i-eu-west-1", "i-us-east-1"]
    told = said()
    assert "eu-west-3 of account 123456789012: AWS denied ssm:DescribeInstanceInformation" in told
    assert "The nodes there are missing from this inventory." in told


def test_an_inventory_of_which_nothing_can_be_had_fails_whatever_the_user_says(denied: t.Any, load: t.Any, said: t.Any) -> None:
    assert not load(regions=["eu-west-3"], on_error="warn").hosts
    # ansible-core 2.16 names the file only.
    assert re.search("Failed to parse (inventory|/)", said())


def test_a_region_that_is_none_is_named(world: t.Any, load: t.Any, said: t.Any) -> None:
    load(regions=["eu-west-1", "not a region"])
    assert "not a region of account 123456789012: " in said()


@pytest.fixture
def cached(load: t.Any, tmp_path: pathlib.Path) -> collections.abc.Callable[..., t.Any]:
    """Load with a cache in files."""
    where = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    return lambda use_cache=True, **options: load(use_cache=use_cache, **where, **options)


def test_each_part_is_cached_by_itself(world: t.Any, cached: t.Any) -> None:
    cached(regions=["eu-west-1"])
    world.calls.clear()
    assert len(cached(regions=["eu-west-1", "us-east-1"]).hosts) == 2
    assert world.operations().count("DescribeInstanceProperties") == 1


def test_the_list_of_regions_is_cached_too(world: t.Any, cached: t.Any) -> None:
    cached(regions=["all"])
    world.calls.clear()
    assert len(cached(regions=["all"]).hosts) == 3
    assert world.calls == []


@pytest.fixture
def an_hour_later(monkeypatch: pytest.MonkeyPatch) -> collections.abc.Callable[[], None]:
    """Let an hour and more pass."""
    now = time.time
    return lambda: monkeypatch.setattr(time, "time", lambda: now() + 4000)


def _deny(world: t.Any) -> None:
    world.answers["DescribeInstanceInformation"] = world.answers["DescribeInstanceProperties"]
    for operation in ("DescribeInstanceProperties", "DescribeInstanceInformation"):
        world.deny(operation, "AccessDeniedException", DENIED, region="eu-west-3")


def test_an_answer_grows_old(world: t.Any, cached: t.Any, an_hour_later: t.Any) -> None:
    cached(regions=["eu-west-1"])
    world.calls.clear()
    an_hour_later()
    cached(regions=["eu-west-1"])
    assert "DescribeInstanceProperties" in world.operations()


@pytest.mark.parametrize("flushed", [True, False])
def test_a_part_that_fails_is_what_it_was_and_a_warning_says_so(
    world: t.Any, cached: t.Any, said: t.Any, an_hour_later: t.Any, flushed: bool
) -> None:
    cached(regions=REGIONS, on_error="warn")
    _deny(world)
    an_hour_later()
    assert len(cached(use_cache=not flushed, regions=REGIONS, on_error="warn").hosts) == 3
    told = said()
    assert "eu-west-3 of account 123456789012: AWS denied ssm:DescribeInstanceInformation" in told
    assert "The 1 nodes there are those of an earlier run, of 20" in told


def test_what_was_used_in_need_is_asked_for_anew_by_the_next_run(world: t.Any, cached: t.Any, an_hour_later: t.Any) -> None:
    cached(regions=REGIONS, on_error="warn")
    answer = world.answers["DescribeInstanceProperties"]
    _deny(world)
    an_hour_later()
    cached(regions=REGIONS, on_error="warn")
    world.answers["DescribeInstanceProperties"] = answer
    world.calls.clear()
    cached(regions=REGIONS, on_error="warn")
    assert world.operations().count("DescribeInstanceProperties") == 1


# A whole organisation.


@pytest.fixture
def organization(world: t.Any) -> t.Any:
    """Two accounts with a node each."""
    owners = {"123456789012": "eu-west-1", "222233334444": "us-east-1"}
    world.answers["ListNodes"] = lambda _: {
        "Nodes": [
            {
                "Id": f"mi-{account}",
                "Owner": {"AccountId": account, "OrganizationalUnitId": "ou-1"},
                "Region": region,
                "NodeType": {"Instance": {"PlatformType": "Linux", "IpAddress": "10.0.0.1"}},
            }
            for account, region in owners.items()
        ]
    }
    world.answers["GetResources"] = lambda params: {
        "ResourceTagMappingList": [
            {"ResourceARN": arn, "Tags": [{"Key": "arn", "Value": arn}]} for arn in params["ResourceARNList"]
        ]
    }
    return world


def test_an_organisation_is_listed_from_one_place(organization: t.Any, load: t.Any) -> None:
    inventory = load(sync_name="AWS-QuickSetup-ManagedNode", organization_role="fleet")
    here, there = (_of(inventory, f"mi-{account}") for account in ("123456789012", "222233334444"))
    assert "ansible_ssm_assume_role_arn" not in here
    assert there["ansible_ssm_assume_role_arn"] == ROLE
    assert there["ansible_ssm_region"] == there["ssm_region"] == "us-east-1"
    assert there["ssm_account_id"] == "222233334444"
    assert there["ssm_organizational_unit_id"] == "ou-1"
    assert there["ssm_tags"] == {"arn": "arn:aws:ssm:us-east-1:222233334444:managed-instance/mi-222233334444"}
    assert _asked(organization, "ListNodes")[0]["SyncName"] == "AWS-QuickSetup-ManagedNode"
    assert len(_asked(organization, "AssumeRole")) == 1
    assert not _asked(organization, "DescribeInstanceProperties")


def test_an_organisations_list_without_tags_opens_no_account(organization: t.Any, load: t.Any) -> None:
    inventory = load(sync_name="AWS-QuickSetup-ManagedNode", tags=False)
    assert len(inventory.hosts) == 2
    assert organization.operations() == ["ListNodes", "GetCallerIdentity"]


def test_an_account_of_the_organisation_that_no_role_opens_is_named(organization: t.Any, load: t.Any, said: t.Any) -> None:
    assert not load(sync_name="AWS-QuickSetup-ManagedNode").hosts
    assert "There are nodes of account 222233334444" in said()


def test_filters_of_an_organisation_are_pushed_to_aws(organization: t.Any, load: t.Any) -> None:
    load(sync_name="sync", tags=False, platforms=["Linux"], kinds=["hybrid"], regions=["us-east-1"])
    filters = {given["Key"]: given["Values"] for given in _asked(organization, "ListNodes")[0]["Filters"]}
    assert filters == {
        "ManagedStatus": ["Managed"],
        "PlatformType": ["Linux"],
        "ResourceType": ["ManagedInstance"],
        "Region": ["us-east-1"],
    }


def test_an_organisation_is_cached(organization: t.Any, cached: t.Any) -> None:
    options = {"sync_name": "AWS-QuickSetup-ManagedNode", "organization_role": "fleet"}
    cached(**options)
    organization.calls.clear()
    assert len(cached(**options).hosts) == 2
    # Whose identity it is decides which account needs no role.
    assert organization.operations() == ["GetCallerIdentity"]
