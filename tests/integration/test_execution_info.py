# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module execution_info tells of commands that nodes of the emulator have run."""

from __future__ import annotations

import json
import typing as t

from tests.integration.running_emulator import Ansible, RunningEmulator


def _told(ansible: Ansible, *asked: dict[str, str]) -> list[dict[str, t.Any]]:
    """Run the module once for each of these options, in one play."""
    tasks: list[dict[str, t.Any]] = []
    for number, options in enumerate(asked):
        place = f"{ansible.folder}/{number}.json"
        tasks += [
            {"fleet.ssm.execution_info": options, "register": "told"},
            {"ansible.builtin.copy": {"content": "{{ told | to_json }}", "dest": place, "mode": "0600"}},
        ]
    play = ansible.folder / "play.json"
    play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    # What the emulator does not serve it answers with an internal error, which need not be asked ten times.
    run = ansible.run("ansible-playbook", str(play), AWS_MAX_ATTEMPTS="1", AWS_RETRY_MODE="standard")
    assert run.code == 0, str(run)
    return [json.loads((ansible.folder / f"{number}.json").read_text(encoding="utf-8")) for number in range(len(asked))]


def test_a_command_that_failed_is_told_by_its_id_and_by_its_node(ansible: Ansible, emulator: RunningEmulator) -> None:
    node = emulator.nodes()["web-1"]
    failed = emulator.run_command("web-1", "echo so far so good", "no-such-program --now", "exit 3")
    assert failed["Status"] == "Failed"
    emulator.run_command("web-1", "true")
    by_command, by_node = _told(ansible, {"command_id": failed["CommandId"]}, {"instance_id": node})
    for result in (by_command, by_node):
        cause = result["cause"]
        assert (cause["kind"], cause["response_code"], cause["target"]) == ("command_step", 3, node)
        assert [line for line in cause["evidence"] if "no-such-program" in line and "not found" in line]
        assert "  next: See its output, mend that on the node, and run it again." in result["summary"]
    (command,) = by_command["traces"]
    ((step,),) = [invocation["parts"] for invocation in command["parts"]]
    assert (step["stdout"], step["status"], step["failed"]) == ("so far so good\n", "Failed", True)
    assert f"  part of: command AWS-RunShellScript ({failed['CommandId']}) > node {node}" in by_command["summary"]
    assert next(one["id"] for one in by_node["traces"] if one["kind"] == "command") == failed["CommandId"]
    # The emulator has neither Quick Setup nor Automation, which is not taken for nothing that failed.
    assert [one["name"] for one in by_node["traces"] if one["kind"] == "unknown"] == [
        "configuration managers of Quick Setup",
        "automation executions",
    ]
