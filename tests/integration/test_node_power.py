# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that go away and come back: reboot, wait_for_connection, a plug that is pulled."""

from __future__ import annotations

import collections.abc
import os
import pathlib
import time

import pytest

from tests.integration.running_emulator import Ansible

pytestmark = pytest.mark.long

_needs_roots = pytest.mark.skipif(
    os.geteuid() != 0, reason="only nodes with a root folder of their own reboot, and that takes root"
)
_MACHINE = "web-2"


@pytest.fixture
def machine(ansible: Ansible) -> collections.abc.Iterator[str]:
    """A machine that is online again for the next test."""
    yield _MACHINE
    ansible.emulator.switch_off(_MACHINE)
    ansible.emulator.switch_on(_MACHINE)
    _wait_until_online(ansible, _MACHINE)


def _wait_until_online(ansible: Ansible, machine: str) -> None:
    deadline = time.monotonic() + 30
    while not ansible.emulator.is_online(machine):
        assert time.monotonic() < deadline, f"{machine} is not online after 30 s"
        time.sleep(0.1)


def _reboot(ansible: Ansible, machine: str) -> None:
    run = ansible.playbook(
        """
- ansible.builtin.command: cat /proc/sys/kernel/random/boot_id
  register: before
- ansible.builtin.reboot: {connect_timeout: 10, test_command: uptime}
  become: true
  register: rebooted
- ansible.builtin.command: cat /proc/sys/kernel/random/boot_id
  register: after
- ansible.builtin.assert: {that: rebooted.rebooted and before.stdout != after.stdout}
""",
        ansible.inventory(machine),
    )
    assert run.code == 0, str(run)
    assert ansible.emulator.no_session_is_left()


@_needs_roots
def test_a_reboot_is_waited_for(ansible: Ansible) -> None:
    _reboot(ansible, _MACHINE)


def test_a_reboot_of_a_machine_with_a_real_agent_is_waited_for(ansible_on_real_agents: Ansible) -> None:
    _reboot(ansible_on_real_agents, "real-2")


def test_waiting_for_a_connection_starts_no_session_before_there_is_a_node(ansible: Ansible, machine: str) -> None:
    ansible.emulator.switch_off(machine)
    play = ansible.write("- ansible.builtin.wait_for_connection: {timeout: 60}\n- ansible.builtin.ping:")
    controller = ansible.start("ansible-playbook", "-i", str(ansible.inventory(machine)), str(play))
    deadline = time.monotonic() + 60
    while ansible.emulator.calls("ssm:GetConnectionStatus") < 2:
        assert time.monotonic() < deadline, "nobody asks whether the node is connected"
        time.sleep(0.1)
    ansible.emulator.switch_on(machine)
    output, _nothing = controller.communicate(timeout=90)
    assert controller.returncode == 0, output.decode()
    assert ansible.emulator.calls("ssm:StartSession") == 1


def test_who_may_not_ask_for_the_connections_status_waits_all_the_same(ansible: Ansible) -> None:
    ansible.emulator.order({"fail": {"operation": "GetConnectionStatus", "code": "AccessDeniedException", "times": None}})
    run = ansible.playbook("- ansible.builtin.wait_for_connection: {timeout: 60}", ansible.inventory("web-1"))
    assert run.code == 0, str(run)


def test_a_node_whose_plug_was_pulled_is_unreachable_before_it_counts_as_stalled(
    ansible: Ansible, machine: str, tmp_path: pathlib.Path
) -> None:
    used, pulled = tmp_path / "used", tmp_path / "pulled"
    play = ansible.write(
        f"""
- ansible.builtin.ping:
- ansible.builtin.file: {{path: {used}, state: touch}}
  delegate_to: localhost
- ansible.builtin.wait_for: {{path: {pulled}, sleep: 1}}
  delegate_to: localhost
- ansible.builtin.ping:
"""
    )
    controller = ansible.start("ansible-playbook", "-i", str(ansible.inventory(machine)), str(play))
    deadline = time.monotonic() + 60
    while not used.exists():
        assert time.monotonic() < deadline, "the first task did not end"
        time.sleep(0.05)
    ansible.emulator.switch_off(machine)
    pulled.touch()
    output, _nothing = controller.communicate(timeout=120)
    assert controller.returncode == 4, output.decode()
    assert "was not connected to Systems Manager when AWS was asked" in " ".join(output.decode().split())
