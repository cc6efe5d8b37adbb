# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module parameter_info."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.modules import parameter_info


@pytest.fixture
def read(run: t.Callable[..., t.Any], aws: t.Any) -> t.Callable[..., t.Any]:
    for number in range(25):
        aws._call("PutParameter", {"Name": f"/p/{number}", "Value": f"value {number}", "Type": "SecureString", "Overwrite": True})
    return lambda **options: run(parameter_info.main, **options)


def test_values_are_in_the_order_of_their_names(read: t.Any, aws: t.Any) -> None:
    result = read(names=["/p/7", "/p/3", "/p/7"])
    assert not result["changed"]
    assert [one["value"] for one in result["parameters"]] == ["value 7", "value 3"]
    assert aws.calls.count("GetParameters") == 1


def test_values_are_in_the_order_of_their_names_check_mode(read: t.Any) -> None:
    assert [one["value"] for one in read(names=["/p/7", "/p/3"], check_mode=True)["parameters"]] == ["value 7", "value 3"]


def test_more_than_aws_takes_at_once_are_asked_for_in_parts(read: t.Any, aws: t.Any) -> None:
    names = [f"/p/{number}" for number in range(25)]
    assert [one["name"] for one in read(names=names)["parameters"]] == names
    assert aws.calls.count("GetParameters") == 3


def test_a_version_is_told_apart_from_another(read: t.Any) -> None:
    asked = ["/p/1:2", "/p/1:1"]
    assert [one["selector"] for one in read(names=asked)["parameters"]] == [":2", ":1"]


def test_one_that_does_not_exist_is_told(read: t.Any) -> None:
    assert read(names=["/p/1", "/none"])["msg"].startswith("There is no parameter /none.")


def test_what_aws_refuses_is_told(read: t.Any, aws: t.Any) -> None:
    aws.failing["GetParameters"] = "AccessDeniedException"
    assert read(names=["/p/1"])["error_code"] == "AccessDeniedException"
