# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When targets choose the same nodes."""

from __future__ import annotations

from ansible_collections.fleet.ssm.plugins.module_utils._commands.targets import same_targets


def test_neither_the_order_of_keys_nor_that_of_values_counts() -> None:
    one, other = {"Key": "tag:role", "Values": ["web", "db"]}, {"Key": "tag-key", "Values": ["site"]}
    assert same_targets([one, other], [other, {**one, "Values": ["db", "web"]}])
    assert not same_targets([one, other], [one])
    assert same_targets(None, [])
