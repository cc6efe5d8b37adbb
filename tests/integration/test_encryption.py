# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions encrypted with a KMS key: exact, across cuts, with either agent, and the sentence when there is no key to be had."""

from __future__ import annotations

import collections.abc
import contextlib
import hashlib
import pathlib

from tests.integration.preferences import preferences
from tests.integration.running_emulator import Ansible, RunningEmulator

_PING = "- ansible.builtin.ping:"
_INTERACTIVE = "AWS-StartInteractiveCommand"

_EXACT = """
- ansible.builtin.command: id -un
- ansible.builtin.shell: cat > input
  args: {stdin: "{{ lookup('ansible.builtin.file', 'input') }}", stdin_add_newline: false, chdir: "~"}
  no_log: true
- ansible.builtin.command: cat ~/input
  register: output
- ansible.builtin.assert: {that: "output.stdout == lookup('ansible.builtin.file', 'input')"}
- ansible.builtin.copy: {src: blob, dest: ~/blob, mode: "0600"}
- ansible.builtin.stat: {path: ~/blob, checksum_algorithm: sha256}
  register: copied
- ansible.builtin.fetch: {src: ~/blob, dest: fetched, flat: true}
- ansible.builtin.assert: {that: [copied.stat.size == 5000000]}
"""

_LARGE = """
- ansible.builtin.shell: head -c 8000000 /dev/urandom > ~/large; sha256sum ~/large > ~/sum
- ansible.builtin.fetch: {src: ~/large, dest: large, flat: true}
- ansible.builtin.fetch: {src: ~/sum, dest: sum, flat: true}
"""


@contextlib.contextmanager
def _key(emulator: RunningEmulator) -> collections.abc.Iterator[str]:
    """The account's preferences name a key."""
    key = emulator.client("kms").create_key()["KeyMetadata"]["KeyId"]
    with preferences(emulator, kmsKeyId=key):
        yield key


def _commands_and_files(ansible: Ansible, machine: str, tmp_path: pathlib.Path) -> None:
    """Run commands and move files with a cut on each side, and look that everything came whole."""
    blob = bytes(range(251)) * 19921
    (tmp_path / "blob").write_bytes(blob[:5_000_000])
    (tmp_path / "input").write_text("".join(f"{number:7}\n" for number in range(131072)).strip(), encoding="ascii")
    with _key(ansible.emulator):
        ansible.emulator.order({"cut": [{"side": side, "after": 150} for side in ("client", "agent")]})
        run = ansible.playbook(_EXACT, ansible.inventory(machine))
    assert run.code == 0, str(run)
    assert (tmp_path / "fetched").read_bytes() == blob[:5_000_000]
    assert "cut" not in ansible.emulator.faults(), "the run was over before all cuts were made"
    calls = ansible.emulator.statistics()["calls"]
    assert (calls["ssm:StartSession"], calls["kms:GenerateDataKey"], calls["kms:Decrypt"]) == (1, 1, 1)
    # The client gets its first token with StartSession; the agent asks for its.
    assert (calls["ssm:ResumeSession"], calls["ssmmessages:CreateDataChannel"]) == (1, 2)
    assert ansible.emulator.no_session_is_left()


def test_an_encrypted_session_is_exact_across_cuts(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    _commands_and_files(ansible, "web-1", tmp_path)


def test_an_encrypted_session_of_a_real_agent_is_exact_across_cuts(ansible_on_real_agents: Ansible, tmp_path: pathlib.Path) -> None:
    _commands_and_files(ansible_on_real_agents, "real-1", tmp_path)


def _fetch_by_two_encrypted_sessions(ansible: Ansible, machine: str, tmp_path: pathlib.Path) -> None:
    with _key(ansible.emulator):
        run = ansible.playbook(_LARGE, ansible.inventory(machine), "-v")
    assert run.code == 0, str(run)
    digest = hashlib.sha256((tmp_path / "large").read_bytes()).hexdigest()
    assert digest == (tmp_path / "sum").read_text(encoding="ascii").split()[0]
    assert "come the slow way" not in run.output
    assert ansible.emulator.calls("ssm:StartSession") == ansible.emulator.calls("kms:GenerateDataKey") == 2
    assert ansible.emulator.no_session_is_left()


def test_a_large_file_comes_by_an_encrypted_session_too(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    _fetch_by_two_encrypted_sessions(ansible, "web-1", tmp_path)


def test_a_large_file_comes_by_an_encrypted_session_of_a_real_agent_too(
    ansible_on_real_agents: Ansible, tmp_path: pathlib.Path
) -> None:
    _fetch_by_two_encrypted_sessions(ansible_on_real_agents, "real-1", tmp_path)


def _ping_with_the_default_document(ansible: Ansible, machine: str) -> None:
    denied = {"operation": "StartSession", "code": "AccessDeniedException", "document": _INTERACTIVE}
    with _key(ansible.emulator):
        ansible.emulator.order({"fail": denied})
        run = ansible.playbook(_PING, ansible.inventory(machine))
    assert run.code == 0, str(run)
    assert ansible.emulator.calls("kms:GenerateDataKey") == 1


def test_the_default_document_is_encrypted_too(ansible: Ansible) -> None:
    _ping_with_the_default_document(ansible, "db-1")


def test_the_default_document_is_encrypted_too_by_a_real_agent(ansible_on_real_agents: Ansible) -> None:
    _ping_with_the_default_document(ansible_on_real_agents, "real-1")


# -- trouble ----------------------------------------------------------------------------------------------------------


def _refused(ansible: Ansible, *sentences: str) -> None:
    run = ansible.playbook(_PING, ansible.inventory("web-1"))
    assert run.code == 4, str(run)
    for sentence in sentences:
        assert run.says(sentence)
    assert ansible.emulator.no_session_is_left()


def test_a_key_that_may_not_be_used_is_told_with_the_action_and_the_key(ansible: Ansible) -> None:
    with _key(ansible.emulator) as key:
        ansible.emulator.order({"fail": {"operation": "kms:GenerateDataKey", "code": "AccessDeniedException", "message": "No"}})
        _refused(ansible, f"AWS denied kms:GenerateDataKey on {key}. Allow the IAM action kms:GenerateDataKey on {key}")


def test_a_disabled_key_is_called_so(ansible: Ansible) -> None:
    with _key(ansible.emulator) as key:
        ansible.emulator.client("kms").disable_key(KeyId=key)
        _refused(ansible, f"are to be encrypted with the KMS key {key}, which is disabled")


def test_a_key_about_to_be_deleted_is_called_so(ansible: Ansible) -> None:
    with _key(ansible.emulator) as key:
        ansible.emulator.client("kms").schedule_key_deletion(KeyId=key)
        _refused(ansible, f"the KMS key {key}, which cannot be used in the state it is in")


def test_a_key_of_another_region_is_called_missing_in_this_one(ansible: Ansible) -> None:
    key = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    with preferences(ansible.emulator, kmsKeyId=key):
        _refused(ansible, f"the KMS key {key}, which does not exist in us-east-1; it must be a key of the nodes' region")


def _node_may_not_decrypt(ansible: Ansible, machine: str) -> None:
    with _key(ansible.emulator) as key:
        ansible.emulator.order({"fail": {"operation": "kms:Decrypt", "code": "AccessDeniedException", "message": "No", "times": 9}})
        run = ansible.playbook(_PING, ansible.inventory(machine))
    assert run.code == 4, str(run)
    assert run.says("Fetching data key failed")
    assert run.says(f"kms:Decrypt on {key}")


def test_a_node_that_may_not_decrypt_the_key_is_told_with_the_action(ansible: Ansible) -> None:
    _node_may_not_decrypt(ansible, "web-1")


def test_a_real_agent_that_may_not_decrypt_the_key_is_told_with_the_action(ansible_on_real_agents: Ansible) -> None:
    _node_may_not_decrypt(ansible_on_real_agents, "real-1")
