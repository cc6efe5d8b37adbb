# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Joining what the services know of a node."""

from __future__ import annotations

import datetime
import json

from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.joining import join, tags_of

EAST = datetime.timezone(datetime.timedelta(hours=2))
NODE = {"InstanceId": "i-1", "PingStatus": "Online", "Name": "", "LastPingDateTime": datetime.datetime(2030, 1, 1, 2, tzinfo=EAST)}


def test_a_record_is_plain_json_with_times_in_utc() -> None:
    (record,) = join([NODE], {}, {}, "eu-west-1")
    assert json.loads(json.dumps(record)) == {
        "instance_id": "i-1",
        "ping_status": "Online",
        "last_ping": "2030-01-01T00:00:00+00:00",
        "region": "eu-west-1",
        "kind": "ec2",
        "tags": {},
    }


def test_records_are_ordered_by_id() -> None:
    assert [record["instance_id"] for record in join([{"InstanceId": "mi-1"}, NODE], {}, {}, "x")] == ["i-1", "mi-1"]


def test_a_machine_registered_by_activation_is_hybrid() -> None:
    assert join([{"InstanceId": "mi-1"}], {}, {}, "x")[0]["kind"] == "hybrid"


def test_tags_go_to_their_node() -> None:
    assert join([NODE], {"i-1": {"a": "b"}, "i-2": {"c": "d"}}, {}, "x")[0]["tags"] == {"a": "b"}


def test_ec2_facts_are_plain_and_leave_out_what_is_not_there() -> None:
    instance = {"InstanceId": "i-1", "State": {"Name": "running"}, "SecurityGroups": [{"GroupId": "sg"}], "PublicDnsName": ""}
    record = join([NODE], {}, {"i-1": instance}, "x")[0]
    assert record["ec2"] == {"instance_state": "running", "security_groups": [{"GroupId": "sg"}]}


def test_tags_become_a_dictionary() -> None:
    assert tags_of([{"Key": "a", "Value": "b"}]) == {"a": "b"}
