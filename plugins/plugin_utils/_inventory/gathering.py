# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fill the parts of an inventory from the cache or from AWS, some at once, and say which could not be had."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import threading
import time
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure
from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import AwsSession
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.caching import Cache
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.crew import Crew
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.joining import Record, node_of_organization
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.listing import complete, list_nodes
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.parts import Part, Sessions, Wanted, find
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.place import Place, Say
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.query import Query
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.sources import Owner

_PARTS_AT_ONCE = 10
_CALLS_AT_ONCE = 20  # of all parts together
_CALLS_OF_A_PART = 2  # at least


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


def _ask(parts: list[Part], wanted: Wanted, sessions: Sessions, say: Say) -> t.Iterator[tuple[Part, list[Record] | AwsFailure]]:
    """Yield what became of each part."""
    at_once = max(_CALLS_OF_A_PART, _CALLS_AT_ONCE // min(_PARTS_AT_ONCE, len(parts) or 1))
    identities: dict[AwsSession, _Identity] = {}
    with Crew(_PARTS_AT_ONCE) as crew:
        asked: list[tuple[Part, concurrent.futures.Future[list[Record]] | AwsFailure]] = []
        for part in parts:
            try:
                session = sessions.open(part.options)
            except AwsFailure as failure:
                asked.append((part, failure))
                continue
            identity = identities.setdefault(session, _Identity(session, part, wanted))
            asked.append((part, crew.submit(functools.partial(_list, part, identity, wanted.query, at_once, say))))
        for part, future in asked:
            yield part, future if isinstance(future, AwsFailure) else _outcome(future)


class _Identity:
    """One that all its regions share: it proves itself once, so that a role that may not be assumed is told once."""

    def __init__(self, session: AwsSession, part: Part, wanted: Wanted) -> None:
        self.session = session
        self._owner = part.owner
        self._must_prove = bool(part.options.assume_role_arn) and (part.rows is None or wanted.query.asks_more)
        self._must_know = part.owner is None and (wanted.query.wants_hybrid_tags or len(wanted.identities) > 1)
        self._lock = threading.Lock()
        self._failure: AwsFailure | None = None

    def owner(self) -> Owner | None:
        """Say whose it is, where that is known or must be; AwsFailure when it is not accepted."""
        with self._lock:
            if self._failure is not None:
                raise self._failure.with_traceback(None)
            try:
                self._prove()
            except AwsFailure as failure:
                self._failure = failure
                raise
            return self._owner

    def _prove(self) -> None:
        if self._must_prove:
            self.session.credentials()
        if self._must_know:
            self._owner = Owner(self.session.partition, self.session.account)
        self._must_prove = self._must_know = False


def _list(part: Part, identity: _Identity, query: Query, at_once: int, say: Say) -> list[Record]:
    began = time.monotonic()
    owner = identity.owner()
    part.owner = part.owner or owner
    place = Place(identity.session, part.region, lambda line, level: say(f"{part.label}: {line}", level), part.owner)
    if part.rows is None:
        records = list_nodes(place, query, at_once)
    else:
        records = complete(place, query, at_once, [([node_of_organization(row) for row in part.rows], False)])
    place.say(f"{len(records)} nodes in {time.monotonic() - began:.1f} s", 2)
    return records


def _outcome(future: concurrent.futures.Future[list[Record]]) -> list[Record] | AwsFailure:
    try:
        return future.result()
    except AwsFailure as failure:
        return failure
