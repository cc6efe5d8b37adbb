# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Go to several endpoints at once, and wait no longer than a deadline for all. I/O; runs on nodes, with Python 3.6."""

import threading
import time
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.dialling import DONE, Journey

Result = t.TypeVar("Result")


class Later(t.Generic[Result]):
    """What a thread works out; it does not keep the module from ending, as a name server that never answers would."""

    def __init__(self, work: "t.Callable[[], Result]", otherwise: Result) -> None:
        self._result = otherwise
        self._work = work
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self, until: float) -> Result:
        """Give the result, or what was to be given otherwise when there is none by then (time.monotonic)."""
        self._thread.join(max(0.0, until - time.monotonic()))
        return self._result

    def _run(self) -> None:
        self._result = self._work()


def set_out(journeys: "t.Sequence[Journey]", go: "t.Callable[[Journey], None]") -> "t.List[Later[None]]":
    """Begin all journeys."""
    return [Later(_of(journey, go), None) for journey in journeys]


def come_back(journeys: "t.Sequence[Journey]", threads: "t.Sequence[Later[None]]", until: float) -> "t.List[Journey]":
    """Wait for all; those that are not back by then get that as their error."""
    for thread in threads:
        thread.wait(until)
    return [_as_it_is(journey) for journey in journeys]


def _of(journey: Journey, go: "t.Callable[[Journey], None]") -> "t.Callable[[], None]":
    return lambda: go(journey)


def _as_it_is(journey: Journey) -> Journey:
    """Take a copy, which a thread that is still under way does not change."""
    copy = Journey(journey.endpoint, journey.via)
    vars(copy).update(vars(journey))
    if copy.step != DONE and not copy.error:
        copy.error = "no answer in time"
    return copy
