# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of ``POST /_emulator/faults`` and how they are read from JSON; faults.py documents them."""

from __future__ import annotations

import collections.abc
import dataclasses
import random
import typing as t

from .statistics import DIRECTIONS

Side = t.Literal["client", "agent", "control"]


class BadFaultError(ValueError):
    """The order cannot be understood; the text is a sentence for whoever gave it."""


@dataclasses.dataclass
class Rule:
    """What all rules have: how often they still act, and on which node."""

    times: int | None = 1
    node: str = ""

    def spend(self) -> None:
        """Use up one of the times."""
        if self.times is not None:
            self.times -= 1

    @property
    def spent(self) -> bool:
        """Whether the rule has done all it was to do."""
        return self.times is not None and self.times <= 0


@dataclasses.dataclass
class Cut(Rule):
    """Close a socket."""

    side: str = ""
    after: int = 0
    rate: float = 0.0
    seed: int = 0
    seen: int = dataclasses.field(default=0, metadata={"internal": True})

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    @property
    def at_once(self) -> bool:
        """Whether it waits for no frame."""
        return not self.after and not self.rate

    def strikes(self) -> bool:
        """Count a frame; say whether the line is cut at it."""
        self.seen += 1
        if self.rate:
            return self.random.random() < self.rate
        if self.seen < self.after:
            return False
        self.seen = 0
        return True


@dataclasses.dataclass
class FrameFault(Rule):
    """Drop, duplicate or reorder frames, at random from a seed."""

    times: int | None = None
    direction: str = ""
    rate: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)


@dataclasses.dataclass
class CallFault(Rule):
    """Answer API calls by an error."""

    operation: str = ""
    code: str = "ThrottlingException"
    message: str = "Rate exceeded"
    status: int = 400
    document: str = ""
    account: str = ""
    region: str = ""
    rate: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def meets(self, service: str, operation: str, params: collections.abc.Mapping[str, t.Any]) -> bool:
        """Whether a call is one of those to fail."""
        return (
            self.operation in ("*", operation, f"{service}:{operation}")
            and self.account in ("", params.get("account"))
            and self.region in ("", params.get("region"))
            and self.document in ("", params.get("DocumentName") or params.get("Name"))
            and self.node in ("", params.get("Target") or params.get("InstanceId"))
            and (self.rate == 1.0 or self.random.random() < self.rate)
        )


@dataclasses.dataclass(frozen=True)
class Expire:
    """Refuse the tokens given out so far."""

    tokens: str = ""


@dataclasses.dataclass(frozen=True)
class Delay:
    """Slow everything down."""

    ms: float = 0.0


@dataclasses.dataclass(frozen=True)
class Limit:
    """End sessions sooner than the preferences document says, and give up to deliver commands sooner than they say."""

    idle: float = 0.0
    duration: float = 0.0
    delivery: float = 0.0


@dataclasses.dataclass(frozen=True)
class Lag:
    """Be late to know of commands."""

    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class Pages:
    """Give short pages."""

    most: int = 0


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What to do with one frame: deliver it ``copies`` times, late (after the next one), then cut the socket."""

    copies: int = 1
    late: bool = False
    cut: bool = False


PASS = Verdict()
KINDS: dict[str, type[t.Any]] = {
    "cut": Cut,
    "drop": FrameFault,
    "duplicate": FrameFault,
    "reorder": FrameFault,
    "throttle": CallFault,
    "fail": CallFault,
    "expire": Expire,
    "delay": Delay,
    "limit": Limit,
    "lag": Lag,
    "pages": Pages,
}
#: members which must be given, and the values that some members may have
REQUIRED = {
    "cut": ("side",),
    "drop": ("direction", "rate"),
    "duplicate": ("direction", "rate"),
    "reorder": ("direction", "rate"),
    "throttle": ("operation",),
    "fail": ("operation", "code"),
    "expire": ("tokens",),
    "delay": ("ms",),
    "limit": (),
    "lag": ("seconds",),
    "pages": ("most",),
}
CHOICES: dict[str, tuple[str, ...]] = {
    "side": t.get_args(Side),
    "direction": DIRECTIONS,
    "tokens": ("client", "agent"),
}
NUMBERS: dict[str, type[int] | tuple[type[int], type[float]]] = {
    "after": int,
    "seed": int,
    "status": int,
    "rate": (int, float),
    "ms": (int, float),
    "idle": (int, float),
    "duration": (int, float),
    "delivery": (int, float),
    "seconds": (int, float),
    "most": int,
}
SIDE_OF: dict[str, str] = {"client_up": "client", "client_down": "client", "agent_up": "agent", "agent_down": "agent"}


def parse_rule(kind: str, given: t.Any) -> t.Any:
    """Make a rule of one JSON object, or say in a sentence why not."""
    if not isinstance(given, dict):
        raise BadFaultError(f"{kind} takes an object or a list of objects.")
    known = [field.name for field in dataclasses.fields(KINDS[kind]) if not field.metadata.get("internal")]
    if kind == "throttle":
        known = ["operation", "times", "node", "document", "account", "region", "rate", "seed"]
    for member in given:
        if member not in known:
            raise BadFaultError(f"{kind} does not know {member!r}; it knows {', '.join(sorted(known))}.")
    for member in REQUIRED[kind]:
        if member not in given:
            raise BadFaultError(f"{kind} needs {member!r}.")
    for member, value in given.items():
        check_value(kind, member, value)
    return KINDS[kind](**given)


def check_value(kind: str, member: str, value: t.Any) -> None:
    """Refuse a value of the wrong sort."""
    if member in CHOICES and value not in CHOICES[member]:
        raise BadFaultError(f"{kind}: {member} is one of {', '.join(CHOICES[member])}, not {value!r}.")
    if member == "times":
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise BadFaultError(f"{kind}: times is a number from 1 on, or null for without end.")
    elif member in NUMBERS:
        if not isinstance(value, NUMBERS[member]) or isinstance(value, bool) or value < 0:
            raise BadFaultError(f"{kind}: {member} is a number from 0 on, not {value!r}.")
        if member == "rate" and value > 1:
            raise BadFaultError(f"{kind}: rate is between 0 and 1, not {value!r}.")
    elif not isinstance(value, str):
        raise BadFaultError(f"{kind}: {member} is a text, not {value!r}.")
