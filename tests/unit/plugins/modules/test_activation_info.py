# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module activation_info."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.modules import activation_info


@pytest.fixture
def ids(run: t.Callable[..., t.Any], aws: t.Any) -> t.Callable[..., list[str]]:
    """List with the given options, and give the descriptions listed."""
    for name, count in (("new", 0), ("spent", 1)):
        aws._call("CreateActivation", {"Description": name, "IamRole": f"{name}-role", "DefaultInstanceName": f"{name}-node"})
        list(aws.activations.values())[-1]["RegistrationsCount"] = count

    def _ids(**options: t.Any) -> list[str]:
        result = run(activation_info.main, **options)
        assert not result["changed"]
        return [item["description"] for item in result["activations"]]

    return _ids


def test_lists_all_activations(ids: t.Any) -> None:
    assert ids() == ["new", "spent"]


def test_lists_all_activations_check_mode(ids: t.Any) -> None:
    assert ids(check_mode=True) == ["new", "spent"]


@pytest.mark.parametrize(
    ("options", "listed"),
    [
        ({"description": "new"}, ["new"]),
        ({"description": "ne"}, []),
        ({"iam_role": "spent-role"}, ["spent"]),
        ({"default_instance_name": "new-node"}, ["new"]),
        ({"activation_ids": ["none-such"]}, []),
        ({"usable": True}, ["new"]),
        ({"usable": False}, ["spent"]),
    ],
)
def test_filters(ids: t.Any, options: dict[str, t.Any], listed: list[str]) -> None:
    assert ids(**options) == listed
