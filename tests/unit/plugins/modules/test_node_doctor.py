# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module node_doctor. (What it finds: module_utils/_doctor/account.)"""

from __future__ import annotations

import functools
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.modules import node_doctor

from tests.unit.plugins.module_utils._doctor.account import conftest as account
from tests.unit.plugins.module_utils._doctor.account.conftest import INSTANCE, Node

strict_aws = account.strict_aws
instance = account.instance

NO_CONNECTION = {
    "id": "N4",
    "title": "connections to port 443",
    "status": "fail",
    "evidence": "ssm.eu-west-1.amazonaws.com: Connection refused.",
    "cause": "AWS's endpoint refused the connection.",
    "remedy": "Allow it.",
    "consequence_of": "",
}


@pytest.fixture
def doctor(run: t.Callable[..., t.Any], instance: Node) -> t.Callable[..., t.Any]:
    """Run the module on the instance."""
    return functools.partial(run, node_doctor.main, instance_id=INSTANCE)


@pytest.mark.parametrize("check_mode", [False, True])
def test_finds_a_healthy_node_healthy_check_mode(doctor: t.Any, check_mode: bool) -> None:
    result = doctor(check_mode=check_mode)
    assert (result["changed"], result["healthy"], result["cause"], result["instance_id"]) == (False, True, None, INSTANCE)
    assert len(result["checks"]) == 21


def test_names_the_first_cause(doctor: t.Any, instance: Node) -> None:
    instance.be_lost()
    result = doctor()
    assert (result["healthy"], result["cause"]["id"]) == (False, "C3")
    assert result["checks"][0] == result["cause"]


def test_takes_what_was_found_on_the_node_into_the_order_of_causes(doctor: t.Any, instance: Node) -> None:
    instance.be_lost()
    result = doctor(found_on_node=[NO_CONNECTION])
    failed = [(check["id"], check["consequence_of"]) for check in result["checks"] if check["status"] == "fail"]
    assert failed == [("N4", ""), ("C3", "N4"), ("C4", "N4")]
    assert result["cause"]["evidence"] == NO_CONNECTION["evidence"]


def test_looks_where_it_is_told(doctor: t.Any, instance: Node) -> None:
    instance.rows_by_region = {"eu-west-1": [], "us-east-1": instance.rows}
    assert "us-east-1" in doctor(other_regions=["us-east-1"])["cause"]["cause"]


def test_knows_the_account_it_is_told(doctor: t.Any) -> None:
    assert doctor(account_id="210987654321")["cause"]["id"] == "C1"


@pytest.mark.parametrize(
    ("found", "words"), [({"id": "N99", "status": "ok"}, "no check called N99"), ({"id": "N1", "status": "fine"}, "none of")]
)
def test_refuses_what_is_no_check(doctor: t.Any, found: dict[str, str], words: str) -> None:
    result = doctor(found_on_node=[found])
    assert (result["failed"], words in result["msg"]) == (True, True)


def test_refuses_to_guess_the_node(run: t.Any, instance: Node) -> None:
    assert "one of the following is required" in run(node_doctor.main)["msg"]


def test_tells_that_no_region_is_known(doctor: t.Any, no_aws_environment: pytest.MonkeyPatch) -> None:
    no_aws_environment.delenv("AWS_DEFAULT_REGION")
    cause = doctor(found_on_node=[NO_CONNECTION])["cause"]
    assert (cause["id"], "Set the option region" in cause["evidence"]) == ("C1", True)


def test_fails_for_a_profile_that_does_not_exist(doctor: t.Any, no_aws_environment: pytest.MonkeyPatch) -> None:
    no_aws_environment.delenv("AWS_DEFAULT_REGION")
    result = doctor(profile="none-such")
    assert (result["failed"], "none-such" in result["msg"]) == (True, True)
