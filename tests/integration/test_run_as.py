# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions that run as a user whom the preferences, a document or the IAM identity's tag name, and what is said of it."""

from __future__ import annotations

import collections.abc
import contextlib

import pytest

from tests.integration.preferences import preferences, session_document
from tests.integration.running_emulator import Ansible, RunningEmulator

pytestmark = pytest.mark.long

_WHO = """
- ansible.builtin.command: id -un
  register: who
- ansible.builtin.debug: {msg: "It is {{ who.stdout }}."}
- ansible.builtin.command: 'true'
"""
_WARNING = "Sessions run as {} and not as {}, which ansible_user (remote_user, --user) asks for"


def _have_user(emulator: RunningEmulator, machine: str, name: str) -> None:
    done = emulator.run_command(machine, f"id -u {name} || useradd -m -s /bin/sh {name}")
    assert done["Status"] == "Success", done


def _runs_as_the_preferences_user(ansible: Ansible, machine: str) -> None:
    _have_user(ansible.emulator, machine, "deploy")
    with preferences(ansible.emulator, runAsEnabled=True, runAsDefaultUser="deploy"):
        run = ansible.playbook(_WHO, ansible.inventory(machine, ansible_user="deploy"))
    assert run.code == 0, str(run)
    assert "It is deploy." in run.output
    assert not run.says("Sessions run as")


def test_a_session_runs_as_the_user_of_the_preferences(ansible: Ansible) -> None:
    _runs_as_the_preferences_user(ansible, "web-1")


def test_a_session_of_a_real_agent_runs_as_the_user_of_the_preferences(ansible_on_real_agents: Ansible) -> None:
    _runs_as_the_preferences_user(ansible_on_real_agents, "real-1")


@contextlib.contextmanager
def _tagged_identity(emulator: RunningEmulator, user: str) -> collections.abc.Iterator[None]:
    """The IAM user whose keys the tests use has a tag."""
    iam = emulator.client("iam")
    iam.create_user(UserName="demo", Tags=[{"Key": "SSMSessionRunAs", "Value": user}])
    try:
        yield
    finally:
        iam.delete_user(UserName="demo")


def test_the_tag_of_the_identity_goes_before_the_documents_user(ansible: Ansible) -> None:
    _have_user(ansible.emulator, "web-1", "tagged")
    inputs = {"runAsEnabled": True, "runAsDefaultUser": "somebody"}
    with (
        _tagged_identity(ansible.emulator, "tagged"),
        session_document(ansible.emulator, "FleetRunAs", sessionType="Standard_Stream", inputs=inputs),
    ):
        inventory = ansible.inventory("web-1", ansible_ssm_document_name="FleetRunAs", ansible_ssm_document_parameters="{}")
        run = ansible.playbook(_WHO, inventory)
    assert run.code == 0, str(run)
    assert "It is tagged." in run.output


def _user_who_does_not_exist(ansible: Ansible, machine: str) -> None:
    with preferences(ansible.emulator, runAsEnabled=True, runAsDefaultUser="nobody-at-all"):
        run = ansible.playbook(_WHO, ansible.inventory(machine))
    assert run.code == 4, str(run)
    assert run.says("Create the user there, or change the RunAs user")
    assert run.says("The agent said: Unable to start command: failed to start pty since RunAs user nobody-at-all does not exist")
    assert ansible.emulator.no_session_is_left()


def test_a_user_who_does_not_exist_is_told_in_the_agents_words_with_advice(ansible: Ansible) -> None:
    _user_who_does_not_exist(ansible, "web-1")


def test_a_user_who_does_not_exist_is_told_in_a_real_agents_words_with_advice(ansible_on_real_agents: Ansible) -> None:
    _user_who_does_not_exist(ansible_on_real_agents, "real-1")


def test_run_as_without_a_user_is_told_with_advice(ansible: Ansible) -> None:
    with preferences(ansible.emulator, runAsEnabled=True, runAsDefaultUser=""):
        run = ansible.playbook(_WHO, ansible.inventory("web-1"))
    assert run.code == 4, str(run)
    assert run.says("turn RunAs on and name no user")


def test_another_user_than_the_one_asked_for_is_warned_of_once(ansible: Ansible) -> None:
    run = ansible.playbook(_WHO, ansible.inventory("web-1", "web-2", ansible_user="ec2-user"))
    assert run.code == 0, str(run)
    assert run.count(_WARNING.format("ssm-user", "ec2-user")) == 1


def test_the_command_line_can_ask_for_a_user_too(ansible: Ansible) -> None:
    run = ansible.playbook(_WHO, ansible.inventory("web-1"), "--user", "ec2-user")
    assert run.code == 0, str(run)
    assert run.says(_WARNING.format("ssm-user", "ec2-user"))


def test_who_asks_for_nobody_is_warned_of_nothing(ansible: Ansible) -> None:
    run = ansible.playbook(_WHO, ansible.inventory("web-1"))
    assert run.code == 0, str(run)
    assert "It is ssm-user." in run.output
    assert "WARNING" not in run.output
