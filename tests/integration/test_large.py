# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is large: it comes by a second session, whole and once, whatever breaks."""

from __future__ import annotations

import hashlib
import os
import pathlib
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.controller_terminal import NOBODY_WATCHES
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.exchange import WINDOW

from tests.integration.peak_memory import PeakMemory
from tests.integration.preferences import preferences
from tests.integration.running_emulator import Ansible, Run
from tests.integration.terminal import Terminal

_DOCUMENT = "AWS-StartNonInteractiveCommand"
_SIZE = 8_000_000


def _fetch(ansible: Ansible, machine: str, *arguments: str, size: int = _SIZE, faults: dict[str, t.Any] | None = None) -> Run:
    """Have a machine make a large file, and fetch it; the file that comes must be the one that was made."""
    target = ansible.folder / "fetched"
    inventory = ansible.inventory(machine)
    make = ansible.playbook(
        f"- ansible.builtin.shell: head -c {size} /dev/urandom > ~/large; sha256sum ~/large > ~/sum\n"
        f"- ansible.builtin.fetch: {{src: ~/sum, dest: {target}.sum, flat: true}}",
        inventory,
    )
    assert make.code == 0, str(make)
    ansible.emulator.reset()
    ansible.emulator.order(faults or {})
    run = ansible.playbook(
        f"- ansible.builtin.fetch: {{src: ~/large, dest: {target}, flat: true}}", inventory, *arguments, timeout=180
    )
    assert run.code == 0, str(run)
    assert "\x1b" not in run.output, "that is no terminal"
    expected = pathlib.Path(f"{target}.sum").read_text(encoding="utf-8").split()[0]
    assert hashlib.sha256(target.read_bytes()).hexdigest() == expected
    assert list(ansible.folder.glob(".fetched*")) == []
    assert ansible.emulator.no_session_is_left()
    return run


def _fetch_by_two_sessions(ansible: Ansible, machine: str) -> None:
    run = _fetch(ansible, machine, "-v")
    assert "come the slow way" not in run.output
    assert ansible.emulator.calls("ssm:StartSession") == 2


def test_a_large_file_is_fetched_by_a_second_session(ansible: Ansible) -> None:
    _fetch_by_two_sessions(ansible, "web-1")


def test_a_large_file_is_fetched_by_a_second_session_of_a_real_agent(ansible_on_real_agents: Ansible) -> None:
    _fetch_by_two_sessions(ansible_on_real_agents, "real-1")


@pytest.mark.long
def test_a_long_transfer_shows_how_far_it_is_on_a_terminal(ansible: Ansible) -> None:
    size = 3_000_000
    inventory = ansible.inventory("web-1", ansible_ssm_download_sessions="false")
    make = ansible.playbook(f"- ansible.builtin.raw: head -c {size} /dev/urandom > ~/large", inventory)
    assert make.code == 0, str(make)
    play = ansible.write(f"- ansible.builtin.fetch: {{src: ~/large, dest: {ansible.folder}/fetched, flat: true}}")
    command = ["ansible-playbook", "-i", str(inventory), str(play)]
    environment = {name: value for name, value in ansible.environment.items() if name not in NOBODY_WATCHES}
    with Terminal(command, {**environment, "TERM": "xterm", "LC_ALL": "C.UTF-8"}) as terminal:
        terminal.expect("TASK")
        before = terminal.expect(" % of 3 MB, ", seconds=60)
        assert f"\r\x1b[K{ansible.emulator.nodes()['web-1']} \u2190 " in before
        last = terminal.expect("changed:", seconds=60)
        assert last.endswith("\r\x1b[K"), repr(last)
        assert terminal.code(60) == 0


def _fetch_encrypted(ansible: Ansible, machine: str) -> None:
    key = ansible.emulator.client("kms").create_key()["KeyMetadata"]["KeyId"]
    with preferences(ansible.emulator, kmsKeyId=key):
        _fetch_by_two_sessions(ansible, machine)
        assert ansible.emulator.calls("kms:GenerateDataKey") == 2


@pytest.mark.long
def test_a_large_file_is_fetched_by_an_encrypted_session(ansible: Ansible) -> None:
    _fetch_encrypted(ansible, "web-1")


@pytest.mark.long
def test_a_large_file_is_fetched_by_an_encrypted_session_of_a_real_agent(ansible_on_real_agents: Ansible) -> None:
    _fetch_encrypted(ansible_on_real_agents, "real-1")


def _fetch_across_cuts(ansible: Ansible, machine: str, side: str) -> None:
    # An agent whose client is away is paused, and reads no more of its command's output from then on.
    cut = {"side": side, "node": ansible.emulator.nodes()[machine], "after": 3000, "times": 3}
    _fetch(ansible, machine, faults={"cut": cut})
    assert "cut" not in ansible.emulator.faults(), "the file was there before all cuts were made"
    assert ansible.emulator.calls("ssm:StartSession") > 2


@pytest.mark.long
def test_a_large_file_is_fetched_whole_across_cuts_of_the_client(ansible: Ansible) -> None:
    _fetch_across_cuts(ansible, "web-1", "client")


@pytest.mark.long
def test_a_large_file_is_fetched_whole_across_cuts_of_the_agent(ansible: Ansible) -> None:
    _fetch_across_cuts(ansible, "web-1", "agent")


@pytest.mark.long
def test_a_large_file_of_a_real_agent_is_fetched_whole_across_cuts_of_the_client(ansible_on_real_agents: Ansible) -> None:
    _fetch_across_cuts(ansible_on_real_agents, "real-1", "client")


@pytest.mark.long
def test_a_large_file_of_a_real_agent_is_fetched_whole_across_cuts_of_the_agent(ansible_on_real_agents: Ansible) -> None:
    _fetch_across_cuts(ansible_on_real_agents, "real-1", "agent")


@pytest.mark.long
def test_where_the_document_is_denied_a_large_file_comes_the_slow_way_and_verbose_output_says_so(ansible: Ansible) -> None:
    denied = {"operation": "StartSession", "code": "AccessDeniedException", "document": _DOCUMENT, "times": None}
    run = _fetch(ansible, "web-1", "-v", size=2_000_000, faults={"fail": denied})
    text = " ".join(run.output.split())
    assert "come the slow way, with about 0.5 MB/s" in text
    assert f"AWS denied ssm:StartSession on {_DOCUMENT}" in text
    assert ansible.emulator.calls("ssm:StartSession") == 2


def test_a_disk_of_the_controller_that_fills_up_half_way_is_told_and_leaves_nothing_of_the_file(ansible: Ansible) -> None:
    fetched = ansible.folder / "fetched"
    play = ansible.write(
        f"- ansible.builtin.raw: head -c {_SIZE} /dev/urandom > ~/large\n"
        f"- ansible.builtin.fetch: {{src: ~/large, dest: {fetched}, flat: true}}"
    )
    limited = f"ulimit -f 2000; exec ansible-playbook -i {ansible.inventory('web-1')} {play}"
    run = ansible.run("bash", "-c", limited)
    assert run.code == 2, str(run)
    assert run.says("fetched cannot be written on the controller: File too large")
    assert list(ansible.folder.glob("*fetched*")) == []
    assert ansible.emulator.no_session_is_left()


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root, for a small file system in a node")
def test_a_file_for_which_a_node_has_no_room_is_not_sent(ansible: Ansible) -> None:
    source, size = ansible.folder / "source", 5 * _SIZE
    source.write_bytes(os.urandom(size))
    run = ansible.playbook(
        f"""
- ansible.builtin.shell: mkdir -p /var/tmp/small && mount -t tmpfs -o size=4m,mode=1777 tmpfs /var/tmp/small
  become: true
- ansible.builtin.copy: {{src: {source}, dest: /var/tmp/small/copied}}
  vars: {{ansible_remote_tmp: /var/tmp/small}}
""",
        ansible.inventory("web-1"),
    )
    assert run.code == 2, str(run)
    assert run.says(f"No space left on device ({size} bytes needed")
    # A window may be on its way before a busy node has said so; each kilobyte has an eighth more around it.
    assert ansible.emulator.statistics()["websocket"]["client_up"]["bytes"] < 2 * WINDOW
    assert ansible.emulator.no_session_is_left()


@pytest.mark.long
def test_what_is_moved_does_not_lie_in_memory(ansible: Ansible) -> None:
    source, fetched = ansible.folder / "source", ansible.folder / "fetched"
    inventory = ansible.inventory("web-1")
    peaks = []
    # The smaller one fills every window on the way too.
    for size in (_SIZE, 5 * _SIZE):
        source.write_bytes(os.urandom(size))
        with PeakMemory(ansible.folder, ansible.emulator.folder) as peak:
            run = ansible.playbook(
                f"""
- ansible.builtin.copy: {{src: {source}, dest: /var/tmp/moved}}
- ansible.builtin.fetch: {{src: /var/tmp/moved, dest: {fetched}, flat: true}}
""",
                inventory,
            )
        assert run.code == 0, str(run)
        assert fetched.read_bytes() == source.read_bytes()
        peaks.append(peak.megabytes)
    small, large = peaks
    growth = {role: large[role] - small[role] for role in ("broker", "node program", "worker")}
    assert max(growth.values()) < 20, growth
    assert large["courier"] < 20


def _much_output(ansible: Ansible, machine: str) -> None:
    run = ansible.playbook(
        """
- ansible.builtin.raw: head -c 6000000 /dev/urandom > /var/tmp/large; base64 -w 0 /var/tmp/large; echo error >&2; exit 3
  register: much
  failed_when: much.rc != 3 or much.stderr_lines != ['error']
  no_log: true
- ansible.builtin.slurp: {src: /var/tmp/large}
  become: true
  register: read
  no_log: true
- ansible.builtin.assert: {that: much.stdout == read.content}
  no_log: true
""",
        ansible.inventory(machine),
        timeout=180,
    )
    assert run.code == 0, str(run)
    assert ansible.emulator.calls("ssm:StartSession") == 2
    assert ansible.emulator.no_session_is_left()


@pytest.mark.long
def test_much_output_comes_by_the_second_session_too(ansible: Ansible) -> None:
    _much_output(ansible, "web-1")


@pytest.mark.long
def test_much_output_of_a_real_agent_comes_by_the_second_session_too(ansible_on_real_agents: Ansible) -> None:
    _much_output(ansible_on_real_agents, "real-1")
