# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes on which there is no Python, or not yet: what works, what does not and says so, and how one gets there."""

from __future__ import annotations

import collections.abc
import os
import pathlib
import random
import signal

import pytest

from tests.integration.long_tasks import LongSleep
from tests.integration.running_emulator import Ansible, RunningEmulator
from tests.integration.worker import Node

_NONE = ("/nowhere/python3",)
_MEGABYTE = 1024 * 1024
_ANY_BYTES = random.Random(3).randbytes(_MEGABYTE)

#: where these nodes have none, and get one
_LATE = "/tmp/late-python/python3"


def _inventory(ansible: Ansible, machine: str = "snakeless", pythons: str = "python3") -> pathlib.Path:
    return ansible.inventory(machine, ansible_ssm_pythons=f'["{pythons}"]', ansible_python_interpreter=pythons)


_WITHOUT = """
- ansible.builtin.raw: cat /etc/hostname; echo to stderr >&2; exit 3
  register: raw
  failed_when: raw.rc != 3 or raw.stderr != "to stderr\\n"
- ansible.builtin.script: {folder}/script.sh hello
  register: script
  failed_when: script.stdout != "script says hello\\n"
"""

_WITH = """
- ansible.builtin.command: echo module
- ansible.builtin.copy: {content: some, dest: ~/copied-later, mode: "0600"}
- ansible.builtin.command: cat ~/copied-later
  register: copied
  failed_when: copied.stdout != "some"
"""


def _brings_python(ansible: Ansible, inventory: pathlib.Path, install: str) -> None:
    (ansible.folder / "script.sh").write_text("#!/bin/sh\necho script says $1\n", encoding="utf-8")
    run = ansible.playbook(_WITHOUT.replace("{folder}", str(ansible.folder)) + install + _WITH, inventory)
    assert run.code == 0, str(run)
    assert ansible.emulator.calls("ssm:StartSession") == 1
    assert ansible.emulator.no_session_is_left()


@pytest.fixture
def without_python(ansible: Ansible) -> collections.abc.Iterator[Ansible]:
    """The node without Python, which has none in the end either."""
    yield ansible
    run = ansible.playbook("- ansible.builtin.raw: packages remove\n  become: true", _inventory(ansible))
    assert run.code == 0, str(run)


def test_a_playbook_installs_python_and_goes_on_with_modules_in_the_same_session(without_python: Ansible) -> None:
    install = "- ansible.builtin.raw: packages install\n  become: true"
    _brings_python(without_python, _inventory(without_python), install)


def test_on_a_real_agent_the_python_that_comes_takes_over_in_the_same_session(ansible_on_real_agents: Ansible) -> None:
    inventory = _inventory(ansible_on_real_agents, "real-1", _LATE)
    install = f"- ansible.builtin.raw: mkdir -p {os.path.dirname(_LATE)} && ln -s /usr/bin/python3 {_LATE}"  # noqa: PTH120
    _brings_python(ansible_on_real_agents, inventory, install)


def test_a_module_fails_for_lack_of_an_interpreter_and_the_user_reads_how_to_go_on(ansible: Ansible) -> None:
    run = ansible.playbook("- ansible.builtin.ping:", _inventory(ansible))
    assert run.code == 2, str(run)
    assert run.says("python3: not found")
    assert run.says("has no Python 3.6 or newer (looked for python3)")
    assert run.says("'ansible.builtin.raw: apt-get install -y python3'")
    assert run.says("--document-name AWS-RunShellScript")
    assert ansible.emulator.no_session_is_left()


def test_a_command_that_is_not_there_is_no_reason_to_speak_of_python(ansible: Ansible) -> None:
    run = ansible.playbook("- ansible.builtin.raw: no-such-command", _inventory(ansible))
    assert run.code == 2, str(run)
    assert run.says("no-such-command: not found")
    assert not run.says("has no Python")


def test_become_works_without_a_password_and_refuses_one_with_a_sentence(ansible: Ansible) -> None:
    run = ansible.playbook(
        """
- ansible.builtin.raw: id -u
  become: true
  register: root
- ansible.builtin.debug: {msg: "I am {{ root.stdout_lines }}"}
- ansible.builtin.raw: id -u
  become: true
  vars: {ansible_become_password: secret}
""",
        _inventory(ansible),
    )
    assert run.code == 2, str(run)
    if os.geteuid() == 0:
        assert "I am ['0']" in run.output
    assert run.says("become with a password, or with a terminal, needs a Python on the node")


def _node(emulator: RunningEmulator, machine: str, monkeypatch: pytest.MonkeyPatch) -> collections.abc.Iterator[Node]:
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    node = Node(emulator, machine, *_NONE)
    yield node
    node.close()
    assert emulator.no_session_is_left()


@pytest.fixture
def simulated(emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> collections.abc.Iterator[Node]:
    """A node with a simulated agent."""
    yield from _node(emulator, "snakeless", monkeypatch)


@pytest.fixture
def real(real_agents: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> collections.abc.Iterator[Node]:
    """A node with a real agent, which is offered no Python that it has."""
    yield from _node(real_agents, "real-1", monkeypatch)


def _is_exact(node: Node, size: int, content: bytes, folder: pathlib.Path) -> None:
    data, word = content[:size], content[: size // 2].hex()
    assert node.run("sh", "-c", "cat; printf 'e\\r\\0' >&2; exit 9", stdin=data) == (9, data, b"e\r\0")
    assert node.run("printf", "%s", word) == (0, word.encode(), b"")
    assert node.lacks_python
    (folder / "there").write_bytes(content)
    node.put(folder / "there", "/tmp/exact without python.bin")
    node.get("/tmp/exact without python.bin", folder / "back")
    assert (folder / "back").read_bytes() == content


def test_any_bytes_go_each_way_exactly(simulated: Node, tmp_path: pathlib.Path) -> None:
    _is_exact(simulated, 200_000, _ANY_BYTES[:200_000], tmp_path)


def test_a_megabyte_in_commands_and_five_in_files_go_each_way_exactly_with_a_real_agent(real: Node, tmp_path: pathlib.Path) -> None:
    _is_exact(real, _MEGABYTE, _ANY_BYTES * 5, tmp_path)


def _is_exact_across_cuts(node: Node, emulator: RunningEmulator, machine: str) -> None:
    node.run("true")
    cuts = [{"side": side, "node": emulator.nodes()[machine], "after": 60, "times": 5} for side in ("client", "agent")]
    emulator.order({"cut": cuts})
    command = "echo x >> /tmp/cuts-$PPID; cat; cat /tmp/cuts-$PPID >&2"
    for _time in range(3):
        assert node.run("sh", "-c", command, stdin=_ANY_BYTES[:200_000]) == (0, _ANY_BYTES[:200_000], b"x\n")
    assert "cut" not in emulator.faults(), "all was over before all cuts were made"


def test_cuts_repeat_and_lose_nothing(simulated: Node, emulator: RunningEmulator) -> None:
    _is_exact_across_cuts(simulated, emulator, "snakeless")


def test_cuts_repeat_and_lose_nothing_with_a_real_agent(real: Node, real_agents: RunningEmulator) -> None:
    _is_exact_across_cuts(real, real_agents, "real-1")


def _ends_with_its_controller(ansible: Ansible, inventory: pathlib.Path) -> None:
    sleep = LongSleep()
    play = ansible.write(f"- ansible.builtin.raw: {sleep.command}")
    controller = ansible.start("ansible-playbook", "-i", str(inventory), str(play))
    assert sleep.begins(), "the task did not start"
    os.kill(controller.pid, signal.SIGKILL)
    controller.wait()
    assert ansible.emulator.no_session_is_left()
    assert sleep.ends(), "the command is left on the node"


def test_a_command_ends_with_its_controller(ansible: Ansible) -> None:
    _ends_with_its_controller(ansible, _inventory(ansible))


def test_a_command_on_a_real_agent_ends_with_its_controller(ansible_on_real_agents: Ansible) -> None:
    _ends_with_its_controller(ansible_on_real_agents, _inventory(ansible_on_real_agents, "real-1", _NONE[0]))


def test_a_task_timeout_ends_the_command_and_the_next_task_runs(ansible: Ansible) -> None:
    run = ansible.playbook(
        """
- ansible.builtin.raw: sleep 2; touch ~/outlived-without-python
  timeout: 1
  ignore_errors: true
- ansible.builtin.raw: sleep 2; test ! -e ~/outlived-without-python
""",
        _inventory(ansible),
    )
    assert run.code == 0, str(run)
    assert ansible.emulator.calls("ssm:StartSession") == 1


def test_the_default_document_will_do(ansible: Ansible) -> None:
    denied = {"operation": "StartSession", "code": "AccessDeniedException", "document": "AWS-StartInteractiveCommand"}
    ansible.emulator.order({"fail": denied})
    run = ansible.playbook("- ansible.builtin.raw: echo here", _inventory(ansible), "-v")
    assert run.code == 0, str(run)
    assert "here" in run.output
