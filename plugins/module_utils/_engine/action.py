# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Begin what takes its time, ask until it is over, give what came of it, and cancel it when nobody waits any more."""

from __future__ import annotations

import dataclasses
import random
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure, FailureKind
from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api

Result = dict[str, t.Any]

# What passes by itself: the next question may well be answered. botocore has tried several times before it tells of one.
_PASSING = frozenset({FailureKind.THROTTLED, FailureKind.UNAVAILABLE, FailureKind.UNREACHABLE})
_GROWTH = 1.5
# Modules that were begun together shall not ask together.
_JITTER = (0.75, 1.25)


class StoppedError(BaseException):
    """Whoever waits for the module has told it to end, or is gone; no ``except Exception`` may keep it."""


class UnfinishedError(Exception):
    """It was begun, and the module leaves before it is over; the result is what is known of it."""

    def __init__(self, sentence: str, result: Result, code: str = "") -> None:
        super().__init__(sentence)
        self.result = result
        self.code = code


class Watch(t.Protocol):
    """The time, and word of who waits for the module."""

    def now(self) -> float:
        """Give seconds on a clock that is never set."""

    def sleep(self, seconds: float) -> None:
        """Let time pass; StoppedError when nobody waits any more."""

    def undisturbed(self) -> t.ContextManager[None]:
        """Hold StoppedError back until the end of the block."""

    def on_death(self, act: t.Callable[[], object]) -> None:
        """Have something done when the module is killed, instead of what was to be done before."""


@dataclasses.dataclass(frozen=True)
class Ending:
    """What a module returns, and what it fails with; an empty sentence: it does not."""

    result: Result
    failure: str = ""


class Action:
    """Something AWS does once. A module declares the facts below and says how to start, poll, collect and cancel it."""

    service: t.ClassVar[str] = "ssm"
    first_pause: t.ClassVar[float] = 1.0
    """How many seconds to wait before the second question; each pause is longer than the one before."""
    longest_pause: t.ClassVar[float] = 15.0
    rules: t.ClassVar[dict[str, t.Any]] = {}
    """What AnsibleModule is told besides the options."""
    secrets: t.ClassVar[frozenset[str]] = frozenset()

    def __init__(self, api: Api, options: t.Mapping[str, t.Any]) -> None:
        self.api = api
        self.options = options
        self._begun = False
        self._over = False

    # What a module says for itself.

    def check(self) -> None:
        """Raise RefusedError when the options cannot be right."""

    def predict(self) -> Result:
        """Give what a run would return, as far as can be told without one; changed is true unless said."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin it, or its next part; no signal disturbs that."""
        raise NotImplementedError

    def started(self) -> Result:
        """Give what is known of what was begun: the ids to find it by."""
        raise NotImplementedError

    def poll(self) -> bool:
        """Ask how it goes; say whether it is over, or the part of it that was begun last."""
        raise NotImplementedError

    def has_next(self) -> bool:
        """Say whether a part is yet to be begun, now that those before are over."""
        return False

    def progress(self) -> str:
        """Say how far it is, by the last answer, in a sentence."""
        raise NotImplementedError

    def collect(self) -> Result:
        """Give what came of it, or so far; changed is true unless said."""
        raise NotImplementedError

    def failure(self) -> str:
        """Say what failed, once it is collected; empty when nothing did that the user minds."""
        raise NotImplementedError

    def cancel(self) -> None:
        """End what was begun."""
        raise NotImplementedError

    def goes_on(self) -> str:
        """Say that it goes on without the module, and how to look after it or end it."""
        raise NotImplementedError

    # What the engine does with it.

    def run(self, check_mode: bool, watch: Watch) -> Ending:
        """Begin it, and follow it to its end unless the user does not want to wait."""
        try:
            self.check()
            if check_mode:
                return Ending({"changed": True, **self.predict()})
            return self._carried_out(watch)
        except StoppedError as stopped:
            if not self._begun:
                raise UnfinishedError(f"{stopped} Nothing was begun.", {"changed": False}) from stopped
            end = "It was over, but not told of yet." if self._over else self._called_off()
            raise UnfinishedError(f"{stopped} {end}", self._known()) from stopped

    def _carried_out(self, watch: Watch) -> Ending:
        self._start(watch)
        if not self.options["wait"]:
            return Ending(self._known())
        try:
            self._over = self._followed(watch)
            result = {**self._known(), **self.collect()}
        except AwsFailure as failure:
            raise UnfinishedError(f"{failure} {self.goes_on()}", self._known(), failure.code) from failure
        if not self._over:
            seconds = self.options["wait_timeout"]
            raise UnfinishedError(f"It was not over after {seconds} seconds. {self.progress()} {self.goes_on()}", result)
        return Ending(result, self.failure())

    def _start(self, watch: Watch) -> None:
        # Stopped between the request and its answer, nobody would know what to cancel.
        with watch.undisturbed():
            self.start()
            self._begun = True
            if self.options["wait"]:
                watch.on_death(self._abandon)

    def _followed(self, watch: Watch) -> bool:
        """Ask until it is over; say whether that was within the time allowed."""
        deadline = watch.now() + self.options["wait_timeout"]
        pause = self.first_pause
        while True:
            passing = None
            try:
                if self.poll():
                    if not self.has_next():
                        return True
                    self._start(watch)
                    pause = self.first_pause
            except AwsFailure as failure:
                if failure.kind not in _PASSING:
                    raise
                passing = failure
            left = deadline - watch.now()
            if left <= 0:
                if passing is not None:
                    raise passing
                return False
            watch.sleep(min(pause * random.uniform(*_JITTER), left))  # noqa: S311
            pause = min(pause * _GROWTH, self.longest_pause)

    def _called_off(self) -> str:
        try:
            self.cancel()
        except AwsFailure as failure:
            return f"It could not be cancelled: {failure} {self.goes_on()}"
        return "It was cancelled."

    def _abandon(self) -> None:
        # The process that was killed has used its connections since this one was made.
        self.api.forget_connections()
        self.cancel()

    def _known(self) -> Result:
        return {"changed": True, **self.started()}
