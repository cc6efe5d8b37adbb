# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""List the managed nodes of one region, with their tags and EC2 facts, in the fewest calls."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import itertools
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure, FailureKind
from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import AwsSession, explained
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.joining import Answer, Record, is_hybrid, join, tags_of

Say = t.Callable[[str], None]

# The most AWS gives at once (botocore's model; for DescribeInstances the API reference).
_INSTANCES_A_PAGE = 1000
_INSTANCE_IDS_A_FILTER = 200
_ARNS_A_CALL = 100

_AT_ONCE = 10
_SECOND_CHOICE = frozenset({FailureKind.DENIED, FailureKind.UNSUPPORTED})


@dataclasses.dataclass(frozen=True)
class Query:
    """What to list: filters (empty: no filter), and what to fetch besides."""

    ping_status: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    resource_types: tuple[str, ...] = ()
    tags: bool = True
    ec2_facts: bool = False

    def filters(self) -> dict[str, tuple[str, ...]]:
        """Give the filters by the keys that both operations have."""
        said = {"PingStatus": self.ping_status, "PlatformTypes": self.platforms, "ResourceType": self.resource_types}
        return {key: values for key, values in said.items() if values}


class _Way(t.NamedTuple):
    operation: str
    method: str
    member: str
    a_page: int
    filters_member: str
    key_member: str
    values_member: str


# The console's operation has twenty times the page, and EC2 facts; not everyone is allowed it.
_WAYS = (
    _Way("DescribeInstanceProperties", "describe_instance_properties", "InstanceProperties", 1000,
         "InstancePropertyFilterList", "key", "valueSet"),
    _Way("DescribeInstanceInformation", "describe_instance_information", "InstanceInformationList", 50,
         "Filters", "Key", "Values"),
)  # fmt: skip


def list_nodes(session: AwsSession, query: Query, say: Say) -> list[Record]:
    """List the nodes the query asks for; AwsFailure when any part of it cannot be had, so that no list is short in silence."""
    nodes = _nodes(session, query, say)
    instance_ids = [node["InstanceId"] for node in nodes]
    hybrid = [node_id for node_id in instance_ids if is_hybrid(node_id)]
    ec2 = [node_id for node_id in instance_ids if not is_hybrid(node_id)]
    instances = _instances(session, ec2) if ec2 and (query.tags or query.ec2_facts) else {}
    tags = _hybrid_tags(session, hybrid, say) if hybrid and query.tags else {}
    if query.tags:
        tags.update({instance_id: tags_of(instance.get("Tags", ())) for instance_id, instance in instances.items()})
    return join(nodes, tags, instances if query.ec2_facts else {}, session.region)


def _nodes(session: AwsSession, query: Query, say: Say) -> list[Answer]:
    best, second = _WAYS
    try:
        return _nodes_by(session, query, best)
    except AwsFailure as failure:
        if failure.kind not in _SECOND_CHOICE:
            raise
        say(f"Listing by ssm:{second.operation}, {second.a_page} nodes a call, because: {failure}")
        return _nodes_by(session, query, second)


def _nodes_by(session: AwsSession, query: Query, way: _Way) -> list[Answer]:
    client = session.client("ssm")
    filters = [{way.key_member: key, way.values_member: list(values)} for key, values in query.filters().items()]
    request = {way.filters_member: filters} if filters else {}
    with explained("ssm", session.region, client.meta.endpoint_url):
        pages = client.get_paginator(way.method).paginate(**request, PaginationConfig={"PageSize": way.a_page})
        return [node for page in pages for node in page[way.member]]


def _instances(session: AwsSession, instance_ids: list[str]) -> dict[str, Answer]:
    """Describe the few by id, or else the whole region; a filter, unlike InstanceIds, allows pages and ids that are gone."""
    client = session.client("ec2")
    few = len(instance_ids) <= _INSTANCE_IDS_A_FILTER
    request = {"Filters": [{"Name": "instance-id", "Values": instance_ids}]} if few else {}
    with explained("ec2", session.region, client.meta.endpoint_url):
        pages = client.get_paginator("describe_instances").paginate(**request, PaginationConfig={"PageSize": _INSTANCES_A_PAGE})
        found = [instance for page in pages for reservation in page["Reservations"] for instance in reservation["Instances"]]
    wanted = set(instance_ids)
    return {instance["InstanceId"]: instance for instance in found if instance["InstanceId"] in wanted}


def _hybrid_tags(session: AwsSession, node_ids: list[str], say: Say) -> dict[str, dict[str, str]]:
    try:
        return _tags_by_hundreds(session, node_ids)
    except AwsFailure as failure:
        if failure.kind not in _SECOND_CHOICE:
            raise
        say(f"Reading tags by ssm:ListTagsForResource, one node a call, because: {failure}")
        return _tags_one_by_one(session, node_ids)


def _tags_by_hundreds(session: AwsSession, node_ids: list[str]) -> dict[str, dict[str, str]]:
    client = session.client("resourcegroupstaggingapi")
    prefix = f"arn:{session.partition}:ssm:{session.region}:{session.account}:managed-instance/"

    def ask(batch: tuple[str, ...]) -> dict[str, dict[str, str]]:
        with explained("resourcegroupstaggingapi", session.region, client.meta.endpoint_url):
            answer = client.get_resources(ResourceARNList=[prefix + node_id for node_id in batch])
        # A node that never had a tag is not in the answer.
        found = answer["ResourceTagMappingList"]
        return {entry["ResourceARN"].rpartition("/")[2]: tags_of(entry["Tags"]) for entry in found}

    return _merged(ask, _batches(node_ids, _ARNS_A_CALL))


def _tags_one_by_one(session: AwsSession, node_ids: list[str]) -> dict[str, dict[str, str]]:
    client = session.client("ssm")

    def ask(node_id: str) -> dict[str, dict[str, str]]:
        with explained("ssm", session.region, client.meta.endpoint_url):
            answer = client.list_tags_for_resource(ResourceType="ManagedInstance", ResourceId=node_id)
        return {node_id: tags_of(answer.get("TagList", ()))}

    return _merged(ask, node_ids)


def _merged(ask: t.Callable[[t.Any], dict[str, dict[str, str]]], parts: t.Iterable[t.Any]) -> dict[str, dict[str, str]]:
    """Ask for the parts, some at once. Clients are safe to use from threads."""
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            return {key: tags for answer in pool.map(ask, parts) for key, tags in answer.items()}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _batches(items: t.Iterable[str], size: int) -> t.Iterator[tuple[str, ...]]:
    rest = iter(items)
    while batch := tuple(itertools.islice(rest, size)):
        yield batch
