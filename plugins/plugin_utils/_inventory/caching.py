# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep lists of nodes in Ansible's cache, part by part, each with what was asked, so that no question gets another's answer."""

from __future__ import annotations

import hashlib
import json
import typing as t

# Another number when records change, so that those of an older version are not used.
_FORMAT = 2

#: what is kept of one part: when it was asked, in seconds since 1970, and the answer
Kept = dict[str, t.Any]


def fingerprint(question: t.Mapping[str, t.Any]) -> str:
    """Tell one question from another, without keeping what it says."""
    text = json.dumps([_FORMAT, question], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Cache:
    """The parts kept by earlier runs, and those of this run.

    :param kept: what the cache plugin has; whatever else than pack made counts as nothing.
    :param now: seconds since 1970.
    :param seconds: how long an answer is good; 0: for ever.
    :param fresh: False asks for everything anew, and has earlier answers only in case of need.
    """

    def __init__(self, kept: t.Any, now: float, seconds: float, fresh: bool) -> None:
        self._earlier = _unpacked(kept)
        self._now = now
        self._seconds = seconds
        self._fresh = fresh
        self._parts: dict[str, Kept] = {}

    def answer(self, question: str) -> t.Any:
        """Give the answer that is still good; None when there is none."""
        kept = self._earlier.get(question)
        if kept is None or not self._fresh or (self._seconds and self._now - kept["at"] > self._seconds):
            return None
        self._parts[question] = kept
        return kept["answer"]

    def in_need(self, question: str) -> Kept | None:
        """Give an answer whatever its age, because there is no other."""
        kept = self._earlier.get(question)
        if kept is not None:
            self._parts[question] = kept
        return kept

    def keep(self, question: str, answer: t.Any) -> None:
        """Keep an answer of now."""
        self._parts[question] = {"at": self._now, "answer": answer}

    def pack(self) -> dict[str, t.Any]:
        """Give what to keep for later runs: what this one used. As one text, for Ansible copies and compares what it keeps."""
        return {"parts": json.dumps(self._parts)}


def _unpacked(kept: t.Any) -> dict[str, Kept]:
    try:
        return dict(json.loads(kept["parts"]))
    except (KeyError, TypeError, ValueError):
        return {}
