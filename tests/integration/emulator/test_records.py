# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that are only records are listed as AWS lists nodes, in the account and region they were ordered in."""

from __future__ import annotations

import collections.abc
import json
import typing as t

import pytest

from tests.integration.emulator.calls import pages, post, refused
from tests.integration.running_emulator import RunningEmulator

OTHER, REGION = "222233334444", "eu-west-3"
ROLE = f"arn:aws:iam::{OTHER}:role/fleet"


@pytest.fixture
def records(emulator: RunningEmulator) -> collections.abc.Iterator[t.Callable[..., None]]:
    """Order records, and forget them after the test."""
    yield lambda **order: emulator.add_records(order)
    emulator.add_records({"clear": True})


@pytest.fixture
def elsewhere(emulator: RunningEmulator, records: t.Callable[..., None]) -> t.Callable[[str], t.Any]:
    """Give clients of the other account, where there are three nodes and an instance that is none."""
    place = {"account": OTHER, "region": REGION}
    records(
        roles=[{"arn": ROLE, "external_id": "secret"}],
        nodes=[
            {"count": 2, "kind": "ec2", "name": "web", "tags": {"env": ["prod", "test"]}, "reports": True, **place},
            {"kind": "hybrid", "name": "till", "tags": {"env": "prod"}, **place},
            {"kind": "unmanaged", "name": "lost", **place},
        ],
    )
    answer = emulator.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="test", ExternalId="secret")["Credentials"]
    keys = (answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
    return lambda service: emulator.client(service, keys, REGION)


def test_a_role_is_denied_without_its_external_id(emulator: RunningEmulator, elsewhere: t.Any) -> None:
    with refused("AccessDenied"):
        emulator.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="test", ExternalId="wrong")


def test_a_role_is_of_its_account(elsewhere: t.Any) -> None:
    identity = elsewhere("sts").get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == (OTHER, f"arn:aws:sts::{OTHER}:assumed-role/fleet/test")


def test_nodes_are_in_their_account_and_region_only(emulator: RunningEmulator, elsewhere: t.Any) -> None:
    names = {row["ComputerName"] for row in pages(elsewhere("ssm"), "describe_instance_properties")}
    assert names == {"web-1.example.com", "web-2.example.com", "till-1.example.com"}
    here = {row["ComputerName"] for row in pages(emulator.client("ssm"), "describe_instance_properties")}
    assert not names & here


def test_instances_are_described_with_their_tags(elsewhere: t.Any) -> None:
    answer = elsewhere("ec2").describe_instances(Filters=[{"Name": "tag:env", "Values": ["prod"]}], MaxResults=5)
    (instance,) = (one for reservation in answer["Reservations"] for one in reservation["Instances"])
    assert {tag["Key"]: tag["Value"] for tag in instance["Tags"]} == {"Name": "web-1", "env": "prod"}
    assert (instance["State"]["Name"], instance["Placement"]["AvailabilityZone"]) == ("running", "eu-west-3a")


def test_an_instance_that_is_no_node_is_seen_by_ec2_alone(elsewhere: t.Any) -> None:
    answer = elsewhere("ec2").describe_instances()
    assert len([one for reservation in answer["Reservations"] for one in reservation["Instances"]]) == 3


def test_instances_by_id_come_in_one_page(elsewhere: t.Any) -> None:
    with refused("InvalidParameterCombination"):
        elsewhere("ec2").describe_instances(InstanceIds=["i-00000000000000000"], MaxResults=5)


def test_tags_of_hybrid_records_are_resources(elsewhere: t.Any) -> None:
    filters = [{"Key": "env", "Values": ["prod"]}]
    answer = elsewhere("resourcegroupstaggingapi").get_resources(ResourceTypeFilters=["ssm:managed-instance"], TagFilters=filters)
    (found,) = answer["ResourceTagMappingList"]
    assert found["ResourceARN"].startswith(f"arn:aws:ssm:{REGION}:{OTHER}:managed-instance/mi-")


def test_reports_are_told_of_those_that_have_them(elsewhere: t.Any) -> None:
    ssm = elsewhere("ssm")
    ids = [row["InstanceId"] for row in pages(ssm, "describe_instance_properties")]
    assert len(ssm.describe_instance_patch_states(InstanceIds=ids)["InstancePatchStates"]) == 2
    assert len(ssm.list_resource_compliance_summaries()["ResourceComplianceSummaryItems"]) == 4
    answer = ssm.get_inventory(ResultAttributes=[{"TypeName": "AWS:Application"}])
    assert [entity["Data"]["AWS:Application"]["Content"][0]["Name"] for entity in answer["Entities"]] == ["openssl"] * 2


def test_the_organisation_lists_all_accounts(emulator: RunningEmulator, elsewhere: t.Any) -> None:
    ssm = emulator.client("ssm")
    owners = {node["Owner"]["AccountId"] for node in pages(ssm, "list_nodes", SyncName="AWS-QuickSetup-ManagedNode")}
    assert owners == {OTHER, "123456789012"}
    assert {node["Owner"]["AccountId"] for node in pages(ssm, "list_nodes")} == {"123456789012"}


def test_one_region_can_be_denied(emulator: RunningEmulator, elsewhere: t.Any) -> None:
    emulator.order({"fail": {"operation": "*", "code": "AccessDeniedException", "region": REGION, "times": None}})
    emulator.client("ssm").describe_instance_information()
    with refused("AccessDeniedException"):
        elsewhere("ssm").describe_instance_information()


def test_a_part_of_all_calls_can_be_throttled(emulator: RunningEmulator) -> None:
    emulator.order({"throttle": {"operation": "DescribeInstanceInformation", "rate": 0.5, "seed": 1, "times": None}})
    ssm = emulator.client("ssm", retries={"total_max_attempts": 30, "mode": "standard"})
    for _time in range(8):
        ssm.describe_instance_information()
    assert 8 < emulator.calls("ssm:DescribeInstanceInformation") < 60


def test_an_order_that_is_none_is_refused_with_a_sentence(emulator: RunningEmulator) -> None:
    status, answer = post(emulator, "/_emulator/records", json.dumps({"nodes": [{"kind": "toaster"}]}).encode())
    assert (status, json.loads(answer)["error"]) == (400, "kind is one of ec2, hybrid, unmanaged, not 'toaster'.")
