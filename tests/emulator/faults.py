# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds the troubles that were ordered through ``POST /_emulator/faults``.

The body is an object; each key takes one rule or a list of rules, and rules add to those already held. ``GET`` and the
answer to ``POST`` list what is held now. An unknown key or a bad value is a 400 with a sentence.

====================================== ===============================================================================
``{"clear": true}``                    forget all rules and go back to the delay the emulator was started with
                                       (done first, whatever else the body holds)
``{"cut": {...}}``                     close websockets without a closing handshake. ``side``: ``client``, ``agent`` (data
                                       channels) or ``control``; ``after``: 0 cuts all sockets of that side now, N cuts
                                       the socket on which the Nth frame from now on passes (both directions count, all
                                       sockets together); ``times`` repeats that, every N frames; ``node``: only that one's;
                                       ``rate`` and ``seed`` in place of ``after``: at random, with that chance at each frame
``{"drop": {...}}``                    lose frames. ``direction``: ``client_up``, ``client_down``, ``agent_up`` or
                                       ``agent_down``; ``rate``: 0…1; ``seed`` (0); ``times``; ``node``
``{"duplicate": {...}}``               deliver frames twice; members as above
``{"reorder": {...}}``                 deliver frames after the one that follows; members as above
``{"throttle": {...}}``                answer ``times`` calls of ``operation`` by ThrottlingException "Rate exceeded"; with
                                       ``rate`` (1) and ``seed`` (0) only that share of them
``{"fail": {...}}``                    answer ``times`` calls of ``operation`` by ``code`` and ``message``, HTTP ``status``
                                       (400); only calls with ``document`` as DocumentName and/or for ``node``, when given.
                                       Both: only in ``account`` and/or ``region``; ``rate`` and ``seed`` as above
``{"expire": {"tokens": "client"}}``   channel tokens given out so far are refused from now on (``client`` or ``agent``);
                                       open sockets stay
``{"delay": {"ms": 50}}``              round trip time added to API calls and, half each way, to every websocket leg
``{"limit": {"idle": 3}}``             end sessions that had no input for so many seconds, or last longer than
                                       ``duration`` seconds, instead of when the account's preferences say so; give up
                                       to hand a command to a node after ``delivery`` seconds
``{"lag": {"seconds": 2}}``            what was sent by Run Command is unknown to its other operations for so long, as AWS
                                       may have it
``{"pages": {"most": 7}}``             lists of commands have pages no longer than that, whatever was asked for
====================================== ===============================================================================

``GET /_emulator/stats`` counts in ``faults`` how often each kind has struck.

``operation`` is ``StartSession`` or ``ssm:StartSession`` or ``*``. ``times`` is 1 unless given (drop, duplicate, reorder:
without end); ``null`` means until cleared. Frame faults touch only frames after a channel's opening text frame.
"""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import threading
import typing as t

from .fault_rules import KINDS, PASS, SIDE_OF, BadFaultError, CallFault, Limit, Rule, Verdict, parse_rule
from .statistics import Direction


class Faults:
    """The rules held now; every method may be called from any thread."""

    def __init__(self, delay_ms: float = 0.0) -> None:
        self._lock = threading.Lock()
        self._first_delay = delay_ms
        self._cut_now: list[t.Callable[[str, str], None]] = []
        self._expire: list[t.Callable[[str], None]] = []
        self._rules: dict[str, list[t.Any]] = {}
        self._struck: collections.Counter[str] = collections.Counter()
        self._delay_ms = delay_ms

    def on_cut(self, act: t.Callable[[str, str], None]) -> None:
        """Have ``act(side, node)`` called when open sockets are to be cut now; node is empty for all nodes."""
        self._cut_now.append(act)

    def on_expire(self, act: t.Callable[[str], None]) -> None:
        """Have ``act("client" | "agent")`` called when the tokens given out so far become worthless."""
        self._expire.append(act)

    @property
    def one_way(self) -> float:
        """Seconds that a frame takes on one websocket leg."""
        return self._delay_ms / 2000

    @property
    def round_trip(self) -> float:
        """Seconds that an API call takes longer."""
        return self._delay_ms / 1000

    def order(self, body: t.Any) -> None:
        """Take an order in JSON; BadFaultError changes nothing."""
        if not isinstance(body, dict):
            raise BadFaultError("The body is a JSON object.")
        for key in body:
            if key not in KINDS and key != "clear":
                raise BadFaultError(f"There is no fault named {key!r}; there are clear, {', '.join(KINDS)}.")
        parsed = [
            (kind, parse_rule(kind, given))
            for kind, orders in body.items()
            if kind in KINDS
            for given in (orders if isinstance(orders, list) else [orders])
        ]
        if body.get("clear"):
            self.clear()
        for kind, rule in parsed:
            self._hold(kind, rule)

    def _hold(self, kind: str, rule: t.Any) -> None:
        if kind == "delay":
            self._delay_ms = rule.ms
        elif kind == "expire":
            for expire in self._expire:
                expire(rule.tokens)
        elif kind == "cut" and rule.at_once:
            for cut in self._cut_now:
                cut(rule.side, rule.node)
        else:
            with self._lock:
                self._rules.setdefault(kind, []).append(rule)

    def clear(self) -> None:
        """Forget all rules."""
        with self._lock:
            self._rules.clear()
            self._delay_ms = self._first_delay

    def held(self) -> dict[str, t.Any]:
        """Return the rules held now, ready for JSON."""
        with self._lock:
            rules = {kind: [dataclasses.asdict(rule) for rule in rules] for kind, rules in self._rules.items() if rules}
        return {**rules, "delay": {"ms": self._delay_ms}}

    @property
    def limit(self) -> Limit:
        """When sessions are ended; 0 is when the preferences say so."""
        with self._lock:
            rules = self._rules.get("limit")
            return rules[-1] if rules else Limit()

    @property
    def lag(self) -> float:
        """For how many seconds a new command is unknown."""
        with self._lock:
            return max((rule.seconds for rule in self._rules.get("lag", [])), default=0.0)

    @property
    def longest_page(self) -> int:
        """How long a page of commands may be; 0: as long as AWS says."""
        with self._lock:
            return min((rule.most for rule in self._rules.get("pages", [])), default=0)

    def struck(self) -> dict[str, int]:
        """Return how often each kind of rule has struck since ``forget_struck``."""
        with self._lock:
            return dict(self._struck)

    def forget_struck(self) -> None:
        """Count anew."""
        with self._lock:
            self._struck.clear()

    def call_error(self, service: str, operation: str, params: collections.abc.Mapping[str, t.Any]) -> CallFault | None:
        """Return the error this API call is to be answered by, and use it up."""
        with self._lock:
            for kind in ("fail", "throttle"):
                for rule in self._rules.get(kind, []):
                    if rule.meets(service, operation, params):
                        self._spend(kind, rule)
                        return t.cast(CallFault, rule)
        return None

    def frame(self, direction: Direction, node: str) -> Verdict:
        """Say what is to become of a data channel's frame."""
        if not self._rules:
            return PASS
        with self._lock:
            return Verdict(
                copies=0 if self._strikes("drop", direction, node) else 1 + self._strikes("duplicate", direction, node),
                late=self._strikes("reorder", direction, node),
                cut=self._counts(SIDE_OF[direction], node),
            )

    def control_frame(self, node: str) -> Verdict:
        """Say what is to become of a control channel's frame: only cuts are possible there."""
        with self._lock:
            return Verdict(cut=self._counts("control", node))

    def _strikes(self, kind: str, direction: str, node: str) -> bool:
        for rule in self._rules.get(kind, []):
            if rule.direction == direction and rule.node in ("", node) and rule.random.random() < rule.rate:
                self._spend(kind, rule)
                return True
        return False

    def _counts(self, side: str, node: str) -> bool:
        for rule in self._rules.get("cut", []):
            if rule.side == side and rule.node in ("", node) and rule.strikes():
                self._spend("cut", rule)
                return True
        return False

    def _spend(self, kind: str, rule: Rule) -> None:
        self._struck[kind] += 1
        rule.spend()
        if rule.spent:
            self._rules[kind].remove(rule)
