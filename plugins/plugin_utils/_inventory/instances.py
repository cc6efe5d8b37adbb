# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Describe EC2 instances in the fewest calls."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.place import Answer, Place
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.query import TagFilter

# The most AWS takes and gives at once (API reference of DescribeInstances).
INSTANCE_IDS_A_FILTER = 200
_INSTANCES_A_PAGE = 1000


def all_instances(place: Place, tag_filters: t.Iterable[TagFilter] = ()) -> dict[str, Answer]:
    """Describe all instances of the region that have these tags."""
    filters = [{"Name": f"tag:{key}", "Values": list(values)} for key, values in tag_filters if values]
    filters += [{"Name": "tag-key", "Values": [key]} for key, values in tag_filters if not values]
    return _described(place, filters)


def by_id(place: Place, instance_ids: list[str]) -> dict[str, Answer]:
    """Describe these few; a filter, unlike InstanceIds, allows pages and ids that are gone."""
    return _described(place, [{"Name": "instance-id", "Values": instance_ids}])


def _described(place: Place, filters: list[dict[str, t.Any]]) -> dict[str, Answer]:
    request = {"Filters": filters} if filters else {}
    pages = place.pages("ec2", "describe_instances", **request, PageSize=_INSTANCES_A_PAGE)
    found = (instance for page in pages for reservation in page["Reservations"] for instance in reservation["Instances"])
    return {instance["InstanceId"]: instance for instance in found}
