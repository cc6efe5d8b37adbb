# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Argument specs from documentation, and what a module says when it cannot start."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._aws import options as aws_options
from ansible_collections.fleet.ssm.plugins.module_utils._engine.arguments import argument_spec

DOCUMENTATION = """
options:
  name: {description: [A name.], type: str, required: true, aliases: [title]}
  password: {description: [A secret.], type: str}
  rules:
    description: [Rules.]
    type: list
    elements: dict
    default: []
    suboptions:
      level: {description: [A level.], type: str, choices: [low, high]}
"""


def _from_environment() -> None:
    pass


@pytest.fixture
def spec() -> dict[str, dict[str, t.Any]]:
    return argument_spec(DOCUMENTATION, {"password"}, _from_environment)


def test_an_argument_is_as_documented(spec: t.Any) -> None:
    assert spec["name"] == {"type": "str", "required": True, "aliases": ["title"], "no_log": False}


def test_suboptions_are_options(spec: t.Any) -> None:
    assert spec["rules"]["options"] == {"level": {"type": "str", "choices": ["low", "high"], "no_log": False}}


def test_secrets_are_in_no_log(spec: t.Any) -> None:
    assert [name for name, argument in spec.items() if argument["no_log"]] == ["password", "secret_key", "session_token"]


def test_aws_options_are_there_and_come_from_the_environment_too(spec: t.Any) -> None:
    assert set(aws_options.NAMES) < set(spec)
    assert spec["region"] == {"type": "str", "no_log": False, "fallback": (_from_environment, ["FLEET_SSM_REGION"])}
