# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many nodes at once while AWS throttles; ``make bench-scale`` does it with two hundred."""

from __future__ import annotations

import collections.abc
import json
import pathlib
import tempfile

import pytest

from tests.integration.running_emulator import Ansible, RunningEmulator

_COUNT = 24


@pytest.fixture
def many(tmp_path: pathlib.Path) -> collections.abc.Iterator[Ansible]:
    """Ansible against two dozen simulated nodes."""
    fleet = tmp_path / "many.yml"
    fleet.write_text(json.dumps({"nodes": [{"name": "node", "count": _COUNT}]}), encoding="utf-8")
    # Not below pytest's folder, which other users cannot enter: sessions run as one.
    with tempfile.TemporaryDirectory(prefix="fleet.ssm-many-", ignore_cleanup_errors=True) as folder:
        path = pathlib.Path(folder)
        path.chmod(0o755)
        emulator = RunningEmulator(path, fleet)
        try:
            yield Ansible(tmp_path, emulator)
        finally:
            emulator.command("down")


@pytest.mark.long
def test_no_task_fails_where_three_of_ten_calls_are_throttled_and_its_cost_is_told(many: Ansible, tmp_path: pathlib.Path) -> None:
    emulator, summary = many.emulator, tmp_path / "summary.json"
    share = {"rate": 0.3, "times": None}
    emulator.order({"throttle": [{"operation": name, **share} for name in ("StartSession", "TerminateSession")]})
    run = many.playbook(
        "- ansible.builtin.command: 'true'",
        many.inventory(*emulator.nodes()),
        "--forks",
        "12",
        ANSIBLE_CALLBACKS_ENABLED="fleet.ssm.session_summary",
        FLEET_SSM_SUMMARY_FILE=str(summary),
        FLEET_SSM_SUMMARY_NODES="5",
    )
    assert run.code == 0, str(run)
    told = json.loads(summary.read_text(encoding="utf-8"))
    assert [node["sessions"] for node in told["nodes"].values()] == [1] * _COUNT
    assert told["all"]["throttles"] == emulator.calls("ssm:StartSession") - _COUNT > 0
    assert told["all"]["throttle_seconds"] > 0
    assert all(node["round_trips"] == node["requests"] == 1 for node in told["nodes"].values())
    assert {node["slowest_task"]["name"] for node in told["nodes"].values()} == {"ansible.builtin.command"}
    table = run.output.partition("SESSION SUMMARY")[2].splitlines()
    assert [line.split()[0] for line in table[2:]][5:8] == ["all", "AWS", str(_COUNT)]
    assert emulator.no_session_is_left(20)
