# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions whose output is logged: the user is warned once, for one call of AWS, and can turn that off."""

from __future__ import annotations

import pytest

from tests.integration.preferences import preferences, session_document
from tests.integration.running_emulator import Ansible

pytestmark = pytest.mark.long

_TASKS = "- ansible.builtin.ping:\n- ansible.builtin.ping:\n"
_SENT_TO = "has what sessions print sent to"


@pytest.mark.parametrize(
    ("inputs", "where"),
    [
        ({"s3BucketName": "logs"}, "the S3 bucket logs."),
        ({"cloudWatchLogGroupName": "/ssm/sessions"}, "the CloudWatch Logs group /ssm/sessions."),
    ],
)
def test_a_run_whose_sessions_are_logged_is_warned_of_it_once_for_one_call(
    ansible: Ansible, inputs: dict[str, str], where: str
) -> None:
    with preferences(ansible.emulator, **inputs):
        run = ansible.playbook(_TASKS, ansible.inventory("web-1", "web-2", "db-1"))
    assert run.code == 0, str(run)
    assert run.count(f"The session document SSM-SessionManagerRunShell in us-east-1 {_SENT_TO} {where}") == 1
    assert ansible.emulator.calls("ssm:GetDocument") == 1


def test_the_users_own_document_is_the_one_looked_at(ansible: Ansible) -> None:
    shell = {"sessionType": "Standard_Stream", "inputs": {"s3BucketName": "mine"}}
    with session_document(ansible.emulator, "FleetShell", **shell):
        inventory = ansible.inventory("web-1", ansible_ssm_document_name="FleetShell", ansible_ssm_document_parameters="{}")
        run = ansible.playbook(_TASKS, inventory)
    assert run.code == 0, str(run)
    assert run.says(f"The session document FleetShell in us-east-1 {_SENT_TO} the S3 bucket mine.")


def test_the_warning_can_be_turned_off_and_costs_no_call_then(ansible: Ansible) -> None:
    with preferences(ansible.emulator, s3BucketName="logs"):
        run = ansible.playbook(_TASKS, ansible.inventory("web-1", ansible_ssm_logging_warning="false"))
    assert run.code == 0, str(run)
    assert not run.says(_SENT_TO)
    assert ansible.emulator.calls("ssm:GetDocument") == 0


def test_sessions_that_are_not_logged_are_not_spoken_of(ansible: Ansible) -> None:
    run = ansible.playbook(_TASKS, ansible.inventory("web-1"), "-v")
    assert run.code == 0, str(run)
    assert "logged" not in run.output


def test_preferences_that_may_not_be_read_are_told_of_to_who_asks_for_more(ansible: Ansible) -> None:
    for verbosity, told in (("-v", True), ("--diff", False)):
        ansible.emulator.reset()
        ansible.emulator.order({"fail": {"operation": "GetDocument", "code": "AccessDeniedException", "message": "No"}})
        run = ansible.playbook(_TASKS, ansible.inventory("web-1"), verbosity)
        assert run.code == 0, str(run)
        assert run.says("It is not known whether sessions are logged") is told
        assert "WARNING" not in run.output


def test_an_account_whose_preferences_were_never_saved_is_not_spoken_of(ansible: Ansible) -> None:
    ansible.emulator.order({"fail": {"operation": "GetDocument", "code": "InvalidDocument", "message": "No"}})
    run = ansible.playbook(_TASKS, ansible.inventory("web-1"), "-v")
    assert run.code == 0, str(run)
    assert "logged" not in run.output


def test_the_reason_reaches_the_history_of_sessions(ansible: Ansible) -> None:
    run = ansible.playbook(_TASKS, ansible.inventory("web-1", ansible_ssm_reason="change-4711"))
    assert run.code == 0, str(run)
    assert ansible.emulator.no_session_is_left()
    filters = [{"key": "Target", "value": ansible.emulator.nodes()["web-1"]}]
    history = ansible.emulator.client("ssm").describe_sessions(State="History", Filters=filters)["Sessions"]
    assert [session.get("Reason") for session in history].count("change-4711") == 1
