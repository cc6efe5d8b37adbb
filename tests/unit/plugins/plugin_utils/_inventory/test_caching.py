# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeping the answers of earlier runs, part by part."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.caching import Cache, fingerprint

ANSWER = [{"instance_id": "i-1"}]


def _kept(at: float = 100.0) -> dict[str, t.Any]:
    cache = Cache(None, at, 60, fresh=True)
    cache.keep("question", ANSWER)
    packed: dict[str, t.Any] = json.loads(json.dumps(cache.pack()))
    return packed


def test_an_answer_is_given_again() -> None:
    assert Cache(_kept(), 160, 60, fresh=True).answer("question") == ANSWER


def test_no_question_gets_anothers_answer() -> None:
    assert Cache(_kept(), 100, 60, fresh=True).answer("another question") is None


def test_an_answer_grows_old() -> None:
    assert Cache(_kept(), 161, 60, fresh=True).answer("question") is None


def test_an_answer_that_may_have_any_age_does_not_grow_old() -> None:
    assert Cache(_kept(), 1e9, 0, fresh=True).answer("question") == ANSWER


def test_a_flushed_cache_answers_in_need_only() -> None:
    cache = Cache(_kept(), 100, 60, fresh=False)
    assert cache.answer("question") is None
    assert cache.in_need("question") == {"at": 100.0, "answer": ANSWER}


def test_what_is_used_in_need_stays_as_old_as_it_is() -> None:
    cache = Cache(_kept(), 1000, 60, fresh=True)
    cache.in_need("question")
    assert cache.pack() == _kept()


def test_what_nobody_asked_for_is_not_kept_any_longer() -> None:
    cache = Cache(_kept(), 110, 60, fresh=True)
    cache.keep("another question", [])
    assert list(json.loads(cache.pack()["parts"])) == ["another question"]


@pytest.mark.parametrize("kept", [None, [], {"nodes": []}, {"parts": "text"}])
def test_what_another_version_kept_counts_as_nothing(kept: t.Any) -> None:
    assert Cache(kept, 100, 60, fresh=True).answer("question") is None


def test_a_fingerprint_tells_questions_apart_and_says_nothing_of_them() -> None:
    first, second = fingerprint({"role": "secret"}), fingerprint({"role": "secrets"})
    assert first != second
    assert "secret" not in first
