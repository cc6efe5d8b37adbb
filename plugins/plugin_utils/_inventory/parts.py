# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say which parts an inventory has: accounts in regions, each with the identity that opens it."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure, FailureKind
from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import AwsSession, environment, open_session
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory import organization, regions, sources
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.caching import Cache, fingerprint
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.joining import Record
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.place import Place, Say
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.query import Query


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What to gather: whose nodes, in which regions, and what of them."""

    identities: tuple[AwsOptions, ...]
    query: Query
    #: none: that of the identity
    regions: tuple[str, ...] = ()
    #: of the resource data sync that has all nodes of the organisation
    sync_name: str = ""
    #: that opens the organisation's accounts
    organization_role: str = ""


@dataclasses.dataclass
class Part:
    """The nodes of one account in one region; options say how to reach them, their region included."""

    options: AwsOptions
    #: the fingerprint of all that decides what its nodes are
    question: str
    owner: sources.Owner | None = None
    #: what ListNodes told, when that was asked
    rows: organization.Rows | None = None
    records: list[Record] = dataclasses.field(default_factory=list)

    @property
    def label(self) -> str:
        """Name it, for messages."""
        return sources.label(self.options, self.owner)

    @property
    def region(self) -> str:
        """Say which region it is in."""
        return self.options.region or ""


class Sessions:
    """Opens a session for each identity."""

    def __init__(self) -> None:
        self._opened: dict[AwsOptions, AwsSession] = {}

    def open(self, options: AwsOptions) -> AwsSession:
        """Give the session of an identity; regions share it, for each session assumes its role anew."""
        identity = dataclasses.replace(options, region=None)
        if identity not in self._opened:
            self._opened[identity] = open_session(options)
        return self._opened[identity]


def find(wanted: Wanted, sessions: Sessions, cache: Cache, say: Say) -> list[Part]:
    """Find all parts, with as few questions as can be: none, unless regions or an organisation are to be looked up."""
    finder = _Finder(wanted, sessions, cache, say)
    return finder.of_organization() if wanted.sync_name else finder.of_identities()


class _Finder:
    def __init__(self, wanted: Wanted, sessions: Sessions, cache: Cache, say: Say) -> None:
        self._wanted, self._sessions, self._cache, self._say = wanted, sessions, cache, say

    def of_identities(self) -> list[Part]:
        """Pair each identity with each region."""
        return [
            self._part(dataclasses.replace(identity, region=region), sources.owner_of(identity))
            for identity in self._wanted.identities
            for region in self._regions(identity)
        ]

    def _regions(self, identity: AwsOptions) -> t.Sequence[str]:
        if self._wanted.regions == (regions.ALL,):
            return self._asked_once({"regions of": identity.public()}, lambda: regions.enabled(self._place(identity)))
        return self._wanted.regions or (self._sessions.open(identity).region,)

    def of_organization(self) -> list[Part]:
        """Take accounts and regions from where the nodes are."""
        if len(self._wanted.identities) > 1:
            raise sources.BadSource(
                "sync_name lists the accounts of the organisation by one identity; give no profiles and no roles."
            )
        (identity,) = self._wanted.identities
        wanted = () if self._wanted.regions == (regions.ALL,) else self._wanted.regions
        question = {
            "organisation": identity.public(),
            "sync": self._wanted.sync_name,
            "filters": organization.filters(self._wanted.query),
            "regions": wanted,
        }
        place = self._place(identity)
        rows = self._asked_once(question, lambda: organization.nodes(place, self._wanted.sync_name, self._wanted.query, wanted))
        own = sources.owner_of(identity) or (sources.Owner(place.session.partition, place.session.account) if rows else None)
        return [
            self._of_account(dataclasses.replace(identity, region=region), account, own, found)
            for (account, region), found in organization.by_place(rows).items()
            if own is not None
        ]

    def _of_account(self, options: AwsOptions, account: str, own: sources.Owner, rows: organization.Rows) -> Part:
        owner = own._replace(account=account)
        if owner != own and self._wanted.organization_role:
            arn = sources.organization_role(self._wanted.organization_role, owner)
            options = dataclasses.replace(options, assume_role_arn=arn)
        elif owner != own and self._wanted.query.asks_more:
            raise AwsFailure(
                f"There are nodes of account {account}, and it takes a role to ask for their tags, EC2 facts and reports."
                " Name it in organization_role, or turn those off.",
                FailureKind.SETUP,
            )
        return self._part(options, owner, rows)

    def _place(self, identity: AwsOptions) -> Place:
        session = self._sessions.open(identity)
        return Place(session, session.region, self._say)

    def _part(self, options: AwsOptions, owner: sources.Owner | None, rows: organization.Rows | None = None) -> Part:
        question = {"query": dataclasses.asdict(self._wanted.query), "rows": rows, **_whom(options)}
        return Part(options, fingerprint(question), owner, rows)

    def _asked_once(self, question: dict[str, t.Any], ask: t.Callable[[], list[t.Any]]) -> list[t.Any]:
        """Take from the cache what decides which parts there are, or ask; without it nothing can be listed."""
        key = fingerprint({**question, "environment": environment()})
        kept = self._cache.answer(key)
        if kept is None:
            kept = ask()
            self._cache.keep(key, kept)
        return list(kept)


def _whom(options: AwsOptions) -> dict[str, t.Any]:
    """Give what decides who is asked, without secrets."""
    return {"aws": options.public(), "environment": environment()}
