# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Ask AWS each question once, and tell a missing right from every other failure. I/O."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure, FailureKind, iam_action
from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import AwsSession
from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api

Answer = dict[str, t.Any]


class NoAnswerError(Exception):
    """AWS did not answer a question; the text says why."""


class DeniedError(NoAnswerError):
    """Our identity may not ask it; action is the IAM action that is missing."""

    def __init__(self, sentence: str, action: str) -> None:
        super().__init__(sentence)
        self.action = action


class RefusedError(NoAnswerError):
    """AWS refused it for what was asked; code is its word for why: there is no such thing, for instance."""

    def __init__(self, sentence: str, code: str) -> None:
        super().__init__(sentence)
        self.code = code


class Account:
    """An account and region."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session
        self._answers: dict[str, t.Any] = {}
        self._unreachable: dict[tuple[str, str], NoAnswerError] = {}
        self.region = session.region

    def ask(self, service: str, operation: str, *, region: str = "", **request: t.Any) -> Answer:
        """Give AWS's answer; the same question is asked once."""
        return t.cast("Answer", self._once(service, operation, region, request, ""))

    def list(self, service: str, operation: str, member: str, *, region: str = "", **request: t.Any) -> list[Answer]:
        """Give the entries of a list in AWS's answer, from all pages."""
        return t.cast("list[Answer]", self._once(service, operation, region, request, member))

    def _once(self, service: str, operation: str, region: str, request: Answer, member: str) -> t.Any:
        key = json.dumps([service, operation, region, member, request], sort_keys=True, default=str)
        if key not in self._answers:
            self._answers[key] = self._answer(service, operation, region, request, member)
        answer = self._answers[key]
        if isinstance(answer, NoAnswerError):
            raise answer
        return answer

    def _answer(self, service: str, operation: str, region: str, request: Answer, member: str) -> t.Any:
        # An endpoint that cannot be reached takes half a minute to say so, once.
        place = (service, region)
        if place in self._unreachable:
            return self._unreachable[place]
        try:
            return self._ask(service, operation, region, request, member)
        except AwsFailure as failure:
            error = _as_error(failure, iam_action(service, operation))
            if failure.kind is FailureKind.UNREACHABLE:
                self._unreachable[place] = error
            return error

    def _ask(self, service: str, operation: str, region: str, request: Answer, member: str) -> t.Any:
        api = Api(self._session.client(service, region or None))
        if not member:
            return api.call(operation, **request)
        return list(api.items(operation, member, **request))


def _as_error(failure: AwsFailure, action: str) -> NoAnswerError:
    if failure.kind is FailureKind.DENIED:
        return DeniedError(str(failure), action)
    if failure.kind is FailureKind.OTHER:
        return RefusedError(str(failure), failure.code)
    return NoAnswerError(str(failure))
