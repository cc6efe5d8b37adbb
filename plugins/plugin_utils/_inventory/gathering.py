# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fill the parts of an inventory from the cache or from AWS, some at once, and say which could not be had."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import time
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.caching import Cache
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.crew import Crew
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.joining import Record, node_of_organization
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.listing import complete, list_nodes
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.parts import Part, Sessions, Wanted, find
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.place import Place, Say
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.query import Query
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.sources import Owner

_PARTS_AT_ONCE = 10
_CALLS_AT_ONCE = 20  # of all parts together; a part has two at least


@dataclasses.dataclass(frozen=True)
class Missing:
    """A part that could not be had, and why; an answer of an earlier run if there is one."""

    part: Part
    failure: AwsFailure
    #: seconds since 1970, of the answer
    kept_at: float | None = None


class Gathered(t.NamedTuple):
    """All parts; those that are missing have the records of an earlier run, or none."""

    parts: list[Part]
    missing: list[Missing]
    from_cache: int


def gather(wanted: Wanted, cache: Cache, say: Say) -> Gathered:
    """Gather everything; AwsFailure only when it cannot be known which parts there are."""
    sessions = Sessions()
    parts = find(wanted, sessions, cache, say)
    asked: list[Part] = []
    for part in parts:
        answer = cache.answer(part.question)
        if answer is None:
            asked.append(part)
        else:
            part.records = answer
    missing = []
    for part, outcome in _ask(asked, wanted, sessions, say):
        if isinstance(outcome, AwsFailure):
            kept = cache.in_need(part.question)
            part.records = kept["answer"] if kept else []
            missing.append(Missing(part, outcome, kept["at"] if kept else None))
        else:
            part.records = outcome
            cache.keep(part.question, outcome)
    return Gathered(parts, missing, len(parts) - len(asked))


_Outcomes = t.Iterator[tuple[Part, "list[Record] | AwsFailure"]]


def _ask(parts: list[Part], wanted: Wanted, sessions: Sessions, say: Say) -> _Outcomes:
    """Yield what became of each part."""
    places: list[tuple[Part, Place]] = []
    for part, place in _places(parts, wanted, sessions, say):
        if isinstance(place, AwsFailure):
            yield part, place
        else:
            places.append((part, place))
    with Crew(_PARTS_AT_ONCE) as crew:
        at_once = max(2, _CALLS_AT_ONCE // min(_PARTS_AT_ONCE, len(places) or 1))
        works = [(part, functools.partial(_list, part, place, wanted.query, at_once)) for part, place in places]
        for part, future in [(part, crew.submit(work)) for part, work in works]:
            yield part, _outcome(future)


def _places(parts: list[Part], wanted: Wanted, sessions: Sessions, say: Say) -> t.Iterator[tuple[Part, Place | AwsFailure]]:
    """Learn whose accounts they are, and make all clients here: sessions are for one thread, clients for any."""
    by_identity: dict[t.Any, list[Part]] = {}
    for part in parts:
        by_identity.setdefault(dataclasses.replace(part.options, region=None), []).append(part)
    with Crew(_PARTS_AT_ONCE) as crew:
        asked = [(found, _introduced(found[0], wanted, sessions, crew)) for found in by_identity.values()]
        for found, future in asked:
            owner = future if isinstance(future, AwsFailure) else _outcome(future)
            for part in found:
                yield part, owner if isinstance(owner, AwsFailure) else _place(part, owner, wanted.query, sessions, say)


def _introduced(part: Part, wanted: Wanted, sessions: Sessions, crew: Crew) -> concurrent.futures.Future[Owner | None] | AwsFailure:
    """Have an identity prove itself once, before all its regions do, and say whose it is where that matters."""
    must_know = part.owner is None and (wanted.query.wants_hybrid_tags or len(wanted.identities) > 1)
    try:
        session = sessions.open(part.options)
        if must_know:
            session.client("sts")
    except AwsFailure as failure:
        return failure

    def introduce() -> Owner | None:
        if part.options.assume_role_arn and _asks(part, wanted.query):
            session.credentials()
        return Owner(session.partition, session.account) if must_know else part.owner

    return crew.submit(introduce)


def _asks(part: Part, query: Query) -> bool:
    return part.rows is None or query.asks_more


def _place(part: Part, owner: Owner | None, query: Query, sessions: Sessions, say: Say) -> Place | AwsFailure:
    part.owner = part.owner or owner
    session = sessions.open(part.options)
    wanted = {"ssm": True, "ec2": query.wants_instances, "resourcegroupstaggingapi": query.wants_hybrid_tags}
    try:
        for service in (service for service, wants in wanted.items() if wants):
            session.client(service, part.region)
    except AwsFailure as failure:
        return failure
    return Place(session, part.region, lambda line, level: say(f"{part.label}: {line}", level), part.owner)


def _list(part: Part, place: Place, query: Query, at_once: int) -> list[Record]:
    began = time.monotonic()
    if part.rows is None:
        records = list_nodes(place, query, at_once)
    else:
        records = complete(place, query, at_once, [([node_of_organization(row) for row in part.rows], False)])
    place.say(f"{len(records)} nodes in {time.monotonic() - began:.1f} s", 2)
    return records


def _outcome(future: concurrent.futures.Future[t.Any]) -> t.Any:
    """Give the result, or the failure instead of it."""
    try:
        return future.result()
    except AwsFailure as failure:
        return failure
