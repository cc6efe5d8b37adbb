# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Ask AWS page by page for as much as is wanted, and turn what it does not answer into unknown parts. I/O."""

from __future__ import annotations

import itertools
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure, FailureKind, iam_action
from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import AwsSession
from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api
from ansible_collections.fleet.ssm.plugins.module_utils._executions.trace import Trace, unknown
from ansible_collections.fleet.ssm.plugins.module_utils._executions.wanted import NotThereError

Answer = dict[str, t.Any]

SCANNED = 500
"""How many entries of a list are looked through, of those that AWS cannot filter as wanted."""

# These hold for every question there is, so that asking the next one is of no use.
_HOPELESS = (FailureKind.CREDENTIALS, FailureKind.EXPIRED, FailureKind.TLS, FailureKind.SETUP)


class UnansweredError(Exception):
    """AWS does not answer a question; the trace stands for what it would have told."""

    def __init__(self, part: Trace, code: str) -> None:
        super().__init__(part.said)
        self.part = part
        self.code = code

    def refuse_if(self, code: str) -> None:
        """Raise NotThereError where AWS says by this code that there is no such thing."""
        if self.code == code:
            raise NotThereError(self.part.said)


class Questions:
    """An account in a region."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session

    def ask(self, about: str, operation: str, **request: t.Any) -> Answer:
        """Give an answer of Systems Manager; about is what it would tell, in the user's words."""
        try:
            return Api(self._session.client("ssm")).call(operation, **request)
        except AwsFailure as failure:
            raise _unanswered(failure, about, "ssm", operation) from failure

    def list(
        self, about: str, operation: str, member: str, most: int = SCANNED, service: str = "ssm", **request: t.Any
    ) -> tuple[list[Answer], list[Trace]]:
        """Give entries of a list, and what stands for those that are not given: more than are wanted, or not to be had."""
        try:
            entries = Api(self._session.client(service)).items(operation, member, **request)
            found = list(itertools.islice(entries, most + 1))
        except AwsFailure as failure:
            return [], [_unanswered(failure, about, service, operation).part]
        more = [unknown(f"more {about}", f"There are more than the {most} that were looked through.")] if len(found) > most else []
        return found[:most], more


def _unanswered(failure: AwsFailure, about: str, service: str, operation: str) -> UnansweredError:
    # Quick Setup is not everywhere; but where Systems Manager is not reached, nothing can be told.
    if failure.kind in _HOPELESS or (failure.kind is FailureKind.UNREACHABLE and service == "ssm"):
        raise failure
    action = iam_action(service, operation) if failure.kind is FailureKind.DENIED else ""
    return UnansweredError(unknown(about, str(failure), action), failure.code)
