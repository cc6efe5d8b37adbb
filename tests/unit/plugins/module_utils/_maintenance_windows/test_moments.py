# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When two texts mean the same time."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._maintenance_windows.moments import same_moment


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2030-01-31T02:00:00Z", "2030-01-31T03:00:00+01:00", True),
        ("2030-01-31T02:00", "2030-01-31T02:00:00", True),
        ("2030-01-31T02:00:00", "2030-01-31T02:00:00Z", False),
        ("2030-01-31T02:00:00Z", "2030-01-31T02:00:01Z", False),
        ("soon", "soon", True),
        ("soon", "later", False),
    ],
)
def test_times_are_the_same_however_they_are_written(one: str, other: str, same: bool) -> None:
    assert same_moment(one, other) == same
