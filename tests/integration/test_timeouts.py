# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Silent tasks, sessions that AWS ends, dead agents: what lives on, what is said, and how soon."""

from __future__ import annotations

import collections.abc
import contextlib
import os
import signal
import time

from tests.emulator.agent import launch
from tests.integration.long_tasks import LongSleep
from tests.integration.running_emulator import Ansible

_SILENT = """
- ansible.builtin.shell: sleep 5; echo slept
  register: result
- ansible.builtin.assert: {that: result.stdout == "slept"}
"""

#: half of it is the longest silence
_STALL = "4"


def _a_silent_task_outlives_the_idle_timeout(ansible: Ansible, machine: str) -> None:
    ansible.emulator.order({"limit": {"idle": 3}})
    run = ansible.playbook(_SILENT, ansible.inventory(machine, ansible_ssm_stall_timeout=_STALL))
    assert run.code == 0, str(run)
    assert ansible.emulator.calls("ssm:StartSession") == 1


def test_a_silent_task_outlives_the_idle_timeout(ansible: Ansible) -> None:
    _a_silent_task_outlives_the_idle_timeout(ansible, "web-1")


def test_a_silent_task_on_a_real_agent_outlives_the_idle_timeout(ansible_on_real_agents: Ansible) -> None:
    _a_silent_task_outlives_the_idle_timeout(ansible_on_real_agents, "real-1")


def test_a_silent_task_on_a_node_without_python_outlives_the_idle_timeout(ansible: Ansible) -> None:
    ansible.emulator.order({"limit": {"idle": 3}})
    run = ansible.playbook(
        """
- ansible.builtin.raw: sleep 5; echo slept; cat
  register: result
- ansible.builtin.assert: {that: result.stdout | trim == "slept"}
""",
        ansible.inventory("snakeless", ansible_ssm_stall_timeout=_STALL),
    )
    assert run.code == 0, str(run)
    assert ansible.emulator.calls("ssm:StartSession") == 1


def test_an_idle_session_is_ended_where_nothing_is_said_in_time_and_that_is_told(ansible: Ansible) -> None:
    ansible.emulator.order({"limit": {"idle": 3}})
    run = ansible.playbook(_SILENT, ansible.inventory("web-1"))
    assert run.code == 4, str(run)
    assert run.says("was closed: Your session timed out due to inactivity and has been terminated.")


def test_an_async_task_outlives_a_session_that_ends_between_tasks_and_the_next_task_has_another(ansible: Ansible) -> None:
    ansible.emulator.order({"limit": {"idle": 3}})
    run = ansible.playbook(
        """
- ansible.builtin.shell: sleep 4; echo done
  async: 60
  poll: 0
  register: job
- ansible.builtin.pause: {seconds: 5}
- ansible.builtin.async_status: {jid: "{{ job.ansible_job_id }}"}
  register: result
  until: result is finished
  retries: 20
  delay: 1
- ansible.builtin.assert: {that: result.stdout == "done"}
""",
        ansible.inventory("web-1"),
    )
    assert run.code == 0, str(run)
    assert ansible.emulator.calls("ssm:StartSession") == 2


def test_a_session_that_aws_ends_in_the_middle_of_a_task_is_told_and_the_next_task_has_another(ansible: Ansible) -> None:
    ansible.emulator.order({"limit": {"duration": 3}})
    run = ansible.playbook(
        """
- ansible.builtin.command: sleep 30
  ignore_unreachable: true
- ansible.builtin.ping:
""",
        ansible.inventory("web-1"),
    )
    assert run.code == 0, str(run)
    assert run.says("was closed: Your session has reached its maximum duration and has been terminated.")
    assert ansible.emulator.calls("ssm:StartSession") == 2


@contextlib.contextmanager
def _frozen(ansible: Ansible, machine: str) -> collections.abc.Iterator[None]:
    """Stop every process of a machine, as a hypervisor does; it goes on afterwards."""
    running = launch.Node(ansible.emulator.folder / "nodes" / machine)
    pids = launch.with_descendants(running.pid)[1:]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in reversed(pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _a_node_that_freezes_is_unreachable_in_time(ansible: Ansible, machine: str) -> None:
    sleep = LongSleep()
    play = ansible.write(f"- ansible.builtin.command: {sleep.command}")
    inventory = ansible.inventory(machine, ansible_ssm_stall_timeout="4")
    controller = ansible.start("ansible-playbook", "-i", str(inventory), str(play))
    assert sleep.begins(), "the task did not start"
    time.sleep(1.5)
    with _frozen(ansible, machine):
        began = time.monotonic()
        output, _nothing = controller.communicate(timeout=60)
        took = time.monotonic() - began
    assert controller.returncode == 4, output.decode()
    assert "has acknowledged nothing for 4 s (stall_timeout)" in " ".join(output.decode().split())
    # The controller's own end takes a moment too.
    assert took < 4 + 6
    assert ansible.emulator.no_session_is_left()


def test_a_node_that_freezes_is_unreachable_within_stall_timeout(ansible: Ansible) -> None:
    _a_node_that_freezes_is_unreachable_in_time(ansible, "web-2")


def test_a_node_with_a_real_agent_that_freezes_is_unreachable_within_stall_timeout(ansible_on_real_agents: Ansible) -> None:
    _a_node_that_freezes_is_unreachable_in_time(ansible_on_real_agents, "real-2")
