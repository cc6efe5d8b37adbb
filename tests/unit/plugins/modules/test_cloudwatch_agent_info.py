# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module cloudwatch_agent_info: what it says of a machine with an agent, and of one without."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._machine import installation, system
from ansible_collections.fleet.ssm.plugins.modules import cloudwatch_agent_info


@pytest.fixture(autouse=True)
def _booted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "is_booted", lambda: True)


def test_an_installed_agent_is_told_as_the_package_managers_know_it(
    run: t.Callable[..., t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"amazon-cloudwatch-agent": [installation.Installed("rpm", "1.300073.2b1889")]}
    monkeypatch.setattr(installation, "installed", known.__getitem__)
    result = run(cloudwatch_agent_info.main)
    assert {name: result[name] for name in ("kind", "version", "unit", "booted")} == {
        "kind": "rpm",
        "version": "1.300073.2b1889",
        "unit": "amazon-cloudwatch-agent.service",
        "booted": True,
    }


def test_no_agent_is_nulls(run: t.Callable[..., t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "installed", lambda _name: [])
    result = run(cloudwatch_agent_info.main)
    assert (result["kind"], result["version"], result["unit"]) == (None, None, None)
