# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook quick_setup makes, changes and deletes associations, and tells what failed of them."""

from __future__ import annotations

import collections.abc
import json
import pathlib
import typing as t

import pytest

from tests.integration.emulator.calls import post
from tests.integration.running_emulator import Ansible, Run, RunningEmulator

pytestmark = pytest.mark.long

_PLAYBOOK = pathlib.Path(__file__).parents[2] / "playbooks" / "quick_setup.yml"
_WEB = [{"key": "tag:role", "values": ["web"]}]
# Where there are no nodes, so that nothing is carried out.
_ELSEWHERE = "eu-central-1"
_BY_DEFAULT = ["quick-setup-collect-inventory", "quick-setup-scan-patches", "quick-setup-update-agent"]


@pytest.fixture
def set_up(ansible: Ansible) -> collections.abc.Iterator[t.Callable[..., Run]]:
    """Runs the playbook; what is left of it goes when the test ends."""

    def _set_up(*arguments: str, **variables: t.Any) -> Run:
        extra = json.dumps({f"quick_setup_{name}": value for name, value in variables.items()})
        # What the emulator does not serve it answers with an internal error, which need not be asked ten times.
        once: dict[str, t.Any] = {"AWS_MAX_ATTEMPTS": "1", "AWS_RETRY_MODE": "standard"}
        return ansible.run("ansible-playbook", str(_PLAYBOOK), "-e", extra, *arguments, **once)

    yield _set_up
    for region in ("", _ELSEWHERE):
        ssm = ansible.emulator.client("ssm", region=region)
        for row in ssm.list_associations()["Associations"]:
            ssm.delete_association(AssociationId=row["AssociationId"])


def _patching(emulator: RunningEmulator, error: str) -> None:
    order = json.dumps({"nodes": [emulator.nodes()["web-1"]], "error": error}).encode()
    assert post(emulator, "/_emulator/patches", order)[0] == 200


def _there(emulator: RunningEmulator) -> dict[str, dict[str, t.Any]]:
    ssm = emulator.client("ssm", region=_ELSEWHERE)
    ids = [row["AssociationId"] for row in ssm.list_associations()["Associations"]]
    described = [ssm.describe_association(AssociationId=one)["AssociationDescription"] for one in ids]
    return {one["AssociationName"]: one for one in described}


def test_hosts_are_managed_as_quick_setup_does_until_they_are_not(set_up: t.Callable[..., Run], emulator: RunningEmulator) -> None:
    checked = set_up("--check", region=_ELSEWHERE)
    assert checked.code == 0, str(checked)
    assert _there(emulator) == {}

    run = set_up(region=_ELSEWHERE, wait=5)
    assert run.code == 0, str(run)
    assert run.says("Not all were carried out within 5 seconds.")
    there = _there(emulator)
    assert sorted(there) == _BY_DEFAULT
    scan = there["quick-setup-scan-patches"]
    assert (scan["Name"], scan["Parameters"], scan["ScheduleExpression"]) == (
        "AWS-RunPatchBaseline",
        {"Operation": ["Scan"]},
        "rate(1 day)",
    )
    assert scan["Targets"] == [{"Key": "InstanceIds", "Values": ["*"]}]
    assert {name: one["ScheduleExpression"] for name, one in there.items()} == {
        "quick-setup-collect-inventory": "rate(30 minutes)",
        "quick-setup-scan-patches": "rate(1 day)",
        "quick-setup-update-agent": "rate(14 days)",
    }

    emulator.reset()
    switched = set_up(region=_ELSEWHERE, scan_patches=False, install_cloudwatch_agent=True, targets=_WEB)
    assert switched.code == 0, str(switched)
    there = _there(emulator)
    expected = [_BY_DEFAULT[0], "quick-setup-install-cloudwatch-agent", "quick-setup-update-agent"]
    assert sorted(there) == expected
    assert [one["Targets"] for one in there.values()] == [[{"Key": "tag:role", "Values": ["web"]}]] * 3
    assert "ScheduleExpression" not in there["quick-setup-install-cloudwatch-agent"]

    gone = set_up(region=_ELSEWHERE, state="absent")
    assert gone.code == 0, str(gone)
    assert _there(emulator) == {}


def test_what_failed_is_told_and_fails_the_play_when_told(set_up: t.Callable[..., Run], emulator: RunningEmulator) -> None:
    _patching(emulator, "No space left on device")
    try:
        failed = set_up(update_agent=False, collect_inventory=False, targets=_WEB, wait=30, fail=True)
    finally:
        _patching(emulator, "")
    assert failed.code == 2, str(failed)
    assert failed.says("First cause: ")
    assert failed.says("No space left on device")
    assert failed.says("quick-setup-scan-patches failed; the first cause: ")
