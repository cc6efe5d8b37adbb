# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that users run: files both ways, become, async, loops, reset, templates."""

from __future__ import annotations

import os
import pathlib
import re

from tests.integration.running_emulator import Ansible


def test_a_file_is_copied_and_fetched_back_unchanged(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    content = os.urandom(300_000)
    (tmp_path / "there.bin").write_bytes(content)
    run = ansible.playbook(
        f"""
- ansible.builtin.copy: {{src: {tmp_path}/there.bin, dest: ~/copied.bin, mode: "0640"}}
- ansible.builtin.fetch: {{src: ~/copied.bin, dest: {tmp_path}/back.bin, flat: true}}
- ansible.builtin.stat: {{path: ~/copied.bin}}
  register: found
- ansible.builtin.assert: {{that: found.stat.mode == "0640" and found.stat.size == 300000}}
""",
        ansible.inventory("web-1"),
    )
    assert run.code == 0, str(run)
    assert (tmp_path / "back.bin").read_bytes() == content


def test_a_second_run_changes_nothing(ansible: Ansible) -> None:
    tasks = """
- ansible.builtin.copy: {content: "hello\\n", dest: ~/idempotent.txt, mode: "0644"}
- ansible.builtin.file: {path: ~/idempotent.d, state: directory, mode: "0755"}
- ansible.builtin.lineinfile: {path: ~/idempotent.txt, line: world}
"""
    first = ansible.playbook(tasks, ansible.inventory("web-1"))
    second = ansible.playbook(tasks.replace('content: "hello\\n"', 'content: "hello\\nworld\\n"'), ansible.inventory("web-1"))
    assert first.code == 0, first
    assert second.code == 0, second
    assert "changed=0" in second.output


def test_become_without_a_password_works(ansible: Ansible) -> None:
    run = ansible.playbook(
        """
- ansible.builtin.command: id -u
  register: me
- ansible.builtin.command: id -u
  become: true
  register: root
- ansible.builtin.debug: {msg: "me {{ me.stdout }} root {{ root.stdout }}"}
""",
        ansible.inventory("web-1"),
    )
    assert run.code == 0, str(run)
    if os.geteuid() == 0:
        assert "me 60001 root 0" in run.output


def test_async_tasks_outlive_their_request(ansible: Ansible) -> None:
    run = ansible.playbook(
        """
- ansible.builtin.shell: sleep 1; echo done
  async: 30
  poll: 1
  register: job
- ansible.builtin.assert: {that: job.stdout == "done"}
""",
        ansible.inventory("web-1"),
    )
    assert run.code == 0, str(run)


def test_reset_connection_starts_a_new_session(ansible: Ansible) -> None:
    run = ansible.playbook(
        "- ansible.builtin.ping:\n- ansible.builtin.meta: reset_connection\n- ansible.builtin.ping:", ansible.inventory("web-1")
    )
    assert run.code == 0, str(run)
    assert ansible.emulator.calls("ssm:StartSession") == 2
    assert ansible.emulator.no_session_is_left()


def test_raw_and_script_work(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    (tmp_path / "script.sh").write_text("#!/bin/sh\necho script says $1\n", encoding="utf-8")
    run = ansible.playbook(
        f"- ansible.builtin.raw: echo raw says hi\n- ansible.builtin.script: {tmp_path}/script.sh hello",
        ansible.inventory("web-1"),
        "-v",
    )
    assert run.code == 0, str(run)
    assert "raw says hi" in run.output
    assert "script says hello" in run.output


def test_modules_sent_as_files_work_too(ansible: Ansible) -> None:
    run = ansible.playbook("- ansible.builtin.ping:", ansible.inventory("web-1"), ANSIBLE_PIPELINING="false")
    assert run.code == 0, str(run)


def test_a_loop_uses_one_session(ansible: Ansible) -> None:
    run = ansible.playbook("- ansible.builtin.command: echo {{ item }}\n  loop: [1, 2, 3]", ansible.inventory("web-1"))
    assert run.code == 0, str(run)
    assert ansible.emulator.calls("ssm:StartSession") == 1


def test_fetching_a_file_that_is_not_there_is_said_plainly(ansible: Ansible) -> None:
    run = ansible.playbook("- ansible.builtin.fetch: {src: /nowhere/at/all, dest: x}", ansible.inventory("web-1"))
    assert run.code == 2, str(run)
    assert "the remote file does not exist" in run.output


def test_a_task_timeout_ends_the_command_on_the_node(ansible: Ansible) -> None:
    run = ansible.playbook(
        """
- ansible.builtin.shell: sleep 3 && touch ~/outlived
  timeout: 1
  ignore_errors: true
- ansible.builtin.pause: {seconds: 3}
- ansible.builtin.stat: {path: ~/outlived}
  register: found
- ansible.builtin.assert: {that: not found.stat.exists}
""",
        ansible.inventory("web-1"),
    )
    assert run.code == 0, str(run)
    assert ansible.emulator.calls("ssm:StartSession") == 1


def test_verbose_output_tells_what_is_done_on_which_node(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    run = ansible.playbook(f"- ansible.builtin.copy: {{src: {tmp_path}/file, dest: ~/file}}", ansible.inventory("web-1"), "-vvv")
    node = ansible.emulator.nodes()["web-1"]
    assert f"<{node}> ESTABLISH SSM CONNECTION TO: {node}" in run.output
    assert f"<{node}> SSM: EXEC /bin/sh -c" in run.output
    assert f"<{node}> PUT {tmp_path}/file TO " in run.output
    told = re.findall(
        rf"<{node}> SSM: SESSION (demo-\w+) document AWS-StartInteractiveCommand, region us-east-1, access key AKIAEMULATORDEMOKEY0"
        r" \(env\), node user [\w-]+, node Python \d+\.\d+\.\d+",
        run.output,
    )
    assert len(told) == 1, run.output


def test_very_verbose_output_tells_how_long_a_session_took_to_begin(ansible: Ansible) -> None:
    run = ansible.playbook("- ansible.builtin.ping:\n- ansible.builtin.ping:", ansible.inventory("web-1"), "-vvvv")
    pattern = r"SSM: SESSION demo-\w+ after StartSession (\S+) s, first word (\S+) s, greeting (\S+) s"
    (seconds,) = re.findall(pattern, run.output)
    assert 0 < float(seconds[0]) < float(seconds[1]) <= float(seconds[2])
