# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A resource that AWS can change, brought into the state wanted. (The module activation is one that it cannot.)"""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure
from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import open_session
from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api
from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import RefusedError
from ansible_collections.fleet.ssm.plugins.module_utils._engine.resource import Outcome, Resource


class Window(Resource):
    """The least a module has to say."""

    noun = "window"
    title = "name"
    ids = ("WindowId",)
    item = ("DescribeMaintenanceWindows", "WindowIdentities")
    create = "CreateMaintenanceWindow"
    update = "UpdateMaintenanceWindow"
    delete = "DeleteMaintenanceWindow"

    def find(self) -> list[dict[str, t.Any]]:
        return [item for item in self.api.items(*self.item) if item["Name"] == self.options["name"]]


@pytest.fixture
def windows(fake_aws: t.Any) -> list[dict[str, t.Any]]:
    """The windows AWS has."""
    kept: list[dict[str, t.Any]] = []

    def create(params: dict[str, t.Any]) -> dict[str, t.Any]:
        kept.append({"WindowId": "mw-0123456789abcdef0", **params})
        return {"WindowId": "mw-0123456789abcdef0"}

    fake_aws.answers |= {
        "DescribeMaintenanceWindows": lambda _: {"WindowIdentities": [dict(item) for item in kept]},
        "CreateMaintenanceWindow": create,
        "UpdateMaintenanceWindow": lambda params: kept[0].update(params) or {},
        "DeleteMaintenanceWindow": lambda _: kept.pop() and {},
    }
    return kept


@pytest.fixture
def ensure(windows: t.Any) -> t.Callable[..., Outcome]:
    base = {
        "state": "present",
        "name": "nightly",
        "schedule": "rate(1 day)",
        "duration": 2,
        "cutoff": 1,
        "allow_unassociated_targets": True,
    }

    def _ensure(check: bool = False, **options: t.Any) -> Outcome:
        api = Api(open_session(AwsOptions()).client("ssm"))
        return Window(api, {**base, **options}).ensure(check)

    return _ensure


def _changes(aws: t.Any) -> list[str]:
    return [operation for operation in aws.operations() if not operation.startswith("Describe")]


def test_creates(ensure: t.Any, fake_aws: t.Any) -> None:
    outcome = ensure()
    assert outcome.changed
    assert outcome.after["window_id"] == "mw-0123456789abcdef0"
    assert _changes(fake_aws) == ["CreateMaintenanceWindow"]


def test_creates_idempotent(ensure: t.Any, fake_aws: t.Any) -> None:
    ensure()
    assert not ensure().changed
    assert len(_changes(fake_aws)) == 1


def test_updates_only_what_it_is_told(ensure: t.Any, fake_aws: t.Any) -> None:
    ensure()
    outcome = ensure(duration=4)
    assert (outcome.before["duration"], outcome.after["duration"]) == (2, 4)
    assert dict(fake_aws.calls)["UpdateMaintenanceWindow"]["WindowId"] == "mw-0123456789abcdef0"


def test_updates_check_mode(ensure: t.Any, fake_aws: t.Any) -> None:
    ensure()
    outcome = ensure(check=True, duration=4)
    assert (outcome.changed, outcome.after["duration"]) == (True, 4)
    assert _changes(fake_aws) == ["CreateMaintenanceWindow"]


def test_deletes(ensure: t.Any, windows: t.Any) -> None:
    ensure()
    outcome = ensure(state="absent")
    assert (outcome.changed, outcome.after, windows) == (True, {}, [])
    assert not ensure(state="absent").changed


def test_returns_what_it_knows_when_aws_does_not_list_it_yet(ensure: t.Any, fake_aws: t.Any) -> None:
    fake_aws.answers["DescribeMaintenanceWindows"] = lambda _: {"WindowIdentities": []}
    outcome = ensure()
    assert (outcome.after["window_id"], outcome.after["name"]) == ("mw-0123456789abcdef0", "nightly")


def test_refuses_what_breaks_a_limit_of_the_model(ensure: t.Any, fake_aws: t.Any) -> None:
    with pytest.raises(RefusedError, match="duration must be from 1 to 24, not 25"):
        ensure(duration=25)
    assert fake_aws.calls == []


def test_failures_are_explained(ensure: t.Any, fake_aws: t.Any) -> None:
    fake_aws.deny("CreateMaintenanceWindow")
    with pytest.raises(AwsFailure, match="Allow the IAM action ssm:CreateMaintenanceWindow"):
        ensure()


def test_a_module_must_say_how_to_find(windows: t.Any) -> None:
    with pytest.raises(NotImplementedError):
        Resource(t.cast("t.Any", None), {}).find()
