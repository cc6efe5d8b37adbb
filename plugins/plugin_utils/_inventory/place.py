# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An account in a region, with the clients to ask it."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure, FailureKind
from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import AwsSession, explained
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.sources import Owner

Answer = t.Mapping[str, t.Any]
#: takes a line, and the verbosity from which on the user wants to see it
Say = t.Callable[[str, int], None]

# Failures after which there is a second way worth trying.
_SECOND_CHOICE = frozenset({FailureKind.DENIED, FailureKind.UNSUPPORTED})
# What DescribeInstanceProperties says of a filter it does not have.
_FILTER_CODES = frozenset({"InvalidFilterKey", "InvalidInstancePropertyFilterValue"})


@dataclasses.dataclass(frozen=True)
class Place:
    """Where to ask; say tells the user of detours."""

    session: AwsSession
    region: str
    say: Say
    owner: Owner | None = None

    def ask(self, service: str, method: str, **request: t.Any) -> Answer:
        """Call an operation once."""
        client = self.session.client(service, self.region)
        with explained(service, self.region, client.meta.endpoint_url):
            answer: Answer = getattr(client, method)(**request)
            return answer

    def pages(self, service: str, method: str, **request: t.Any) -> t.Iterator[Answer]:
        """Call an operation for page after page; PageSize says how large they are to be."""
        client = self.session.client(service, self.region)
        size = {"PageSize": request.pop("PageSize")} if "PageSize" in request else {}
        with explained(service, self.region, client.meta.endpoint_url):
            yield from client.get_paginator(method).paginate(**request, PaginationConfig=size)


def has_second_choice(failure: AwsFailure) -> bool:
    """Whether another operation may be allowed what this one was not."""
    return failure.kind in _SECOND_CHOICE or failure.code in _FILTER_CODES
