# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The agent's log is read since its last start."""

from __future__ import annotations

import time

import hypothesis
import hypothesis.strategies as st
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node import agent_log

LOG = """\
2026-01-02 03:04:05.0000 INFO Proxy environment variables:
2026-01-02 03:04:06.1234 INFO [amazon-ssm-agent] amazon-ssm-agent - v3.2.0.0
2026-01-02 03:04:07.0000 ERROR first
  goes on here
2026-01-02 04:00:00.0000 INFO Proxy environment variables:
2026-01-02 04:00:01.0000 INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.987.0
2026-01-02 04:00:02.0000 ERROR second
"""


def test_what_was_before_the_last_start_is_left_out() -> None:
    log = agent_log.since_last_start(agent_log.lines(LOG))
    assert [line.message for line in log][-1] == "second"
    assert "first" not in " ".join(line.message for line in log)
    assert agent_log.version(log) == "3.3.987.0"
    assert agent_log.began(log) == time.mktime((2026, 1, 2, 4, 0, 0, 0, 0, -1))


def test_an_older_agent_begins_with_its_version() -> None:
    log = agent_log.lines(LOG.replace("Proxy environment variables:", "something"))
    assert len(agent_log.since_last_start(log)) == 2


def test_lines_without_a_time_belong_to_the_one_before() -> None:
    assert agent_log.lines(LOG)[2].message == "first goes on here"


def test_a_log_without_a_start_counts_as_a_whole() -> None:
    log = agent_log.lines("2026-01-02 03:04:07 ERROR only\n")
    assert agent_log.since_last_start(log) == log
    assert (agent_log.began(log), agent_log.version(log)) == (0.0, "")


def test_a_time_that_is_none_does_not_matter() -> None:
    assert agent_log.lines("2026-99-99 99:99:99 INFO x")[0].when == 0.0


@hypothesis.given(st.text() | st.builds(lambda text: "2026-01-02 03:04:07.0000 INFO " + text, st.text()))
def test_any_text_is_a_log(text: str) -> None:
    log = agent_log.since_last_start(agent_log.lines(text))
    assert isinstance(agent_log.version(log), str)
    assert agent_log.began(log) >= 0.0
