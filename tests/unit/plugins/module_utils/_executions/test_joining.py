# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AWS's answers become traces whose status is the worst that AWS says."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._executions import joining


def test_an_execution_in_which_a_target_failed_has_failed() -> None:
    execution = joining.association_execution({"Status": "Success", "ResourceCountByStatus": "{Success=5, Failed=1}"})
    assert (execution.failed, execution.status) == (True, "Failed")


def test_an_execution_in_which_none_failed_has_not() -> None:
    assert not joining.association_execution({"Status": "Success", "ResourceCountByStatus": "{Success=5, Failed=0}"}).failed


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ({"Status": "Failed", "StatusDetails": "Undeliverable"}, "Undeliverable"),
        ({"Status": "TimedOut", "StatusDetails": "DeliveryTimedOut"}, "DeliveryTimedOut"),
        ({"Status": "Failed", "StatusDetails": "Delayed"}, "Failed"),
        ({"Status": "Success", "StatusDetails": "Success"}, "Success"),
        ({}, ""),
    ],
)
def test_the_detailed_status_counts_unless_it_hides_a_failure(row: dict[str, t.Any], status: str) -> None:
    assert joining.command({"CommandId": "1", **row}).status == status


@pytest.mark.parametrize(
    ("name", "is_made"),
    [
        ("AWS-QuickSetup-SSMHostMgmt-CollectInventory-8a1a2", True),
        ("AWS-QuickSetup-SSMHostMgmt-CollectInventory-18a1a2", False),
        ("mine-8a1a2", False),
    ],
)
def test_an_association_of_quick_setup_is_known_by_its_name(name: str, is_made: bool) -> None:
    assert joining.is_made_by({"ConfigurationDefinitionSummaries": [{"Id": "8a1a2"}, {}]}, name) is is_made


@pytest.mark.parametrize(
    ("row", "concerned"),
    [
        ({"Target": "i-1"}, True),
        ({"Targets": [{"Key": "InstanceIds", "Values": ["i-1"]}]}, True),
        ({"ResolvedTargets": {"ParameterValues": ["i-1"]}}, True),
        ({"Target": "i-12"}, False),
        ({}, False),
    ],
)
def test_an_automation_concerns_the_nodes_it_names(row: dict[str, t.Any], concerned: bool) -> None:
    assert joining.concerns(row, "i-1") is concerned


def test_the_bucket_of_an_association_is_told() -> None:
    location = {"S3Location": {"OutputS3BucketName": "outputs", "OutputS3KeyPrefix": "hosts"}}
    assert joining.association({"OutputLocation": location}).stdout_url == "s3://outputs/hosts"
