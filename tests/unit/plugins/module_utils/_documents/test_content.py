# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Contents of documents are written and compared."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._documents import content

CONTENT = {"schemaVersion": "2.2", "mainSteps": [{"action": "aws:runShellScript", "inputs": {"runCommand": ["id", "date"]}}]}
YAML = """\
mainSteps:
  - inputs: {runCommand: [id, date]}
    action: aws:runShellScript
schemaVersion: 2.2
"""
CALENDAR = "BEGIN:VCALENDAR\nVERSION:2.0\nEND:VCALENDAR\n"


@pytest.mark.parametrize(
    ("given", "asked", "expected"),
    [
        (CONTENT, None, "JSON"),
        (CONTENT, "YAML", "YAML"),
        (json.dumps(CONTENT), None, "JSON"),
        (YAML, None, "YAML"),
        (CALENDAR, None, "TEXT"),
        (json.dumps(CONTENT), "YAML", "YAML"),
    ],
)
def test_the_format_is_that_of_the_text_unless_another_is_asked_for(given: t.Any, asked: str | None, expected: str) -> None:
    written = content.written(given, asked)
    assert written.content_format == expected
    assert content.same(written.text, given if isinstance(given, str) else json.dumps(given))


def test_a_number_for_the_schema_version_becomes_a_text() -> None:
    assert json.loads(content.written({"schemaVersion": 2.2}, None).text) == {"schemaVersion": "2.2"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (json.dumps(CONTENT), YAML, True),
        (json.dumps(CONTENT, indent=2, sort_keys=True), json.dumps(CONTENT), True),
        (json.dumps(CONTENT), YAML.replace("id, date", "date, id"), False),
        (CALENDAR, CALENDAR.replace("\n", "\r\n"), True),
        (CALENDAR, CALENDAR.replace("2.0", "1.0"), False),
        (CALENDAR, YAML, False),
        (None, YAML, False),
    ],
)
def test_contents_are_the_same_when_they_mean_the_same(one: str | None, other: str, same: bool) -> None:
    assert content.same(one, other) is same
