# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every module of a resource does: create, leave, change, delete; tell it first in check mode; show the difference."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.modules import (
    activation,
    association,
    document,
    maintenance_window,
    managed_node,
    parameter,
    patch_baseline,
    service_setting,
)

from tests.emulator.state import Node
from tests.unit.plugins.modules.emulated_account import EmulatedAccount

Options = dict[str, t.Any]
Run = t.Callable[..., dict[str, t.Any]]


@dataclasses.dataclass(frozen=True)
class Life:
    """A module, what is created, what becomes of it, and the changing calls that each takes."""

    main: t.Callable[[], None]
    noun: str
    name: Options
    first: Options
    second: Options
    calls: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    gone: Options = dataclasses.field(default_factory=lambda: {"state": "absent"})
    """What deletes it, or has it be as AWS had it."""
    told: tuple[Options, Options, Options] | None = None
    """What the result says then, each time, where that is not in the words of the options."""
    prepare: t.Callable[[EmulatedAccount], None] | None = None
    """What there is before, where AWS has it before the module does anything."""
    no_log: bool = False

    def tells(self, which: int) -> Options:
        """Give what is in the result after creation, change and deletion."""
        return (self.told or (self.first, self.second, {}))[which]


_RULE: Options = {"patch_filter_group": [{"key": "CLASSIFICATION", "values": ["Security", "Bugfix"]}], "approve_after_days": 7}
_CONTENT: Options = {
    "schemaVersion": "2.2",
    "description": "one",
    "mainSteps": [{"action": "aws:runShellScript", "name": "s", "inputs": {"runCommand": ["id"]}}],
}
_NODE = "mi-0123456789abcdef0"
_TARGET: Options = {"name": "web", "targets": [{"key": "tag:role", "values": ["web"]}]}
_TASK: Options = {
    "name": "install",
    "task_arn": "AWS-RunPatchBaseline",
    "window_targets": ["web"],
    "priority": 1,
    "max_concurrency": "25%",
    "max_errors": "10%",
}
_WINDOW: Options = {"schedule": "cron(0 2 ? * SUN *)", "duration": 3, "cutoff": 1}
_OF_TASK: Options = {name: _TASK[name] for name in _TASK if name != "window_targets"}


def _has_a_node(account: EmulatedAccount) -> None:
    account.state.nodes[_NODE] = Node(_NODE, "ManagedInstance", iam_role="OldRole")


def _has_a_setting(account: EmulatedAccount) -> None:
    """AWS has every setting from the beginning."""


_LIVES = {
    "activation": Life(
        activation.main,
        "activation",
        {"description": "Plant 7"},
        {"iam_role": "SSMServiceRole", "registration_limit": 20},
        {"iam_role": "SSMServiceRole", "registration_limit": 50, "on_difference": "replace"},
        (("CreateActivation",), ("CreateActivation", "DeleteActivation"), ("DeleteActivation",)),
        told=({"registration_limit": 20}, {"registration_limit": 50}, {}),
        no_log=True,
    ),
    "association": Life(
        association.main,
        "association",
        {"name": "update-ssm-agent"},
        {"document": "AWS-UpdateSSMAgent", "targets": _TARGET["targets"], "schedule_expression": "rate(14 days)"},
        {"document": "AWS-UpdateSSMAgent", "max_errors": "5%", "schedule_expression": "rate(7 days)"},
        (("CreateAssociation",), ("UpdateAssociation",), ("DeleteAssociation",)),
    ),
    "maintenance_window": Life(
        maintenance_window.main,
        "maintenance_window",
        {"name": "patch-web"},
        {**_WINDOW, "targets": [_TARGET], "tasks": [_TASK], "tags": {"team": "a"}},
        {
            **_WINDOW,
            "duration": 4,
            "targets": [{**_TARGET, "description": "All of them"}],
            "tasks": [{**_TASK, "max_errors": "5%"}],
            "tags": {"team": "b"},
        },
        (
            ("CreateMaintenanceWindow", "RegisterTargetWithMaintenanceWindow", "RegisterTaskWithMaintenanceWindow"),
            (
                *("UpdateMaintenanceWindow", "AddTagsToResource"),
                *("UpdateMaintenanceWindowTarget", "UpdateMaintenanceWindowTask"),
            ),
            ("DeleteMaintenanceWindow",),
        ),
        told=(
            {**_WINDOW, "targets": [_TARGET], "tasks": [_OF_TASK], "tags": {"team": "a"}},
            {"duration": 4, "targets": [{"description": "All of them"}], "tasks": [{"max_errors": "5%"}], "tags": {"team": "b"}},
            {},
        ),
    ),
    "managed_node": Life(
        managed_node.main,
        "managed_node",
        {"instance_id": _NODE},
        {"iam_role": "PlantRole", "tags": {"team": "a"}},
        {"iam_role": "OtherRole", "tags": {"team": "b"}},
        (
            ("UpdateManagedInstanceRole", "AddTagsToResource"),
            ("UpdateManagedInstanceRole", "AddTagsToResource"),
            ("DeregisterManagedInstance",),
        ),
        prepare=_has_a_node,
    ),
    "parameter": Life(
        parameter.main,
        "parameter",
        {"name": "/plant7/host"},
        {"value": "db-1", "description": "Where presses write to", "tags": {"team": "a"}},
        {"value": "db-2", "tags": {"team": "b"}},
        (("PutParameter",), ("PutParameter", "AddTagsToResource"), ("DeleteParameter",)),
    ),
    "service_setting": Life(
        service_setting.main,
        "service_setting",
        {"setting": "parameter_tier"},
        {"value": "Advanced"},
        {"value": "Intelligent-Tiering"},
        (("UpdateServiceSetting",), ("UpdateServiceSetting",), ("ResetServiceSetting",)),
        gone={"state": "default"},
        told=({"setting_value": "Advanced"}, {"setting_value": "Intelligent-Tiering"}, {"status": "Default"}),
        prepare=_has_a_setting,
    ),
    "document": Life(
        document.main,
        "document",
        {"name": "restart-web"},
        {"content": _CONTENT, "document_type": "Command", "shared_with": ["111122223333"], "tags": {"team": "a"}},
        {"content": {**_CONTENT, "description": "two"}, "shared_with": ["444455556666"], "tags": {"team": "b"}},
        (
            ("CreateDocument", "ModifyDocumentPermission"),
            (
                *("UpdateDocument", "UpdateDocumentDefaultVersion", "AddTagsToResource"),
                *("ModifyDocumentPermission", "ModifyDocumentPermission"),
            ),
            ("ModifyDocumentPermission", "DeleteDocument"),
        ),
    ),
    "patch_baseline": Life(
        patch_baseline.main,
        "patch_baseline",
        {"name": "web"},
        {
            "operating_system": "AMAZON_LINUX_2023",
            "approval_rules": [_RULE],
            "patch_groups": ["web"],
            "tags": {"team": "a"},
        },
        {
            "operating_system": "AMAZON_LINUX_2023",
            "approval_rules": [{**_RULE, "approve_after_days": 3}],
            "patch_groups": ["canary"],
            "tags": {"team": "b"},
        },
        (
            ("CreatePatchBaseline", "RegisterPatchBaselineForPatchGroup"),
            (
                "UpdatePatchBaseline",
                "AddTagsToResource",
                "DeregisterPatchBaselineForPatchGroup",
                "RegisterPatchBaselineForPatchGroup",
            ),
            ("DeregisterPatchBaselineForPatchGroup", "DeletePatchBaseline"),
        ),
    ),
}


@pytest.fixture(params=list(_LIVES.values()), ids=list(_LIVES))
def life(request: pytest.FixtureRequest) -> Life:
    return t.cast("Life", request.param)


@pytest.fixture
def run(life: Life, run: Run, emulated: EmulatedAccount) -> Run:
    """Runs the module of the life."""
    if life.prepare is not None:
        life.prepare(emulated)
    return functools.partial(run, life.main, no_log=life.no_log)


def test_creates(life: Life, run: Run, emulated: EmulatedAccount) -> None:
    result = run(**life.name, **life.first)
    assert (result["changed"], emulated.changes()) == (True, list(life.calls[0]))
    assert _tells(result[life.noun], life.tells(0))


def test_creates_check_mode(life: Life, run: Run, emulated: EmulatedAccount) -> None:
    result = run(**life.name, **life.first, check_mode=True)
    assert (result["changed"], emulated.changes()) == (True, [])
    assert _tells(result[life.noun], life.tells(0))


def test_creates_diff(life: Life, run: Run, emulated: EmulatedAccount) -> None:
    diff = run(**life.name, **life.first, check_mode=True, diff=True)["diff"]
    assert (diff["before"] == {}) == (life.prepare is None)
    assert not _tells(diff["before"], life.tells(0))
    assert _tells(diff["after"], life.tells(0))
    assert diff["after_header"] == f"{life.noun} {next(iter(life.name.values()))}"


def test_creates_idempotent(life: Life, run: Run, emulated: EmulatedAccount) -> None:
    first = run(**life.name, **life.first)
    emulated.changes()
    second = run(**life.name, **life.first, diff=True)
    assert (second["changed"], emulated.changes()) == (False, [])
    assert second[life.noun] == first[life.noun]
    assert second["diff"]["before"] == second["diff"]["after"]


def test_changes(life: Life, run: Run, emulated: EmulatedAccount) -> None:
    run(**life.name, **life.first)
    emulated.changes()
    result = run(**life.name, **life.second, diff=True)
    assert (result["changed"], emulated.changes()) == (True, list(life.calls[1]))
    assert _tells(result[life.noun], life.tells(1))
    assert _tells(result["diff"]["before"], life.tells(0))
    assert _tells(result["diff"]["after"], life.tells(1))


def test_changes_check_mode(life: Life, run: Run, emulated: EmulatedAccount) -> None:
    run(**life.name, **life.first)
    emulated.changes()
    result = run(**life.name, **life.second, check_mode=True, diff=True)
    assert (result["changed"], emulated.changes()) == (True, [])
    assert _tells(result["diff"]["before"], life.tells(0))
    assert _tells(result["diff"]["after"], life.tells(1))


def test_changes_idempotent(life: Life, run: Run, emulated: EmulatedAccount) -> None:
    run(**life.name, **life.first)
    changed = run(**life.name, **life.second)
    emulated.changes()
    again = run(**life.name, **life.second)
    assert (again["changed"], emulated.changes()) == (False, [])
    assert again[life.noun] == changed[life.noun]


def test_deletes(life: Life, run: Run, emulated: EmulatedAccount) -> None:
    run(**life.name, **life.first)
    emulated.changes()
    result = run(**life.name, **life.gone, diff=True)
    assert (result["changed"], emulated.changes()) == (True, list(life.calls[2]))
    for told in (result[life.noun], result["diff"]["after"]):
        assert _tells(told, life.tells(2))
        assert bool(told) == bool(life.tells(2))
    assert result["diff"]["before"]


def test_deletes_check_mode(life: Life, run: Run, emulated: EmulatedAccount) -> None:
    run(**life.name, **life.first)
    emulated.changes()
    result = run(**life.name, **life.gone, check_mode=True)
    assert (result["changed"], emulated.changes()) == (True, [])
    assert run(**life.name, **life.first)["changed"] is False


def test_deletes_idempotent(life: Life, run: Run, emulated: EmulatedAccount) -> None:
    run(**life.name, **life.first)
    run(**life.name, **life.gone)
    emulated.changes()
    result = run(**life.name, **life.gone)
    assert (result["changed"], _tells(result[life.noun], life.tells(2)), emulated.changes()) == (False, True, [])


@pytest.mark.parametrize("which", [0, 1, 2], ids=["create", "change", "delete"])
def test_names_the_permission_that_is_missing(life: Life, run: Run, emulated: EmulatedAccount, which: int) -> None:
    if which:
        run(**life.name, **life.first)
    denied = life.calls[which][0]
    emulated.aws.deny(denied)
    result = run(**life.name, **([life.first, life.second, life.gone][which]))
    assert result["failed"]
    assert f"Allow the IAM action ssm:{denied}" in result["msg"]


def _tells(told: t.Any, said: t.Any) -> bool:
    """Say whether a result has what was said, whatever else it has."""
    if isinstance(said, dict):
        return all(name in told and _tells(told[name], value) for name, value in said.items())
    if isinstance(said, list):
        return len(told) == len(said) and all(map(_tells, told, said))
    return bool(told == said)
