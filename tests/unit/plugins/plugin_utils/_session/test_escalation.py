# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the password prompt to the success of a become command, however its output arrives."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.escalation import Escalation, Stage, without_preamble
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import EscalationFailed
from hypothesis import given
from hypothesis import strategies as st

_PROMPT = b"[sudo via ansible, key=abc] password:"


class _Sudo:
    """What Escalation needs of a become plugin."""

    name = "sudo"

    def __init__(self, password: bool = True) -> None:
        self._password = password

    def expect_prompt(self) -> bool:
        return self._password

    def check_success(self, b_output: bytes) -> bool:
        return b"BECOME-SUCCESS-xyz" in b_output

    def check_password_prompt(self, b_output: bytes) -> bool:
        return _PROMPT in b_output

    def check_incorrect_password(self, b_output: bytes) -> bool:
        return b"Sorry, try again." in b_output

    def check_missing_password(self, b_output: bytes) -> bool:
        return b"a password is required" in b_output


def test_the_password_is_sent_when_it_is_asked_for_and_not_before() -> None:
    escalation = Escalation(_Sudo(), b"secret")
    assert escalation.take("stderr", b"We trust you have received the usual lecture\n") == b""
    assert escalation.take("stderr", _PROMPT) == b"secret\n"
    assert escalation.take("stdout", b"BECOME-SUCCESS-xyz\n") == b""
    assert escalation.stage is Stage.OVER
    escalation.ended()


def test_a_question_to_which_there_is_no_answer_fails() -> None:
    escalation = Escalation(_Sudo(password=False), None)
    with pytest.raises(EscalationFailed, match="Missing sudo password"):
        escalation.take("stdout", _PROMPT)


def test_a_success_without_a_question_is_one_too() -> None:
    escalation = Escalation(_Sudo(), b"secret")
    escalation.take("stdout", b"BECOME-SUCCESS-xyz\n")
    assert escalation.stage is Stage.OVER


def test_what_a_command_prints_later_is_not_looked_at() -> None:
    escalation = Escalation(_Sudo(), b"secret")
    escalation.take("stdout", b"BECOME-SUCCESS-xyz\n")
    assert escalation.take("stderr", _PROMPT + b"Sorry, try again.") == b""


@given(st.lists(st.integers(1, 12), max_size=12))
def test_it_does_not_matter_how_output_is_cut(sizes: list[int]) -> None:
    escalation = Escalation(_Sudo(), b"secret")
    output, answers = _PROMPT, b""
    for size in sizes:
        answers += escalation.take("stderr", output[:size])
        output = output[size:]
    answers += escalation.take("stderr", output)
    assert answers == b"secret\n"


@pytest.mark.parametrize(
    ("complaint", "sentence"),
    [(b"Sorry, try again.\n", "Incorrect sudo password"), (b"sudo: a password is required\n", "Missing sudo password")],
)
def test_a_complaint_about_the_password_is_told(complaint: bytes, sentence: str) -> None:
    escalation = Escalation(_Sudo(), b"wrong")
    escalation.take("stderr", _PROMPT)
    with pytest.raises(EscalationFailed, match=sentence):
        escalation.take("stderr", complaint)


def test_a_second_question_is_not_answered() -> None:
    escalation = Escalation(_Sudo(), b"wrong")
    escalation.take("stderr", _PROMPT)
    with pytest.raises(EscalationFailed, match="sudo asks for a password again"):
        escalation.take("stderr", _PROMPT)


def test_an_end_before_the_success_is_told_with_what_was_printed() -> None:
    escalation = Escalation(_Sudo(), b"secret")
    escalation.take("stderr", b"sudo: unknown user nobody-at-all\n")
    with pytest.raises(EscalationFailed, match=r"ended while the password prompt was waited for\. Its stderr: sudo: unknown user"):
        escalation.ended()


def test_too_long_a_wait_says_what_for() -> None:
    assert "took more than 10 s (become_success_timeout) to reach the password prompt" in str(
        Escalation(_Sudo(), b"secret").timed_out(10)
    )
    assert "to reach become success" in str(Escalation(_Sudo(password=False), b"").timed_out(10))


def test_the_preamble_goes_up_to_its_last_mark() -> None:
    assert without_preamble(b"lecture\n[prompt]BECOME-SUCCESS-xyz\nout\n", "[prompt]", "BECOME-SUCCESS-xyz") == b"out\n"
    assert without_preamble(b"no mark\n", "[prompt]", "") == b"no mark\n"
