# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cut lines in the middle of a run: every task runs exactly once, and the run ends well."""

from __future__ import annotations

import pytest

from tests.integration.running_emulator import Ansible

_TASKS = 60
_CUTS = 10


def _run_sixty_tasks(ansible: Ansible, *machines: str) -> None:
    """Have sixty tasks each leave a line of their own on each node, and read the lines."""
    tasks = "\n".join(f"- ansible.builtin.shell: echo {number} >> ~/cuts" for number in range(_TASKS))
    run = ansible.playbook(
        f"""
- ansible.builtin.file: {{path: ~/cuts, state: absent}}
{tasks}
- ansible.builtin.command: cat ~/cuts
  register: lines
- ansible.builtin.assert: {{that: "lines.stdout_lines | map('int') | list == range({_TASKS}) | list"}}
""",
        ansible.inventory(*machines),
        timeout=240,
    )
    assert run.code == 0, str(run)
    assert "cut" not in ansible.emulator.faults(), "the run was over before all cuts were made"
    assert ansible.emulator.calls("ssm:StartSession") == len(machines)
    assert ansible.emulator.no_session_is_left()


def _ten_cuts_on_either_side(ansible: Ansible, of_client: str, of_agent: str) -> None:
    ids = ansible.emulator.nodes()
    cuts = [("client", of_client), ("agent", of_agent)]
    ansible.emulator.order({"cut": [{"side": side, "node": ids[name], "after": 35, "times": _CUTS} for side, name in cuts]})
    _run_sixty_tasks(ansible, of_client, of_agent)
    # The client gets its first token with StartSession; the agents ask for theirs.
    assert ansible.emulator.calls("ssm:ResumeSession") >= _CUTS
    assert ansible.emulator.calls("ssmmessages:CreateDataChannel") >= 2 + _CUTS


@pytest.mark.long
def test_ten_cuts_on_either_side_in_sixty_tasks_repeat_and_lose_nothing(ansible: Ansible) -> None:
    _ten_cuts_on_either_side(ansible, "web-1", "web-2")


@pytest.mark.long
def test_ten_cuts_on_either_side_of_real_agents_repeat_and_lose_nothing(ansible_on_real_agents: Ansible) -> None:
    _ten_cuts_on_either_side(ansible_on_real_agents, "real-1", "real-2")


@pytest.mark.long
def test_a_bad_line_repeats_and_loses_nothing(ansible: Ansible) -> None:
    faults = {
        kind: [{"direction": direction, "rate": 0.02, "seed": seed} for seed, direction in enumerate(("client_up", "client_down"))]
        for kind in ("drop", "duplicate", "reorder")
    }
    ansible.emulator.order({**faults, "cut": {"side": "client", "after": 60, "times": 3}})
    _run_sixty_tasks(ansible, "web-1")


def test_a_line_cut_for_longer_than_reconnect_timeout_is_unreachable(ansible: Ansible) -> None:
    ansible.emulator.order(
        {
            "cut": {"side": "client", "after": 20},
            "fail": {"operation": "ResumeSession", "code": "InternalServerError", "status": 500, "times": None},
        }
    )
    run = ansible.playbook("- ansible.builtin.ping:", ansible.inventory("web-1", ansible_ssm_reconnect_timeout="2"), timeout=60)
    assert run.code == 4, str(run)
    assert run.says("could not be opened (again) within 2 s (reconnect_timeout")
    assert ansible.emulator.no_session_is_left()


def test_throttling_of_resumesession_does_not_count_as_time_of_the_cut(ansible: Ansible) -> None:
    ansible.emulator.order(
        {"cut": {"side": "client", "after": 20}, "throttle": {"operation": "ResumeSession", "times": 5}},
    )
    run = ansible.playbook("- ansible.builtin.ping:", ansible.inventory("web-1", ansible_ssm_reconnect_timeout="2"))
    assert run.code == 0, str(run)
    assert ansible.emulator.calls("ssm:ResumeSession") == 6
    assert ansible.emulator.calls("ssm:StartSession") == 1


def test_a_service_that_is_away_for_a_while_is_waited_for(ansible: Ansible) -> None:
    away = {"operation": "ResumeSession", "code": "InternalServerError", "status": 500, "times": 12}
    ansible.emulator.order({"cut": {"side": "client", "after": 20}, "fail": away})
    run = ansible.playbook("- ansible.builtin.ping:", ansible.inventory("web-1"))
    assert run.code == 0, str(run)
    assert ansible.emulator.calls("ssm:ResumeSession") == 13
    assert ansible.emulator.calls("ssm:StartSession") == 1
