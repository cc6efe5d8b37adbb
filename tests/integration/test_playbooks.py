# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks do with hosts and tasks: strategies, serial, delegation, loops, async, folders, the console."""

from __future__ import annotations

import pathlib
import re
import sys

import pytest

from tests.integration.running_emulator import Ansible, Run
from tests.integration.terminal import Terminal

_MACHINES = ("web-1", "web-2", "db-1")


def _named(ansible: Ansible, *names: str) -> pathlib.Path:
    """Write an inventory of hosts with names of their own, who share the machines."""
    nodes = ansible.emulator.nodes()
    lines = [f"{name} ansible_host={nodes[_MACHINES[number % len(_MACHINES)]]}" for number, name in enumerate(names)]
    path = ansible.inventory()
    path.write_text("\n".join(lines) + "\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    return path


def _play(ansible: Ansible, inventory: pathlib.Path, play: str, *arguments: str) -> Run:
    """Run a whole play; its hosts are all, unless it says so itself."""
    path = ansible.folder / "play.yml"
    path.write_text(play, encoding="utf-8")
    run = ansible.run("ansible-playbook", "-i", str(inventory), str(path), *arguments)
    assert run.code == 0, str(run)
    return run


def test_hosts_with_names_of_their_own_are_reached_by_ansible_host(ansible: Ansible) -> None:
    run = _play(
        ansible,
        _named(ansible, "alpha", "beta"),
        """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.command: hostname
      register: told
    - ansible.builtin.debug: {msg: "{{ inventory_hostname }} is {{ told.stdout }}"}
""",
    )
    assert "alpha is " in run.output
    assert "beta is " in run.output


@pytest.mark.parametrize("strategy", ["linear", "free", "host_pinned"])
def test_every_strategy_takes_one_session_a_node(strategy: str, ansible: Ansible) -> None:
    _play(
        ansible,
        ansible.inventory(*_MACHINES),
        f"""
- hosts: all
  gather_facts: false
  strategy: {strategy}
  tasks:
    - ansible.builtin.command: echo {{{{ item }}}}
      loop: [1, 2]
    - ansible.builtin.command: id
""",
    )
    assert ansible.emulator.calls("ssm:StartSession") == len(_MACHINES)
    assert ansible.emulator.no_session_is_left()


@pytest.mark.long
def test_fifty_hosts_at_once_share_the_sessions_of_their_nodes(ansible: Ansible) -> None:
    run = _play(
        ansible,
        _named(ansible, *(f"host-{number}" for number in range(50))),
        """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.raw: echo it is {{ inventory_hostname }}
      register: told
    - ansible.builtin.assert: {that: "told.stdout == 'it is ' ~ inventory_hostname ~ '\\n'", quiet: true}
""",
        "--forks=50",
    )
    assert len(re.findall(r"^host-\d+ .*ok=2 ", run.output, re.MULTILINE)) == 50
    assert ansible.emulator.calls("ssm:StartSession") == len(_MACHINES)


def test_one_host_after_the_other_takes_one_session_each(ansible: Ansible) -> None:
    _play(
        ansible,
        ansible.inventory(*_MACHINES),
        """
- hosts: all
  gather_facts: false
  serial: 1
  tasks:
    - ansible.builtin.command: 'true'
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.command: 'true'
""",
    )
    statistics = ansible.emulator.statistics()
    assert statistics["calls"]["ssm:StartSession"] == len(_MACHINES)


def test_a_task_is_delegated_to_another_node_and_to_the_controller_and_run_once(ansible: Ansible) -> None:
    run = _play(
        ansible,
        _named(ansible, "alpha", "beta"),
        """
- hosts: alpha
  gather_facts: false
  tasks:
    - ansible.builtin.shell: echo from {{ inventory_hostname }} > ~/delegated
      delegate_to: beta
    - ansible.builtin.command: hostname
      delegate_to: beta
      register: theirs
    - ansible.builtin.command: hostname
      delegate_to: localhost
      vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
      register: here
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.command: cat delegated
      args: {chdir: "~"}
      run_once: true
      delegate_to: beta
      register: content
    - ansible.builtin.command: hostname
      register: own
    - ansible.builtin.assert:
        that:
          - content.stdout == 'from alpha'
          - hostvars.alpha.theirs.stdout == hostvars.beta.own.stdout
          - hostvars.alpha.here.stdout == lookup('ansible.builtin.pipe', 'hostname')
""",
    )
    assert len(re.findall(r"^changed: \[.*-> beta", run.output, re.MULTILINE)) == 3, run.output


def test_a_job_started_in_one_task_is_asked_after_in_a_later_one(ansible: Ansible) -> None:
    _play(
        ansible,
        ansible.inventory("web-1"),
        """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.shell: sleep 1; echo done
      async: 60
      poll: 0
      register: job
    - ansible.builtin.meta: reset_connection
    - ansible.builtin.async_status: {jid: "{{ job.ansible_job_id }}"}
      register: result
      until: result is finished
      retries: 60
      delay: 0.2
    - ansible.builtin.assert: {that: result.stdout == "done"}
    - ansible.builtin.async_status: {jid: "{{ job.ansible_job_id }}", mode: cleanup}
""",
    )


def test_a_folder_goes_up_and_comes_back(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    files = {"one": b"1", "sub folder/two": bytes(range(256)) * 40, "sub folder/deeper/é": b"", "with 'quotes' $x": b"q\r\n\0"}
    for name, content in files.items():
        (tmp_path / "up" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "up" / name).write_bytes(content)
    _play(
        ansible,
        ansible.inventory("web-1"),
        f"""
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.copy: {{src: {tmp_path}/up/, dest: ~/folder/, mode: preserve}}
    - ansible.builtin.find: {{paths: ~/folder, recurse: true, hidden: true}}
      register: found
    - ansible.builtin.fetch: {{src: "{{{{ item.path }}}}", dest: {tmp_path}/down/}}
      loop: "{{{{ found.files }}}}"
      loop_control: {{label: "{{{{ item.path }}}}"}}
""",
    )
    (down,) = (tmp_path / "down").iterdir()
    root = next(path for path in down.rglob("folder") if path.is_dir())
    assert {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()} == files


def test_scripts_have_their_arguments_interpreter_and_exit_code(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    (tmp_path / "a script.sh").write_text('#!/bin/sh\necho "$1"; echo wrong >&2; exit 3\n', encoding="utf-8")
    (tmp_path / "plain.py").write_text("import sys\nprint(sys.argv[1:])\n", encoding="utf-8")
    _play(
        ansible,
        ansible.inventory("web-1"),
        f"""
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.script: {{cmd: "'{tmp_path}/a script.sh' 'two words Ӧ'"}}
      failed_when: false
      register: shell
    - ansible.builtin.script: {{cmd: "{tmp_path}/plain.py x", executable: /usr/bin/python3}}
      register: python
    - ansible.builtin.script: {{cmd: "{tmp_path}/plain.py", creates: /etc/passwd}}
      register: created
    - ansible.builtin.assert:
        that:
          - shell.rc == 3 and shell.stdout_lines == ['two words Ӧ'] and shell.stderr_lines == ['wrong']
          - python.stdout_lines == ["['x']"]
          - created is skipped
""",
    )


def test_pause_and_wait_for_do_not_disturb_a_session(ansible: Ansible) -> None:
    _play(
        ansible,
        ansible.inventory("web-1"),
        """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.shell: (sleep 1; touch ~/appeared) > /dev/null 2>&1 &
    - ansible.builtin.pause: {seconds: 1}
    - ansible.builtin.wait_for: {path: ~/appeared, timeout: 20, sleep: 1}
    - ansible.builtin.file: {path: ~/appeared, state: absent}
""",
    )
    assert ansible.emulator.calls("ssm:StartSession") == 1


def test_the_console_keeps_its_session_from_one_command_to_the_next(ansible: Ansible) -> None:
    command = ["ansible-console", "-i", str(ansible.inventory("web-1"))]
    # It writes its history there.
    environment = {**ansible.environment, "HOME": str(ansible.folder)}
    with Terminal([str(pathlib.Path(sys.executable).with_name(command[0])), *command[1:]], environment) as console:
        console.expect("$ ")
        console.type("shell echo $((6 * 7))\r")
        console.expect("rc=0 >>")
        console.expect("42")
        console.type("ping\r")
        console.expect("pong")
        console.type("cd nothing_there\r")
        console.type("exit\r")
        assert console.code() == 0
    assert ansible.emulator.calls("ssm:StartSession") == 1
    assert ansible.emulator.no_session_is_left()


def test_an_ad_hoc_command_prints_what_the_node_printed(ansible: Ansible) -> None:
    run = ansible.run("ansible", "all", "-i", str(ansible.inventory("web-1")), "-m", "command", "-a", "printf 'a\\nb'", "-o")
    assert run.code == 0, str(run)
    assert "rc=0" in run.output
    assert r"(stdout) a\nb" in run.output
