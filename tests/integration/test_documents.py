# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Session documents of the user's own: with a parameter for the command, with a shell, and with neither."""

from __future__ import annotations

import json
import re
import typing as t

import pytest

from tests.integration.preferences import session_document
from tests.integration.running_emulator import CLONE, Ansible, Run

pytestmark = pytest.mark.long

_WHO = """
- ansible.builtin.command: id -un
  register: who
- ansible.builtin.debug: {msg: "It is {{ who.stdout }}."}
"""


def _interactive(parameter: str = "command", **shell: t.Any) -> dict[str, t.Any]:
    return {
        "sessionType": "InteractiveCommands",
        "parameters": {parameter: {"type": "String"}},
        "properties": {"linux": {"commands": f"{{{{ {parameter} }}}}", **shell}},
    }


def _run(ansible: Ansible, machine: str, **variables: str) -> Run:
    variables = {f"ansible_ssm_document_{name}": value for name, value in variables.items()}
    return ansible.playbook(_WHO, ansible.inventory(machine, **variables))


def _as_root_from_the_start(ansible: Ansible, machine: str) -> None:
    with session_document(ansible.emulator, "FleetRoot", **_interactive(runAsElevated=True)):
        run = _run(ansible, machine, name="FleetRoot")
    assert run.code == 0, str(run)
    assert "It is root." in run.output
    assert ansible.emulator.calls("ssm:StartSession") == 1


def test_a_document_with_the_parameter_command_needs_nothing_but_its_name(ansible: Ansible) -> None:
    _as_root_from_the_start(ansible, "web-1")


def test_a_real_agent_takes_such_a_document(ansible_on_real_agents: Ansible) -> None:
    _as_root_from_the_start(ansible_on_real_agents, "real-1")


def test_the_commands_parameter_may_have_another_name_and_others_beside_it(ansible: Ansible) -> None:
    document = _interactive("program")
    document["parameters"]["site"] = {"type": "String", "allowedPattern": "oslo"}
    with session_document(ansible.emulator, "FleetProgram", **document):
        run = _run(ansible, "web-1", name="FleetProgram", parameters=json.dumps({"program": "{command}", "site": "oslo"}))
    assert run.code == 0, str(run)
    assert ansible.emulator.calls("ssm:StartSession") == 1


def test_a_document_that_gives_a_shell_has_the_command_typed(ansible: Ansible) -> None:
    with session_document(ansible.emulator, "FleetShell", sessionType="Standard_Stream", inputs={}):
        found = _run(ansible, "web-1", name="FleetShell")
        told = _run(ansible, "web-2", name="FleetShell", parameters="{}")
    assert found.code == told.code == 0, f"{found}\n{told}"
    assert ansible.emulator.calls("ssm:StartSession") == 2 + 1


def test_parameters_are_read_from_the_environment_as_json(ansible: Ansible) -> None:
    with session_document(ansible.emulator, "FleetProgram", **_interactive("program")):
        run = ansible.playbook(
            _WHO,
            ansible.inventory("web-1"),
            FLEET_SSM_DOCUMENT_NAME="FleetProgram",
            FLEET_SSM_DOCUMENT_PARAMETERS='{"program": "{command}"}',
        )
    assert run.code == 0, str(run)


def _refused(ansible: Ansible, sentence: str, **variables: str) -> None:
    run = _run(ansible, "web-1", **variables)
    assert run.code == 4, str(run)
    assert run.says(sentence)
    assert ansible.emulator.no_session_is_left()


def test_a_document_that_does_not_exist_is_called_so(ansible: Ansible) -> None:
    _refused(ansible, "the session document FleetNothing does not exist in us-east-1", name="FleetNothing")


def test_a_document_for_run_command_is_called_so(ansible: Ansible) -> None:
    _refused(ansible, "AWS-RunShellScript does not exist in us-east-1 or has another type than Session", name="AWS-RunShellScript")


def test_a_parameter_that_was_not_given_is_told_with_where_to_give_it(ansible: Ansible) -> None:
    with session_document(ansible.emulator, "FleetProgram", **_interactive("program")):
        _refused(ansible, "Say in document_parameters (ansible_ssm_document_parameters) what it takes", name="FleetProgram")
        _refused(ansible, "Required parameters ['program'] are missing", name="FleetProgram")


def test_a_document_of_another_session_type_is_called_so(ansible: Ansible) -> None:
    for document, kind in (("AWS-StartNonInteractiveCommand", "NonInteractiveCommands"), ("AWS-StartSSHSession", "Port")):
        parameters = '{"command": "{command}"}' if kind != "Port" else "{}"
        _refused(ansible, f"the session document {document} has the session type {kind}", name=document, parameters=parameters)


def test_parameters_that_are_no_mapping_are_refused(ansible: Ansible) -> None:
    run = _run(ansible, "web-1", name="FleetRoot", parameters="[1,2]")
    assert run.code != 0, str(run)
    assert run.says("document_parameters (ansible_ssm_document_parameters) is to be a mapping of parameters to texts")


def test_a_document_whose_commands_are_something_else_is_suspected(ansible: Ansible) -> None:
    document = {"sessionType": "InteractiveCommands", "properties": {"linux": {"commands": "echo no room for others"}}}
    with session_document(ansible.emulator, "FleetFixed", **document):
        _refused(ansible, "The session printed: no room for others", name="FleetFixed", parameters="{}")


def test_the_document_of_the_readme_works(ansible: Ansible) -> None:
    text = (CLONE / "README.md").read_text(encoding="utf-8")
    (content,) = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL) if "sessionType" in block)
    with session_document(ansible.emulator, "FleetSsmSession", **content):
        run = _run(ansible, "web-1", name="FleetSsmSession")
    assert run.code == 0, str(run)
    assert "It is root." in run.output
