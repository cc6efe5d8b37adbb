# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions that are kept for the next run."""

from __future__ import annotations

import collections.abc
import json
import os
import pathlib
import signal
import tempfile
import time

import pytest

from tests.integration.long_tasks import becomes_true, have_ended
from tests.integration.running_emulator import Ansible, Run

pytestmark = pytest.mark.long

_PING = "- ansible.builtin.ping:"
_FOREVER = "- ansible.builtin.command: sleep 100"


@pytest.fixture(autouse=True)
def temporary(ansible: Ansible) -> collections.abc.Iterator[pathlib.Path]:
    """A temporary folder of the test's own, short enough for sockets; brokers that it left there are ended."""
    with tempfile.TemporaryDirectory(prefix="fleet.ssm-tests-") as name:
        ansible.environment["TMPDIR"] = name
        folder = pathlib.Path(name)
        yield folder
        for broker in _kept_brokers(folder):
            os.kill(broker, signal.SIGTERM)
            assert _ends(broker)


def _kept_brokers(temporary: pathlib.Path) -> list[int]:
    return [int(path.stem.rpartition("-")[2]) for path in temporary.glob("fleet.ssm-*/kept-*.sock")]


def _ends(process: int) -> bool:
    return have_ended(process, seconds=20)


def _is_left_with(ansible: Ansible, count: int) -> bool:
    """Say whether so many sessions are open once the run has ended."""
    return becomes_true(lambda: ansible.emulator.statistics()["sessions"]["open"] == count)


def _run(ansible: Ansible, seconds: float, *machines: str, **environment: str) -> Run:
    inventory = ansible.inventory(*machines or ("web-1",), ansible_ssm_persist=f"{seconds:g}")
    run = ansible.run("ansible-playbook", "-i", str(inventory), str(ansible.write(_PING)), timeout=120, **environment)
    assert run.code == 0, str(run)
    return run


def _next_run_goes_on(ansible: Ansible, machine: str, temporary: pathlib.Path) -> None:
    _run(ansible, 60, machine)
    assert _is_left_with(ansible, 1)
    _run(ansible, 60, machine)
    _run(ansible, 0, machine)
    assert _is_left_with(ansible, 0)
    assert ansible.emulator.calls("ssm:StartSession") == 1
    assert ansible.emulator.calls("ssm:TerminateSession") == 1
    assert becomes_true(lambda: not list(temporary.iterdir()))


def test_the_next_runs_go_on_with_a_kept_session_and_one_that_keeps_none_ends_it(ansible: Ansible, temporary: pathlib.Path) -> None:
    _next_run_goes_on(ansible, "web-1", temporary)


def test_the_next_runs_go_on_with_a_kept_session_of_a_real_agent(ansible_on_real_agents: Ansible, temporary: pathlib.Path) -> None:
    ansible_on_real_agents.environment["TMPDIR"] = str(temporary)
    _next_run_goes_on(ansible_on_real_agents, "real-1", temporary)


def test_a_kept_session_ends_when_its_time_is_over(ansible: Ansible, temporary: pathlib.Path) -> None:
    _run(ansible, 3)
    ended = time.monotonic()
    assert becomes_true(lambda: bool(_kept_brokers(temporary)))
    assert _is_left_with(ansible, 0)
    assert time.monotonic() - ended > 2
    assert ansible.emulator.calls("ssm:TerminateSession") == 1
    assert becomes_true(lambda: not _kept_brokers(temporary))


def test_of_one_run_only_the_sessions_are_kept_that_are_to_be(ansible: Ansible) -> None:
    inventory = ansible.inventory("web-1", "web-2")
    web_1 = ansible.emulator.nodes()["web-1"]
    lines = inventory.read_text(encoding="utf-8").replace(web_1, f"{web_1} ansible_ssm_persist=60", 1)
    inventory.write_text(lines, encoding="utf-8")
    run = ansible.playbook(_PING, inventory)
    assert run.code == 0, str(run)
    assert _is_left_with(ansible, 1)
    (kept,) = ansible.emulator.client("ssm").describe_sessions(State="Active")["Sessions"]
    assert kept["Target"] == web_1
    _run(ansible, 0)
    assert ansible.emulator.calls("ssm:StartSession") == 2
    assert _is_left_with(ansible, 0)


def test_a_run_with_another_identity_has_a_session_of_its_own(ansible: Ansible) -> None:
    _run(ansible, 60)
    _run(ansible, 0, AWS_ROLE_SESSION_NAME="somebody-else")
    assert ansible.emulator.calls("ssm:StartSession") == 2
    assert _is_left_with(ansible, 1)
    _run(ansible, 0)
    assert ansible.emulator.calls("ssm:StartSession") == 2
    assert _is_left_with(ansible, 0)


def test_a_run_beside_the_one_that_took_the_session_has_one_of_its_own(ansible: Ansible, temporary: pathlib.Path) -> None:
    _run(ansible, 60)
    assert becomes_true(lambda: bool(_kept_brokers(temporary)))
    inventory = ansible.inventory("web-1", ansible_ssm_persist="60")
    forever = ansible.write(_FOREVER)
    with ansible.start("ansible-playbook", "-i", str(inventory), str(forever)) as first:
        assert becomes_true(lambda: not _kept_brokers(temporary))
        _run(ansible, 0)
        assert ansible.emulator.calls("ssm:StartSession") == 2
        assert _is_left_with(ansible, 1)
        os.killpg(first.pid, signal.SIGKILL)
    assert becomes_true(lambda: bool(_kept_brokers(temporary)))
    _run(ansible, 0)
    assert ansible.emulator.calls("ssm:StartSession") == 2, "the session of a run that was killed is kept too"
    assert _is_left_with(ansible, 0)


def test_a_run_is_told_of_the_session_it_found_and_counts_from_zero(ansible: Ansible) -> None:
    summary = ansible.folder / "summary.json"
    counting = {"ANSIBLE_CALLBACKS_ENABLED": "fleet.ssm.session_summary", "FLEET_SSM_SUMMARY_FILE": str(summary)}
    figures = []
    for seconds in (60, 0):
        run = _run(ansible, seconds, ANSIBLE_VERBOSITY="3", **counting)
        assert "SSM: SESSION " in run.output
        figures.append(json.loads(summary.read_text(encoding="utf-8"))["all"])
    first, second = figures
    assert (first["sessions"], second["sessions"]) == (1, 0)
    assert first["requests"] == second["requests"]
    assert 0 < second["bytes_up"] < first["bytes_up"] / 5, "the module is on the node already"
    assert second["slowest_task"]["name"]


def test_a_kept_session_that_was_ended_meanwhile_is_not_waited_for(ansible: Ansible) -> None:
    _run(ansible, 60)
    ansible.emulator.terminate_sessions()
    _run(ansible, 0)
    assert ansible.emulator.calls("ssm:StartSession") == 2
    assert _is_left_with(ansible, 0)


def test_the_place_of_a_kept_broker_that_was_killed_is_taken_by_a_new_one(ansible: Ansible, temporary: pathlib.Path) -> None:
    _run(ansible, 60)
    assert becomes_true(lambda: bool(_kept_brokers(temporary)))
    (broker,) = _kept_brokers(temporary)
    os.kill(broker, signal.SIGKILL)
    assert _ends(broker)
    _run(ansible, 0)
    assert ansible.emulator.calls("ssm:StartSession") == 2
    assert becomes_true(lambda: not list(temporary.iterdir()))
    # That of the broker which was killed ends by AWS's idle timeout, or so.
    ansible.emulator.terminate_sessions()
    assert _is_left_with(ansible, 0)
