# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is dropped before a machine is entered."""

from __future__ import annotations

from tests.machines import capabilities

_SYS_TIME, _KILL = 25, 5


def test_what_a_machine_lacks_is_dropped_by_name() -> None:
    assert capabilities.withheld(1 << _SYS_TIME | 1 << _KILL, 1 << _KILL) == ["sys_time"]


def test_what_we_lack_ourselves_need_not_be_dropped() -> None:
    assert capabilities.withheld(1 << _KILL, 0) == ["kill"]
    assert capabilities.withheld(0, 1 << _SYS_TIME) == []


def test_a_capability_newer_than_the_list_is_dropped_by_number() -> None:
    assert capabilities.withheld(1 << 60, 0) == ["cap_60"]


def test_a_bounding_set_is_read_from_the_process() -> None:
    assert capabilities.bounding_set("self") == capabilities.bounding_set("thread-self")
