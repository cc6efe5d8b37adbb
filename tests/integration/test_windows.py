# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks on a simulated Windows node: the connection's program is the real one, run by Mono; PowerShell is a stand-in."""

from __future__ import annotations

import collections.abc
import json
import os
import pathlib
import re
import shutil
import time
import typing as t

import pytest

from tests.integration.long_tasks import becomes_true
from tests.integration.running_emulator import Ansible, Run, RunningEmulator

pytestmark = pytest.mark.long

_HERE = pathlib.Path(__file__).parent
_FIND: dict[str, t.Any] = {"ANSIBLE_LIBRARY": str(_HERE / "library"), "ANSIBLE_ACTION_PLUGINS": str(_HERE / "action_plugins")}


@pytest.fixture(scope="module")
def windows_emulator(run_emulator: t.Any, tmp_path_factory: pytest.TempPathFactory) -> collections.abc.Iterator[RunningEmulator]:
    """One with a Windows node."""
    if not all(map(shutil.which, ("mono", "mcs"))):
        pytest.skip("mono and mcs are not installed: nothing to run C# with (on Debian: apt-get install mono-mcs)")
    fleet = tmp_path_factory.mktemp("windows") / "fleet.yml"
    fleet.write_text("nodes: [{name: win-1, platform: Windows}]\n", encoding="utf-8")
    yield from run_emulator(fleet)


@pytest.fixture
def ansible(tmp_path: pathlib.Path, windows_emulator: RunningEmulator) -> Ansible:
    windows_emulator.reset()
    return Ansible(tmp_path, windows_emulator)


def _play(ansible: Ansible, tasks: str, *arguments: str) -> Run:
    inventory = ansible.inventory("win-1", ansible_shell_type="powershell")
    return ansible.run("ansible-playbook", "-i", str(inventory), str(ansible.write(tasks)), *arguments, **_FIND)


def _answers(run: Run) -> list[dict[str, t.Any]]:
    """Return what the tasks returned, as ``-v`` prints it."""
    return [json.loads(text) for text in re.findall(r"(?:ok|changed|fatal): \[[^\]]*\](?:: FAILED!)? => (\{.*\})", run.output)]


def test_commands_modules_and_files_share_a_session(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    content = os.urandom(60_000)
    (tmp_path / "there.bin").write_bytes(content)
    run = _play(
        ansible,
        f"""
- ansible.builtin.raw: Write-Output 'raw says hi'
- win_probe: {{text: "sm\\u00f6rg\\u00e5s \\U0001f980"}}
- win_probe: {{text: again}}
- transfer: {{src: {tmp_path}/there.bin, dest: '"~/a file"', back: {tmp_path}/back.bin}}
""",
        "-v",
    )
    assert run.code == 0, str(run)
    raw, first, second, _transfer = _answers(run)
    assert (raw["rc"], raw["stdout"]) == (0, "raw says hi\r\n")
    assert first["given"]["text"] == "sm\u00f6rg\u00e5s \U0001f980"
    assert second["given"]["text"] == "again"
    assert (tmp_path / "back.bin").read_bytes() == content
    assert ansible.emulator.calls("ssm:StartSession") == 1
    assert ansible.emulator.no_session_is_left()


def test_a_module_is_sent_once(ansible: Ansible) -> None:
    def bytes_up(*texts: str) -> int:
        ansible.emulator.reset()
        run = _play(ansible, "\n".join(f"- win_probe: {{text: {text}}}" for text in texts))
        assert run.code == 0, str(run)
        return int(ansible.emulator.statistics()["websocket"]["client_up"]["bytes"])

    once, three_times = bytes_up("one"), bytes_up("one", "another", "and one more")
    print(f"{once} bytes for one module, {three_times} for three")
    assert three_times < 1.5 * once


def test_failures_are_the_tasks_own(ansible: Ansible) -> None:
    run = _play(
        ansible,
        """
- win_probe: {fail: on purpose}
  ignore_errors: true
- ansible.builtin.raw: |
    Write-Error 'to be read'
    exit 4
  ignore_errors: true
- transfer: {dest: ~/nowhere, back: /tmp/never}
""",
        "-v",
    )
    module, raw = _answers(run)[:2]
    assert module["msg"] == "on purpose"
    assert (raw["rc"], raw["stderr"]) == (4, "to be read\r\n")
    assert "nowhere" in run.output
    assert "UNREACHABLE" not in run.output


def test_async_is_left_to_ansibles_wrapper(ansible: Ansible) -> None:
    # Asking for its result takes a module of another collection.
    run = _play(ansible, "- win_probe: {text: later}\n  async: 30\n  poll: 0", "-v")
    assert run.code == 0, str(run)
    assert {"async_wrapper", "async_watchdog"} <= set(_answers(run)[0]["wrappers"])


def test_become_is_left_to_ansibles_wrapper(ansible: Ansible) -> None:
    become = "{become: true, become_method: ansible.builtin.runas, become_user: SYSTEM}"
    run = _play(ansible, f"- win_probe: {{text: x}}\n  {become[1:-1].replace(', ', chr(10) + '  ')}", "-v")
    assert run.code == 0, str(run)
    assert "become_wrapper" in _answers(run)[0]["wrappers"]


def test_a_task_that_takes_too_long_is_ended(ansible: Ansible) -> None:
    run = _play(
        ansible,
        """
- ansible.builtin.raw: Start-Sleep -Milliseconds 30000
  timeout: 4
  ignore_errors: true
- ansible.builtin.raw: Write-Output 'still here'
""",
        "-v",
    )
    assert run.code == 0, str(run)
    assert "still here" in run.output
    assert ansible.emulator.calls("ssm:StartSession") == 1


def test_reset_connection_starts_a_new_session(ansible: Ansible) -> None:
    run = _play(ansible, "- win_probe: {text: a}\n- ansible.builtin.meta: reset_connection\n- win_probe: {text: b}")
    assert run.code == 0, str(run)
    assert ansible.emulator.calls("ssm:StartSession") == 2


def test_cuts_of_the_network_change_nothing(ansible: Ansible) -> None:
    cut = {"node": ansible.emulator.nodes()["win-1"], "after": 60, "times": 1}
    ansible.emulator.order({"cut": [{"side": "client", **cut}, {"side": "agent", **cut}]})
    run = _play(ansible, "- win_probe: {text: a}\n- win_probe: {text: b}", "-v")
    assert run.code == 0, str(run)
    assert [answer["given"]["text"] for answer in _answers(run)] == ["a", "b"]
    assert ansible.emulator.calls("ssm:ResumeSession") >= 1


def test_a_session_that_somebody_ends_is_unreachable(ansible: Ansible) -> None:
    inventory = ansible.inventory("win-1", ansible_shell_type="powershell")
    playbook = ansible.write("- ansible.builtin.raw: Start-Sleep -Milliseconds 30000")
    process = ansible.start("ansible-playbook", "-i", str(inventory), str(playbook), **_FIND)
    assert becomes_true(lambda: ansible.emulator.statistics()["sessions"]["open"]), "no session was opened"
    time.sleep(4)
    ansible.emulator.terminate_sessions()
    output = process.communicate(timeout=60)[0].decode()
    assert "UNREACHABLE" in output
    assert "was closed" in output
