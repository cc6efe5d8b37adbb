# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Joining what the services know of a node."""

from __future__ import annotations

import datetime
import json
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.joining import Known, join, node_of_organization, tags_of

EAST = datetime.timezone(datetime.timedelta(hours=2))
NODE = {"InstanceId": "i-1", "PingStatus": "Online", "Name": "", "LastPingDateTime": datetime.datetime(2030, 1, 1, 2, tzinfo=EAST)}


def _joined(*nodes: t.Mapping[str, t.Any], **known: t.Any) -> list[dict[str, t.Any]]:
    return join(nodes, Known("eu-west-1", **known))


def test_a_record_is_plain_json_with_times_in_utc() -> None:
    (record,) = _joined(NODE)
    assert json.loads(json.dumps(record)) == {
        "instance_id": "i-1",
        "ping_status": "Online",
        "last_ping": "2030-01-01T00:00:00+00:00",
        "region": "eu-west-1",
        "kind": "ec2",
        "managed": True,
        "tags": {},
    }


def test_records_are_ordered_by_id() -> None:
    assert [record["instance_id"] for record in _joined({"InstanceId": "mi-1"}, NODE)] == ["i-1", "mi-1"]


def test_a_machine_registered_by_activation_is_hybrid() -> None:
    assert _joined({"InstanceId": "mi-1"})[0]["kind"] == "hybrid"


def test_tags_go_to_their_node() -> None:
    assert _joined(NODE, tags={"i-1": {"a": "b"}, "i-2": {"c": "d"}})[0]["tags"] == {"a": "b"}


def test_ec2_facts_are_plain_and_leave_out_what_is_not_there() -> None:
    instance = {"InstanceId": "i-1", "State": {"Name": "running"}, "SecurityGroups": [{"GroupId": "sg"}], "PublicDnsName": ""}
    record = _joined(NODE, instances={"i-1": instance})[0]
    assert record["ec2"] == {"instance_state": "running", "security_groups": [{"GroupId": "sg"}]}


def test_an_instance_that_is_no_node_is_a_record_too() -> None:
    instance = {"InstanceId": "i-2", "State": {"Name": "running"}, "PrivateIpAddress": "10.0.0.1", "InstanceType": "t3.micro"}
    record = _joined(NODE, unmanaged=[instance], tags={"i-2": {"a": "b"}}, account="123456789012")[1]
    assert record == {
        "instance_id": "i-2",
        "ip_address": "10.0.0.1",
        "instance_type": "t3.micro",
        "instance_state": "running",
        "resource_type": "EC2Instance",
        "region": "eu-west-1",
        "account_id": "123456789012",
        "kind": "ec2",
        "managed": False,
        "tags": {"a": "b"},
    }


def test_what_is_reported_of_a_node_is_named_as_ansible_names_things() -> None:
    reports = {
        "patch": {"i-1": [{"InstanceId": "i-1", "MissingCount": 2, "OperationEndTime": NODE["LastPingDateTime"]}]},
        "compliance": {"i-1": [{"ComplianceType": "Patch", "NonCompliantSummary": {"NonCompliantCount": 1}}]},
        "inventory": {"i-1": [{"TypeName": "AWS:Application", "Content": [{"Name": "nginx"}]}]},
        "associations": {"i-1": [{"AssociationName": "x", "OutputUrl": {"S3OutputUrl": {"OutputUrl": "y"}}}]},
    }
    record = _joined(NODE, reports=reports)[0]
    assert record["patch"] == {"missing_count": 2, "operation_end_time": "2030-01-01T00:00:00+00:00"}
    summary = {"compliance_type": "Patch", "non_compliant_summary": {"non_compliant_count": 1}}
    assert record["compliance"] == {"Patch": summary}
    assert record["inventory"] == {"AWS:Application": [{"Name": "nginx"}]}
    assert record["associations"] == [{"association_name": "x", "output_url": {"s3_output_url": {"output_url": "y"}}}]


def test_a_node_of_which_nothing_is_reported_says_so() -> None:
    reports: dict[str, t.Any] = {"patch": {}, "compliance": {}, "inventory": {}, "associations": {}}
    record = _joined(NODE, reports=reports)[0]
    assert [record[report] for report in reports] == [{}, {}, {}, []]


def test_a_node_of_an_organisation_is_a_node_like_others() -> None:
    row = {
        "Id": "mi-1",
        "Owner": {"AccountId": "123456789012", "OrganizationalUnitId": "ou-1"},
        "NodeType": {"Instance": {"IpAddress": "10.0.0.1", "PlatformType": "Linux"}},
    }
    record = _joined(node_of_organization(row))[0]
    known = {name: record[name] for name in ("instance_id", "ip_address", "platform_type", "organizational_unit_id")}
    assert known == {
        "instance_id": "mi-1",
        "ip_address": "10.0.0.1",
        "platform_type": "Linux",
        "organizational_unit_id": "ou-1",
    }


def test_tags_become_a_dictionary() -> None:
    assert tags_of([{"Key": "a", "Value": "b"}]) == {"a": "b"}
