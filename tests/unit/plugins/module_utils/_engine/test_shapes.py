# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests from options, results from answers, and limits, by the shapes of botocore's model."""

from __future__ import annotations

import datetime
import typing as t

import botocore.session
import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._engine import shapes
from botocore import xform_name

MODEL: t.Any = botocore.session.Session().get_service_model("ssm")
ASSOCIATION = MODEL.operation_model("CreateAssociation").input_shape
ACTIVATION = MODEL.operation_model("CreateActivation").input_shape


def test_a_request_has_the_members_the_options_set() -> None:
    options: dict[str, t.Any] = {
        "name": "AWS-RunShellScript",
        "targets": [{"key": "tag:env", "values": ["prod"]}],
        "parameters": {"commands": ["true"]},
        "output_location": {"s3_location": {"output_s3_bucket_name": "logs"}},
        "tags": {"site": 7},
        "instance_id": None,
        "state": "present",
    }
    assert shapes.to_request(ASSOCIATION, options, xform_name) == {
        "Name": "AWS-RunShellScript",
        "Targets": [{"Key": "tag:env", "Values": ["prod"]}],
        "Parameters": {"commands": ["true"]},
        "OutputLocation": {"S3Location": {"OutputS3BucketName": "logs"}},
        "Tags": [{"Key": "site", "Value": "7"}],
    }


def test_a_result_is_plain_json_in_the_names_of_options() -> None:
    shape = MODEL.operation_model("DescribeActivations").output_shape.members["ActivationList"].member
    east = datetime.timezone(datetime.timedelta(hours=1))
    item = {
        "ActivationId": "a",
        "Expired": False,
        "CreatedDate": datetime.datetime(2030, 1, 1, 1, 2, 3, 456, tzinfo=east),
        "Tags": [{"Key": "site", "Value": "7"}],
        "Description": None,
        "NewMember": "unknown to this botocore",
    }
    assert shapes.to_result(shape, item, xform_name) == {
        "activation_id": "a",
        "expired": False,
        "created_date": "2030-01-01T00:02:03+00:00",
        "tags": {"site": "7"},
    }


def test_a_result_keeps_lists_and_maps() -> None:
    shape = MODEL.operation_model("DescribeAssociation").output_shape.members["AssociationDescription"]
    item = {"Parameters": {"commands": ["a", "b"]}, "Targets": [{"Key": "k", "Values": ["v"]}]}
    assert shapes.to_result(shape, item, xform_name) == {
        "parameters": {"commands": ["a", "b"]},
        "targets": [{"key": "k", "values": ["v"]}],
    }


@pytest.mark.parametrize(
    ("shape", "request_", "problem"),
    [
        (ACTIVATION, {}, "iam_role is required"),
        (ACTIVATION, {"IamRole": "r", "RegistrationLimit": 0}, "registration_limit must be from 1 to 1000, not 0"),
        (ACTIVATION, {"IamRole": "r" * 65}, "iam_role must be at most 64 characters long, not 65"),
        (ASSOCIATION, {"Name": "n", "Targets": [{}] * 6}, "targets must be at most 5 entries, not 6"),
        (ASSOCIATION, {"Name": "n", "ComplianceSeverity": "BAD"}, "compliance_severity must be one of CRITICAL, HIGH"),
        (ASSOCIATION, {"Name": "n", "AutomationTargetParameterName": ""}, "must be from 1 to 50 characters long, not 0"),
        (MODEL.operation_model("GetDocument").input_shape, {"Name": "n", "DocumentVersion": "1"}, ""),
        (ACTIVATION, {"IamRole": "r"}, ""),
    ],
)
def test_limits_are_told_in_the_words_of_the_options(shape: t.Any, request_: dict[str, t.Any], problem: str) -> None:
    found = "; ".join(shapes.problems(shape, request_, xform_name))
    assert problem in found
    assert bool(found) is bool(problem)


def test_a_limit_without_an_upper_end_is_told() -> None:
    class Shape:
        type_name = "integer"
        metadata: t.ClassVar[dict[str, int]] = {"min": 3}

    class Structure:
        required_members: t.ClassVar[list[str]] = []
        members: t.ClassVar[dict[str, t.Any]] = {"Count": Shape}

    assert shapes.problems(Structure, {"Count": 1}, xform_name) == ["count must be at least 3, not 1"]


@pytest.mark.parametrize(
    ("operation", "member", "expected"),
    [
        ("DescribeActivations", "Filters", {"FilterKey": "k", "FilterValues": ["v"]}),
        ("DescribeInstanceInformation", "Filters", {"Key": "k", "Values": ["v"]}),
        ("DescribeInstanceProperties", "InstancePropertyFilterList", {"key": "k", "valueSet": ["v"]}),
    ],
)
def test_filters_are_spelled_as_the_operation_has_them(operation: str, member: str, expected: dict[str, t.Any]) -> None:
    shape = MODEL.operation_model(operation).input_shape.members[member]
    assert shapes.filters(shape, {"k": ("v",)}) == [expected]


def test_a_filter_that_takes_one_value_is_there_for_each() -> None:
    shape = MODEL.operation_model("ListAssociations").input_shape.members["AssociationFilterList"]
    assert shapes.filters(shape, {"Name": ("a", "b")}) == [{"key": "Name", "value": "a"}, {"key": "Name", "value": "b"}]


def test_a_result_may_call_its_own_members_otherwise_and_leaves_those_within() -> None:
    assert shapes.renamed({"name": "a", "inner": {"name": "b"}}, {"name": "document"}) == {"document": "a", "inner": {"name": "b"}}


def test_a_structure_that_only_holds_a_list_is_written_as_the_list() -> None:
    baseline = MODEL.operation_model("CreatePatchBaseline").input_shape
    filters = [{"key": "PRODUCT", "values": ["*"]}]
    options: dict[str, t.Any] = {
        "global_filters": filters,
        "approval_rules": [{"patch_filter_group": filters, "approve_after_days": 7}],
    }
    request = shapes.to_request(baseline, options, xform_name)
    in_request = {"PatchFilters": [{"Key": "PRODUCT", "Values": ["*"]}]}
    assert request["GlobalFilters"] == in_request
    assert request["ApprovalRules"] == {"PatchRules": [{"PatchFilterGroup": in_request, "ApproveAfterDays": 7}]}
    assert shapes.to_result(baseline, request, xform_name) == options
