# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module agent_doctor."""

from __future__ import annotations

import functools
import pathlib
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node import examination, machine
from ansible_collections.fleet.ssm.plugins.modules import agent_doctor


@pytest.fixture
def doctor(run: t.Callable[..., t.Any], monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> t.Callable[..., t.Any]:
    """Run the module on a machine that has nothing."""
    on_nothing = functools.partial(examination.examine, machine=machine.Machine(str(tmp_path)), metadata_address="127.0.0.1:1")
    monkeypatch.setattr(agent_doctor, "examine", on_nothing)
    return functools.partial(run, agent_doctor.main)


ENDPOINTS = dict.fromkeys(("ssm", "ssmmessages", "ec2messages", "s3"), "https://127.0.0.1:1")


@pytest.mark.parametrize("check_mode", [False, True])
def test_names_the_first_cause_check_mode(doctor: t.Any, check_mode: bool) -> None:
    result = doctor(check_mode=check_mode, region="eu-west-1", endpoints=ENDPOINTS)
    assert (result["changed"], result["healthy"], result["cause"]["id"]) == (False, False, "N1")
    assert result["checks"][0] == result["cause"]
    assert (result["region"], result["instance_id"], result["agent_version"]) == ("eu-west-1", "", "")
    connections = next(check for check in result["checks"] if check["id"] == "N4")
    assert (connections["status"], "127.0.0.1" in connections["evidence"]) == ("fail", True)


def test_refuses_a_service_that_is_none(doctor: t.Any) -> None:
    assert "ssm, ssmmessages, ec2messages, s3, not sms" in doctor(endpoints={"sms": "x"})["msg"]


def test_refuses_an_endpoint_that_is_none(doctor: t.Any) -> None:
    assert "no host name and no URL" in doctor(endpoints={"ssm": "https://"})["msg"]
