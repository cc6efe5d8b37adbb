# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask which regions an account can use."""

from __future__ import annotations

from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.place import Place

#: stands for all regions that the account has enabled
ALL = "all"


def enabled(place: Place) -> list[str]:
    """List the regions that need no opt-in or have it, which is what AWS gives unless asked for all."""
    return sorted(region["RegionName"] for region in place.ask("ec2", "describe_regions")["Regions"])
