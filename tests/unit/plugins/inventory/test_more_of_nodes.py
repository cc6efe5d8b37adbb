# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the inventory lists only when it is asked to, and the filters that it leaves to AWS."""

from __future__ import annotations

import typing as t

import pytest

from tests.unit.plugins.inventory.two_nodes import NOW, PLANT, WEB

BOTH = ["i-0web", "mi-0plant"]


def _of(inventory: t.Any, name: str) -> dict[str, t.Any]:
    return dict(inventory.get_host(name).get_vars())


def _asked(aws: t.Any, operation: str) -> list[dict[str, t.Any]]:
    return [params for name, params in aws.calls if name == operation]


# Instances that are no nodes.


def test_instances_that_are_no_nodes_are_in_a_group_of_their_own(aws: t.Any, load: t.Any) -> None:
    inventory = load(unmanaged=True)
    assert sorted(inventory.hosts) == ["i-0unmanaged", *BOTH]
    assert [host.name for host in inventory.groups["unmanaged"].get_hosts()] == ["i-0unmanaged"]
    assert [_of(inventory, name)["ssm_managed"] for name in ("i-0unmanaged", *BOTH)] == [False, True, True]


def test_instances_that_are_no_nodes_cost_no_call_more(aws: t.Any, load: t.Any) -> None:
    load()
    before = len(aws.calls)
    aws.calls.clear()
    load(unmanaged=True)
    assert len(aws.calls) == before


def test_an_instance_that_does_not_run_is_not_missed(aws: t.Any, load: t.Any) -> None:
    stopped = {"InstanceId": "i-0stopped", "State": {"Name": "stopped"}}
    aws.answers["DescribeInstances"] = lambda _: {"Reservations": [{"Instances": [stopped]}]}
    assert sorted(load(unmanaged=True).hosts) == BOTH


@pytest.mark.parametrize("filters", [{"ping_status": ["Online"]}, {"platforms": ["Linux"]}, {"kinds": ["hybrid"]}])
def test_filters_that_would_make_nodes_look_unmanaged_are_refused(
    aws: t.Any, load: t.Any, said: t.Any, filters: dict[str, t.Any]
) -> None:
    assert not load(unmanaged=True, **filters).hosts
    assert "unmanaged cannot be combined with" in said()


# Filters by tags.


@pytest.fixture
def matching(aws: t.Any) -> t.Any:
    """AWS, with a tagging API that finds by tags."""
    arn = "arn:aws:ssm:eu-west-1:123456789012:managed-instance/mi-0plant"
    found = {"ResourceARN": arn, "Tags": [{"Key": "env", "Value": "prod"}, {"Key": "site", "Value": "oslo"}]}
    aws.answers["GetResources"] = lambda _: {"ResourceTagMappingList": [found]}
    return aws


def test_tags_are_left_to_ec2_and_the_tagging_api_and_go_with_other_filters(matching: t.Any, load: t.Any) -> None:
    inventory = load(tag_filters={"env": "prod", "site": ["oslo", "rome"], "spot": None}, ping_status=["Online"])
    assert _asked(matching, "DescribeInstances")[0]["Filters"] == [
        {"Name": "tag:env", "Values": ["prod"]},
        {"Name": "tag:site", "Values": ["oslo", "rome"]},
        {"Name": "tag-key", "Values": ["spot"]},
    ]
    (asked,) = _asked(matching, "GetResources")
    assert asked["ResourceTypeFilters"] == ["ssm:managed-instance"]
    assert asked["TagFilters"] == [
        {"Key": "env", "Values": ["prod"]},
        {"Key": "site", "Values": ["oslo", "rome"]},
        {"Key": "spot", "Values": []},
    ]
    assert _asked(matching, "DescribeInstanceProperties")[0]["InstancePropertyFilterList"] == [
        {"key": "PingStatus", "valueSet": ["Online"]}
    ]
    assert not inventory.hosts


def test_only_nodes_with_the_tags_are_hosts(matching: t.Any, load: t.Any) -> None:
    assert sorted(load(tag_filters={"env": "prod"}).hosts) == BOTH
    assert list(load(tag_filters={"env": "prod", "site": "oslo"}).hosts) == ["mi-0plant"]


def test_a_star_is_a_star(aws: t.Any, load: t.Any) -> None:
    assert not load(tag_filters={"env": "p*"}, kinds=["ec2"]).hosts


def test_without_the_tagging_api_tags_are_read_one_by_one(aws: t.Any, load: t.Any) -> None:
    aws.deny("GetResources")
    assert list(load(tag_filters={"env": "plant"}).hosts) == ["mi-0plant"]
    assert len(_asked(aws, "ListTagsForResource")) == 1


def test_more_values_of_a_tag_than_aws_takes_are_refused(aws: t.Any, load: t.Any, said: t.Any) -> None:
    load(tag_filters={"env": [str(number) for number in range(21)]})
    assert "tag_filters: env has 21 values, and AWS takes 20." in said()


@pytest.mark.parametrize("text", ["env=prod,site=oslo,site=rome,spot", '{"env": "prod", "site": ["oslo", "rome"], "spot": null}'])
def test_tag_filters_come_from_the_environment(matching: t.Any, load: t.Any, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("FLEET_SSM_TAG_FILTERS", text)
    load()
    assert [given["Values"] for given in _asked(matching, "GetResources")[0]["TagFilters"]] == [["prod"], ["oslo", "rome"], []]


def test_both_kinds_are_no_filter(aws: t.Any, load: t.Any) -> None:
    load(kinds=["hybrid", "ec2"])
    assert "InstancePropertyFilterList" not in _asked(aws, "DescribeInstanceProperties")[0]


# Reports.


@pytest.fixture
def reporting(aws: t.Any) -> t.Any:
    """AWS, with something to tell of the web server."""
    summary = {"ComplianceType": "Patch", "ResourceType": "ManagedInstance", "ResourceId": "i-0web", "Status": "NON_COMPLIANT"}
    aws.answers |= {
        "DescribeInstanceProperties": lambda _: {"InstanceProperties": [PLANT, {**WEB, "AssociationStatus": "Success"}]},
        "DescribeInstancePatchStates": lambda params: {
            "InstancePatchStates": [{"InstanceId": "i-0web", "MissingCount": 3, "OperationEndTime": NOW}]
        },
        "ListResourceComplianceSummaries": lambda _: {
            "ResourceComplianceSummaryItems": [summary, {**summary, "ResourceId": "i-0gone"}]
        },
        "GetInventory": lambda params: {
            "Entities": [
                {"Id": "i-0web", "Data": {kind["TypeName"]: {"TypeName": kind["TypeName"], "Content": [{"Name": "nginx"}]}}}
                for kind in params["ResultAttributes"]
            ]
        },
        "DescribeInstanceAssociationsStatus": lambda _: {
            "InstanceAssociationStatusInfos": [{"AssociationName": "patch", "InstanceId": "i-0web", "Status": "Success"}]
        },
    }
    return aws


@pytest.mark.parametrize(
    ("options", "operation", "variable", "told"),
    [
        (
            {"patch_state": True},
            "DescribeInstancePatchStates",
            "ssm_patch",
            ({"missing_count": 3, "operation_end_time": "2030-01-02T03:04:05+00:00"}, {}),
        ),
        (
            {"compliance": "all"},
            "ListResourceComplianceSummaries",
            "ssm_compliance",
            ({"Patch": {"compliance_type": "Patch", "status": "NON_COMPLIANT"}}, {}),
        ),
        (
            {"inventory_types": ["AWS:Application"]},
            "GetInventory",
            "ssm_inventory",
            ({"AWS:Application": [{"Name": "nginx"}]}, {}),
        ),
        (
            {"associations": True},
            "DescribeInstanceAssociationsStatus",
            "ssm_associations",
            ([{"association_name": "patch", "status": "Success"}], []),
        ),
    ],
)
def test_what_is_reported_of_nodes_is_there_when_asked_for(
    reporting: t.Any, load: t.Any, options: dict[str, t.Any], operation: str, variable: str, told: tuple[t.Any, t.Any]
) -> None:
    assert variable not in _of(load(), "i-0web")
    inventory = load(**options)
    assert tuple(_of(inventory, name)[variable] for name in BOTH) == told
    assert len(_asked(reporting, operation)) == 1


def test_patch_states_are_asked_for_fifty_nodes_at_once(reporting: t.Any, load: t.Any) -> None:
    nodes = [{"InstanceId": f"i-{number:017d}"} for number in range(120)]
    reporting.answers["DescribeInstanceProperties"] = lambda _: {"InstanceProperties": nodes}
    load(patch_state=True, tags=False)
    assert sorted(len(params["InstanceIds"]) for params in _asked(reporting, "DescribeInstancePatchStates")) == [20, 50, 50]


def test_only_what_is_not_compliant_is_fetched_when_asked(reporting: t.Any, load: t.Any) -> None:
    load(compliance="non_compliant")
    (asked,) = _asked(reporting, "ListResourceComplianceSummaries")
    assert asked["Filters"] == [{"Key": "Status", "Values": ["NON_COMPLIANT"], "Type": "EQUAL"}]


def test_a_few_nodes_inventory_is_asked_by_their_ids_and_each_type_by_itself(reporting: t.Any, load: t.Any) -> None:
    load(inventory_types=["AWS:Application", "Custom:Rack"])
    asked = _asked(reporting, "GetInventory")
    assert sorted(params["ResultAttributes"][0]["TypeName"] for params in asked) == ["AWS:Application", "Custom:Rack"]
    assert sorted(asked[0]["Filters"][0]["Values"]) == BOTH


def test_reports_are_not_asked_of_nodes_that_a_tag_filter_leaves_out(reporting: t.Any, load: t.Any) -> None:
    load(tag_filters={"env": "prod"}, patch_state=True, kinds=["ec2"])
    assert _asked(reporting, "DescribeInstancePatchStates")[0]["InstanceIds"] == ["i-0web"]


def test_a_report_that_is_denied_fails_and_names_the_action(reporting: t.Any, load: t.Any, said: t.Any) -> None:
    reporting.deny("GetInventory")
    assert not load(inventory_types=["AWS:Application"]).hosts
    assert "Allow the IAM action ssm:GetInventory" in said()
