# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An action is begun once, asked after in time, told of, and cancelled when nobody waits any more; on a clock of the tests' own."""

from __future__ import annotations

import contextlib
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure, FailureKind
from ansible_collections.fleet.ssm.plugins.module_utils._engine.action import Action, StoppedError, UnfinishedError
from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import RefusedError

THROTTLED = AwsFailure("AWS throttled it.", FailureKind.THROTTLED, "ThrottlingException")
DENIED = AwsFailure("Not allowed.", FailureKind.DENIED, "AccessDeniedException")


class Clock:
    """A Watch whose time passes only when somebody sleeps; at stop_at seconds it stops the module."""

    def __init__(self, stop_at: float = float("inf")) -> None:
        self.time = 0.0
        self.pauses: list[float] = []
        self.stop_at = stop_at
        self.stops_in_start = False
        self.guarded = 0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds
        if self.time >= self.stop_at:
            raise StoppedError("Told to end.")

    @contextlib.contextmanager
    def undisturbed(self) -> t.Iterator[None]:
        yield
        if self.stops_in_start:
            raise StoppedError("Told to end.")

    def on_death(self, act: t.Callable[[], object]) -> None:
        self.guarded += 1


class Journey(Action):
    """The least a module has to say; over after so many questions, of which some fail."""

    def __init__(self, questions: int = 1, parts: int = 1, failing: t.Sequence[AwsFailure | None] = (), **options: t.Any) -> None:
        super().__init__(t.cast("t.Any", None), {"wait": True, "wait_timeout": 60, **options})
        self.questions = questions
        self.parts = parts
        self.failing = list(failing)
        self.did: list[str] = []
        self.cancelling: AwsFailure | None = None

    def check(self) -> None:
        if "wrong" in self.options:
            raise RefusedError("That cannot be.")

    def predict(self) -> dict[str, t.Any]:
        return {"would": "go"}

    def start(self) -> None:
        self.did.append("start")

    def started(self) -> dict[str, t.Any]:
        return {"id": "j-1"}

    def poll(self) -> bool:
        self.did.append("poll")
        failure = self.failing.pop(0) if self.failing else None
        if failure is not None:
            raise failure
        return self.did[::-1].index("start") >= self.questions

    def has_next(self) -> bool:
        return self.did.count("start") < self.parts

    def progress(self) -> str:
        return "It is half way."

    def collect(self) -> dict[str, t.Any]:
        self.did.append("collect")
        if "stop_in_collect" in self.options:
            raise StoppedError("Told to end.")
        return {"places": 3}

    def failure(self) -> str:
        return str(self.options.get("failure", ""))

    def cancel(self) -> None:
        self.did.append("cancel")
        if self.cancelling:
            raise self.cancelling

    def goes_on(self) -> str:
        return "It goes on as j-1."


def _unfinished(journey: Journey, clock: Clock) -> UnfinishedError:
    with pytest.raises(UnfinishedError) as caught:
        journey.run(False, clock)
    return caught.value


def test_is_begun_asked_after_and_collected() -> None:
    journey = Journey(questions=3)
    ending = journey.run(False, Clock())
    assert (ending.result, ending.failure) == ({"changed": True, "id": "j-1", "places": 3}, "")
    assert journey.did == ["start", "poll", "poll", "poll", "collect"]


def test_tells_of_its_failure_with_what_was_collected() -> None:
    ending = Journey(failure="Two were lost.").run(False, Clock())
    assert (ending.failure, ending.result["places"]) == ("Two were lost.", 3)


def test_is_not_begun_check_mode() -> None:
    journey = Journey()
    assert journey.run(True, Clock()).result == {"changed": True, "would": "go"}
    assert journey.did == []


def test_is_not_begun_when_the_options_cannot_be_right() -> None:
    journey = Journey(wrong=True)
    with pytest.raises(RefusedError):
        journey.run(False, Clock())
    assert journey.did == []


def test_is_not_waited_for_when_nobody_wants_to() -> None:
    journey, clock = Journey(wait=False), Clock()
    assert journey.run(False, clock).result == {"changed": True, "id": "j-1"}
    assert (journey.did, clock.guarded) == (["start"], 0)


def test_pauses_grow_to_a_limit_and_differ() -> None:
    clock = Clock()
    Journey(questions=40, wait_timeout=3600).run(False, clock)
    low, high = 0.75, 1.25
    assert low <= clock.pauses[0] <= high
    assert all(low * 15 <= pause <= high * 15 for pause in clock.pauses[10:])
    assert len(set(clock.pauses[10:])) > 1
    assert sum(clock.pauses[:3]) < sum(clock.pauses[3:6]) < sum(clock.pauses[6:9])


def test_each_part_is_begun_when_the_one_before_is_over() -> None:
    journey, clock = Journey(parts=2), Clock()
    journey.run(False, clock)
    assert clock.guarded == 2
    assert journey.did == ["start", "poll", "start", "poll", "collect"]


def test_throttling_is_waited_out() -> None:
    journey = Journey(failing=[THROTTLED, THROTTLED])
    assert journey.run(False, Clock()).result["places"] == 3
    assert journey.did == ["start", "poll", "poll", "poll", "collect"]


def test_throttling_without_end_is_told_at_the_deadline() -> None:
    left = _unfinished(Journey(failing=[THROTTLED] * 1000), Clock())
    assert (str(left), left.code) == ("AWS throttled it. It goes on as j-1.", "ThrottlingException")


def test_a_refused_question_ends_it_and_tells_what_goes_on() -> None:
    left = _unfinished(Journey(questions=5, failing=[None, DENIED]), Clock())
    assert (str(left), left.code, left.result) == ("Not allowed. It goes on as j-1.", DENIED.code, {"changed": True, "id": "j-1"})


def test_the_deadline_ends_the_waiting_with_what_there_is() -> None:
    clock = Clock()
    left = _unfinished(Journey(questions=1000), clock)
    assert clock.time == pytest.approx(60)
    assert str(left) == "It was not over after 60 seconds. It is half way. It goes on as j-1."
    assert left.result["places"] == 3


def test_is_cancelled_when_nobody_waits_any_more() -> None:
    journey = Journey(questions=1000)
    left = _unfinished(journey, Clock(stop_at=5))
    assert (str(left), left.result) == ("Told to end. It was cancelled.", {"changed": True, "id": "j-1"})
    assert journey.did[-1] == "cancel"


def test_is_cancelled_when_told_to_end_while_it_was_begun() -> None:
    journey, clock = Journey(wait=False), Clock()
    clock.stops_in_start = True
    assert str(_unfinished(journey, clock)) == "Told to end. It was cancelled."
    assert journey.did == ["start", "cancel"]


def test_is_not_cancelled_when_it_is_over_already() -> None:
    journey = Journey(stop_in_collect=True)
    assert str(_unfinished(journey, Clock())) == "Told to end. It was over, but not told of yet."
    assert "cancel" not in journey.did


def test_says_so_when_it_cannot_be_cancelled() -> None:
    journey = Journey(questions=1000)
    journey.cancelling = DENIED
    assert str(_unfinished(journey, Clock(stop_at=5))) == "Told to end. It could not be cancelled: Not allowed. It goes on as j-1."
