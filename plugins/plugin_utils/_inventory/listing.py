# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""List the nodes of one account in one region, with their tags and EC2 facts, in the fewest calls."""

from __future__ import annotations

import concurrent.futures
import functools
import itertools
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory import reports
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.crew import Crew
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.instances import INSTANCE_IDS_A_FILTER, all_instances, by_id
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.joining import Known, Record, is_hybrid, join, tags_of
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.place import Answer, Place, has_second_choice
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.query import Query
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.tagging import TagReader

Instances = dict[str, Answer]


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


def list_nodes(place: Place, query: Query, at_once: int) -> list[Record]:
    """List the nodes the query asks for; AwsFailure when any part of it cannot be had, so that no list is short in silence."""
    return complete(place, query, at_once, _node_pages(place, query))


def complete(place: Place, query: Query, at_once: int, pages: t.Iterable[tuple[list[Answer], bool]]) -> list[Record]:
    """Add to nodes what the query asks for besides; of each page is said whether more come. At most so many calls at once."""
    with Crew(at_once) as crew:
        beside = _Beside(place, query, crew)
        nodes: list[Answer] = []
        for page, more in pages:
            nodes += page
            beside.look_at(page, more)
        instances = beside.instances()
        tags = {**beside.hybrid_tags(), **{instance_id: tags_of(one.get("Tags", ())) for instance_id, one in instances.items()}}
        known = Known(place.region, place.owner.account if place.owner else "")
        known.instances = instances if query.ec2_facts else {}
        if query.unmanaged:
            known.unmanaged = _unmanaged(instances, nodes)
        if query.tag_filters:
            nodes = [node for node in nodes if query.accepts(tags.get(node["InstanceId"], {}))]
            known.unmanaged = [one for one in known.unmanaged if query.accepts(tags[one["InstanceId"]])]
        if query.wants_tags:
            known.tags = tags
        if query.reports:
            known.reports = reports.read(place, query, crew, nodes)
    return join(nodes, known)


class _Beside:
    """Asks for tags and instances while the nodes are still coming."""

    def __init__(self, place: Place, query: Query, crew: Crew) -> None:
        self._place, self._query, self._crew = place, query, crew
        self._reader = TagReader(place)
        self._ec2: list[str] = []
        self._hybrid: list[str] = []
        self._tags: list[concurrent.futures.Future[dict[str, dict[str, str]]]] = []
        self._all: concurrent.futures.Future[Instances] | None = None
        self._matching: concurrent.futures.Future[dict[str, dict[str, str]] | None] | None = None
        # What filters by tags, or looks for instances that are no nodes, need not know the nodes.
        if query.wants_instances and (query.unmanaged or query.tag_filters):
            self._ask_for_all()
        if query.wants_hybrid_tags and query.tag_filters:
            self._matching = crew.submit(functools.partial(self._reader.matching, query.tag_filters))

    def look_at(self, page: t.Sequence[Answer], more: bool) -> None:
        """Ask for what these nodes make necessary."""
        for node in page:
            (self._hybrid if is_hybrid(node["InstanceId"]) else self._ec2).append(node["InstanceId"])
        if self._query.wants_hybrid_tags and self._matching is None:
            # Whole batches, so that where pages end costs no call.
            self._read_tags(len(self._hybrid) // self._reader.a_call * self._reader.a_call if more else len(self._hybrid))
        if self._query.wants_instances and self._ec2 and self._all is None and (more or len(self._ec2) > INSTANCE_IDS_A_FILTER):
            self._ask_for_all()

    def instances(self) -> Instances:
        """Give the instances that were asked for, or the few that there are."""
        if self._all is not None:
            return self._all.result()
        return by_id(self._place, self._ec2) if self._query.wants_instances and self._ec2 else {}

    def hybrid_tags(self) -> dict[str, dict[str, str]]:
        """Give the tags of hybrid nodes, of those at least that have the tags wanted."""
        matching = self._matching.result() if self._matching is not None else None
        if matching is not None:
            return matching
        self._read_tags(len(self._hybrid) if self._query.wants_hybrid_tags else 0)
        return {node_id: tags for future in self._tags for node_id, tags in future.result().items()}

    def _ask_for_all(self) -> None:
        self._all = self._crew.submit(functools.partial(all_instances, self._place, self._query.tag_filters))

    def _read_tags(self, count: int) -> None:
        ready, self._hybrid = self._hybrid[:count], self._hybrid[count:]
        for start in range(0, len(ready), self._reader.a_call):
            batch = ready[start : start + self._reader.a_call]
            self._tags.append(self._crew.submit(functools.partial(self._reader.read, batch)))


def _node_pages(place: Place, query: Query) -> t.Iterator[tuple[list[Answer], bool]]:
    best, second = _WAYS
    pages = _pages_by(place, query, best)
    try:
        # Only what is denied is denied at once; a failure later on is one.
        first = next(pages, ([], True))
    except AwsFailure as failure:
        if not has_second_choice(failure):
            raise
        place.say(f"Listing by ssm:{second.operation}, {second.a_page} nodes a call, because: {failure}", 1)
        yield from _pages_by(place, query, second)
    else:
        yield from itertools.chain([first], pages)


def _pages_by(place: Place, query: Query, way: _Way) -> t.Iterator[tuple[list[Answer], bool]]:
    filters = [{way.key_member: key, way.values_member: list(values)} for key, values in query.filters().items()]
    request = {way.filters_member: filters} if filters else {}
    for page in place.pages("ssm", way.method, **request, PageSize=way.a_page):
        yield page[way.member], bool(page.get("NextToken"))


def _unmanaged(instances: Instances, nodes: t.Iterable[Answer]) -> list[Answer]:
    """Give the running instances that are no nodes; others cannot be any."""
    managed = frozenset(node["InstanceId"] for node in nodes)
    return [one for one in instances.values() if one["InstanceId"] not in managed and one["State"]["Name"] == "running"]
