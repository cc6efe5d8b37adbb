# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the tags of hybrid nodes in the fewest calls."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.joining import tags_of
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.place import Answer, Place, has_second_choice
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.query import TagFilter

# botocore's model of GetResources.
_ARNS_A_CALL = 100
_RESOURCES_A_PAGE = 100


class TagReader:
    """Reads tags a hundred nodes a call, or where that is not allowed one by one; the threads of a place share it."""

    a_call = _ARNS_A_CALL

    def __init__(self, place: Place) -> None:
        self._place = place
        self._one_by_one = False

    def matching(self, tag_filters: t.Iterable[TagFilter]) -> dict[str, dict[str, str]] | None:
        """Give the tags of the nodes that have these; None when it may not be asked."""
        request = {
            "ResourceTypeFilters": ["ssm:managed-instance"],
            "TagFilters": [{"Key": key, "Values": list(values)} for key, values in tag_filters],
        }
        try:
            pages = self._place.pages("resourcegroupstaggingapi", "get_resources", **request, PageSize=_RESOURCES_A_PAGE)
            return _by_node(entry for page in pages for entry in page["ResourceTagMappingList"])
        except AwsFailure as failure:
            if not has_second_choice(failure):
                raise
            self._tell(failure)
            return None

    def read(self, node_ids: t.Sequence[str]) -> dict[str, dict[str, str]]:
        """Give the tags of up to a hundred nodes; one that never had a tag may be left out."""
        if not self._one_by_one:
            try:
                return self._by_arn(node_ids)
            except AwsFailure as failure:
                if not has_second_choice(failure):
                    raise
                self._tell(failure)
        return {node_id: self._of_one(node_id) for node_id in node_ids}

    def _tell(self, failure: AwsFailure) -> None:
        if not self._one_by_one:
            self._one_by_one = True
            self._place.say(f"Reading tags by ssm:ListTagsForResource, one node a call, because: {failure}", 1)

    def _by_arn(self, node_ids: t.Sequence[str]) -> dict[str, dict[str, str]]:
        owner = self._place.owner
        if owner is None:
            raise AssertionError("tags of hybrid nodes are asked by ARN, which has the account in it")
        prefix = f"arn:{owner.partition}:ssm:{self._place.region}:{owner.account}:managed-instance/"
        arns = [prefix + node_id for node_id in node_ids]
        answer = self._place.ask("resourcegroupstaggingapi", "get_resources", ResourceARNList=arns)
        return _by_node(answer["ResourceTagMappingList"])

    def _of_one(self, node_id: str) -> dict[str, str]:
        request = {"ResourceType": "ManagedInstance", "ResourceId": node_id}
        return tags_of(self._place.ask("ssm", "list_tags_for_resource", **request).get("TagList", ()))


def _by_node(entries: t.Iterable[Answer]) -> dict[str, dict[str, str]]:
    return {entry["ResourceARN"].rpartition("/")[2]: tags_of(entry["Tags"]) for entry in entries}
