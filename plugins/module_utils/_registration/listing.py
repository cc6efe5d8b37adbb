# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Ask AWS for managed nodes and their tags, many at a time. I/O."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure
from ansible_collections.fleet.ssm.plugins.module_utils._engine import shapes
from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api

Tags = dict[str, str]
Listed = t.TypeVar("Listed")

_UNKNOWN_ID = "InvalidInstanceId"
_NODE_ID = re.compile(r"\bm?i-[0-9a-f]+\b")

# What AddTagsToResource calls a hybrid node; EC2 instances have EC2's tags.
TAGGED_AS = "ManagedInstance"
_RESOURCE_TYPE = "ssm:managed-instance"
# The most there can be (API reference of GetResources; botocore's model does not say it).
_RESOURCES_A_PAGE = 100


def records(ssm: Api, node_ids: t.Iterable[str]) -> dict[str, dict[str, t.Any]]:
    """Return what AWS lists of nodes, by id; ids it does not know are left out."""
    operation = "DescribeInstanceInformation"
    shape = ssm.request_shape(operation).members["Filters"]

    def ask(ids: t.Sequence[str]) -> list[dict[str, t.Any]]:
        wanted = shapes.filters(shape, {"InstanceIds": ids})
        return list(ssm.items(operation, "InstanceInformationList", Filters=wanted))

    batches = shapes.batches(shape, {"InstanceIds": sorted(set(node_ids))})
    return {record["InstanceId"]: record for some in batches for record in of_known(some["InstanceIds"], ask)}


def of_known(ids: t.Sequence[str], ask: t.Callable[[t.Sequence[str]], list[Listed]]) -> list[Listed]:
    """Ask for nodes of which AWS may not know some: it can refuse all for one of them, and mostly says which."""
    if not ids:
        return []
    try:
        return ask(ids)
    except AwsFailure as failure:
        if failure.code != _UNKNOWN_ID:
            raise
        named = set(_NODE_ID.findall(str(failure)))
    left = [node_id for node_id in ids if node_id not in named]
    if len(left) < len(ids):
        return of_known(left, ask)
    half = len(ids) // 2
    return of_known(ids[:half], ask) + of_known(ids[half:], ask) if half else []


def tags(tagging: Api) -> dict[str, Tags]:
    """Return the tags of all hybrid nodes that have any, by id: a hundred nodes a call."""
    listed = tagging.items(
        "GetResources", "ResourceTagMappingList", ResourceTypeFilters=[_RESOURCE_TYPE], ResourcesPerPage=_RESOURCES_A_PAGE
    )
    return {entry["ResourceARN"].rpartition("/")[2]: {tag["Key"]: tag["Value"] for tag in entry["Tags"]} for entry in listed}
