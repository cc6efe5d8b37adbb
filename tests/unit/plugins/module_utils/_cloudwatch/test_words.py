# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the agent's programs say, without what they say on the way."""

from __future__ import annotations

from ansible_collections.fleet.ssm.plugins.module_utils._cloudwatch.words import complaint

# As the programs of 1.300071 say it.
_ERROR = """2026/08/07 12:00:00 Reading json config file path: /tmp/x/file_a.json.tmp ...
2026/08/07 12:00:00 E! Invalid Json input schema.
2026/08/07 12:00:00 Under path : /agent/metrics_collection_interval | Error : Invalid type. Expected: integer, given: string
2026/08/07 12:00:00 E! configuration validation first phase failed. Agent version: 1.0. Verify the JSON input is only using \
features supported by this version
"""
_OUTPUT = """Starting config-translator, this will map back to a call to amazon-cloudwatch-agent
Executing /opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent with arguments: [config-translator]
I! Detected the instance is OnPremise
E! config-translator process exited with non-zero status: 1
"""


def test_the_cause_is_told_and_no_chatter() -> None:
    assert complaint(_ERROR, _OUTPUT) == (
        "E! Invalid Json input schema. / Under path : /agent/metrics_collection_interval | Error : Invalid type. Expected: integer,"
        " given: string / E! configuration validation first phase failed. Agent version: 1.0. Verify the JSON input is only using"
        " features supported by this version"
    )


def test_who_says_nothing_is_said_to() -> None:
    assert complaint("", "I! on the way\n") == "it said nothing"


def test_a_flood_is_cut_and_said_once() -> None:
    assert complaint("a\n" * 100 + "b\n", "c\n" * 3) == "a / b / c"
    assert complaint("\n".join(map(str, range(100))), "") == "0 / 1 / 2 / 3 / 4 / 5 / 6 / 7"
