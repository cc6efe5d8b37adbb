# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cut lines in the middle of a run: every task runs exactly once, and the run ends well."""

from __future__ import annotations

import typing as t

import pytest

from tests.integration.running_emulator import Ansible

_TASKS = 60
_CUTS = 10

#: Of each side: what the service is asked once more after each cut.
_RECONNECTION = {"client": "ssm:ResumeSession", "agent": "ssmmessages:CreateDataChannel"}


def _run_with_cuts(ansible: Ansible, machine: str, cuts: dict[str, t.Any]) -> None:
    """Have sixty tasks each leave a line of their own on the node, and read the lines."""
    tasks = "\n".join(f"- ansible.builtin.shell: echo {number} >> ~/cuts" for number in range(_TASKS))
    ansible.emulator.order({"cut": cuts})
    run = ansible.playbook(
        f"""
- ansible.builtin.file: {{path: ~/cuts, state: absent}}
{tasks}
- ansible.builtin.command: cat ~/cuts
  register: lines
- ansible.builtin.assert: {{that: "lines.stdout_lines | map('int') | list == range({_TASKS}) | list"}}
""",
        ansible.inventory(machine),
        timeout=240,
    )
    assert run.code == 0, str(run)
    assert "unreachable=0" in run.output
    assert "cut" not in ansible.emulator.faults(), "the run was over before all cuts were made"
    assert ansible.emulator.calls("ssm:StartSession") == 1
    assert ansible.emulator.no_session_is_left()


@pytest.mark.parametrize("side", ["client", "agent"])
def test_ten_cuts_in_sixty_tasks_repeat_and_lose_nothing(ansible: Ansible, side: str) -> None:
    before = ansible.emulator.calls(_RECONNECTION[side])
    _run_with_cuts(ansible, "web-1", {"side": side, "after": 35, "times": _CUTS})
    # The agent asks once to begin with; the client's first token comes with StartSession.
    assert ansible.emulator.calls(_RECONNECTION[side]) - before >= _CUTS


@pytest.mark.parametrize("side", ["client", "agent"])
def test_ten_cuts_in_sixty_tasks_on_a_real_agent_repeat_and_lose_nothing(ansible_on_real_agents: Ansible, side: str) -> None:
    _run_with_cuts(ansible_on_real_agents, "real-1", {"side": side, "after": 35, "times": _CUTS})
    assert ansible_on_real_agents.emulator.calls(_RECONNECTION[side]) >= _CUTS


def test_a_bad_line_repeats_and_loses_nothing(ansible: Ansible) -> None:
    faults = {
        kind: [{"direction": direction, "rate": 0.02, "seed": seed} for seed, direction in enumerate(("client_up", "client_down"))]
        for kind in ("drop", "duplicate", "reorder")
    }
    ansible.emulator.order(faults)
    _run_with_cuts(ansible, "web-1", {"side": "client", "after": 60, "times": 3})


def test_a_line_cut_for_longer_than_reconnect_timeout_is_unreachable(ansible: Ansible) -> None:
    ansible.emulator.order(
        {
            "cut": {"side": "client", "after": 20},
            "fail": {"operation": "ResumeSession", "code": "InternalServerError", "status": 500, "times": None},
        }
    )
    run = ansible.playbook("- ansible.builtin.ping:", ansible.inventory("web-1", ansible_ssm_reconnect_timeout="2"), timeout=60)
    assert run.code == 4, str(run)
    assert "could not be opened (again) within 2 s (reconnect_timeout" in " ".join(run.output.split())
    assert ansible.emulator.no_session_is_left()


def test_a_service_that_is_away_for_a_while_is_waited_for(ansible: Ansible) -> None:
    away = {"operation": "ResumeSession", "code": "InternalServerError", "status": 500, "times": 12}
    ansible.emulator.order({"cut": {"side": "client", "after": 20}, "fail": away})
    run = ansible.playbook("- ansible.builtin.ping:", ansible.inventory("web-1"))
    assert run.code == 0, str(run)
    assert ansible.emulator.calls("ssm:ResumeSession") == 13
    assert ansible.emulator.calls("ssm:StartSession") == 1
