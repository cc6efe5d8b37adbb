# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run costs, counted by the emulator: one session a node, no S3, few bytes."""

from __future__ import annotations

import json
import pathlib
import shutil

from tests.integration.running_emulator import CLONE, Ansible

_COMMANDS = CLONE / "tests" / "benchmark" / "commands.yml"


def _twenty_commands(ansible: Ansible, *machines: str) -> None:
    run = ansible.run("ansible-playbook", "-i", str(ansible.inventory(*machines)), str(_COMMANDS))
    assert run.code == 0, str(run)
    assert ansible.emulator.no_session_is_left(), "a session is open 5 s after the run"
    statistics = ansible.emulator.statistics()
    assert statistics["calls"]["ssm:StartSession"] == len(machines)
    assert statistics["calls"]["ssm:TerminateSession"] == len(machines)
    assert statistics["sessions"]["most"] <= len(machines)
    assert statistics["s3_requests"] == 0


def test_twenty_tasks_on_three_nodes_take_three_sessions_and_no_s3(ansible: Ansible) -> None:
    _twenty_commands(ansible, "web-1", "web-2", "db-1")


def test_twenty_tasks_on_three_real_agents_take_three_sessions_and_no_s3(ansible_on_real_agents: Ansible) -> None:
    _twenty_commands(ansible_on_real_agents, "real-1", "real-2", "real-3")


def test_every_data_channel_is_opened_with_a_right_signature(ansible: Ansible) -> None:
    run = ansible.playbook("- ansible.builtin.ping:", ansible.inventory("web-1"))
    assert run.code == 0, str(run)
    calls = ansible.emulator.statistics()["calls"]
    assert calls.get("ssmmessages:OpenDataChannelSigned") == 1
    assert "ssmmessages:OpenDataChannelUnsigned" not in calls


def _bytes_up(ansible: Ansible, machine: str, tasks: int) -> int:
    commands = "\n".join(f"- ansible.builtin.command: echo {number}" for number in range(tasks))
    ansible.emulator.reset()
    run = ansible.playbook(commands, ansible.inventory(machine))
    assert run.code == 0, str(run)
    return int(ansible.emulator.statistics()["websocket"]["client_up"]["bytes"])


def test_a_repeated_command_sends_at_most_2_kilobytes(ansible: Ansible) -> None:
    few, many = _bytes_up(ansible, "web-1", 2), _bytes_up(ansible, "web-1", 12)
    assert (many - few) / 10 <= 2048


def test_a_repeated_command_sends_at_most_2_kilobytes_to_a_real_agent(ansible_on_real_agents: Ansible) -> None:
    few, many = _bytes_up(ansible_on_real_agents, "real-1", 2), _bytes_up(ansible_on_real_agents, "real-1", 12)
    assert (many - few) / 10 <= 2048


def test_the_summary_tells_what_the_sessions_did(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    summary = tmp_path / "summary.json"
    run = ansible.playbook(
        "- ansible.builtin.command: 'true'\n- ansible.builtin.command: 'true'",
        ansible.inventory("web-1", "web-2"),
        ANSIBLE_CALLBACKS_ENABLED="fleet.ssm.session_summary",
        FLEET_SSM_SUMMARY_FILE=str(summary),
    )
    assert run.code == 0, str(run)
    assert "SESSION SUMMARY" in run.output
    told = json.loads(summary.read_text(encoding="utf-8"))
    nodes = ansible.emulator.nodes()
    assert set(told["nodes"]) == {nodes["web-1"], nodes["web-2"]}
    assert all(node["sessions"] == 1 and node["requests"] == 2 for node in told["nodes"].values())
    assert told["tasks"] == 4
    assert told["changed"] == 4


def test_a_run_without_sessions_has_no_summary(ansible: Ansible) -> None:
    run = ansible.playbook(
        "- ansible.builtin.debug:", ansible.inventory("web-1"), ANSIBLE_CALLBACKS_ENABLED="fleet.ssm.session_summary"
    )
    assert run.code == 0, str(run)
    assert "SESSION SUMMARY" not in run.output
    assert ansible.emulator.calls("ssm:StartSession") == 0


def test_the_broker_is_that_of_the_collection_that_ansible_uses(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    other = tmp_path / "collections" / "ansible_collections" / "fleet" / "ssm"
    for part in ("plugins", "meta"):
        shutil.copytree(CLONE / part, other / part)
    broker = other / "plugins" / "plugin_utils" / "_session" / "broker.py"
    broker.write_text(f"{broker.read_text(encoding='utf-8')}\npathlib.Path({str(tmp_path / 'used')!r}).touch()\n", encoding="utf-8")
    run = ansible.playbook(
        "- ansible.builtin.raw: 'true'", ansible.inventory("web-1"), ANSIBLE_COLLECTIONS_PATH=str(tmp_path / "collections")
    )
    assert run.code == 0, str(run)
    assert (tmp_path / "used").exists()
