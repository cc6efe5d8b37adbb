# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why there is no session, and what to do."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.diagnosis import CLOSED, diagnose

_TIER = "Enable advanced-instances tier to use Session Manager with your on-premises instances"
_KINDS = "Plugin with name InteractiveCommands {}. Step name: InteractiveCommands"


@pytest.mark.parametrize(
    ("code", "message", "target", "words"),
    [
        ("TargetNotConnected", "i-1 is not connected.", "i-1", "a role that has AmazonSSMManagedInstanceCore"),
        ("TargetNotConnected", "mi-1 is not connected.", "mi-1", "that the server runs and its agent is Online"),
        ("BadRequest", _TIER, "mi-1", "Turn on the advanced-instances tier in eu-west-1"),
        ("BadRequest", "", "mi-1", "Turn on the advanced-instances tier in eu-west-1"),
        ("InvalidInstanceId", "no", "i-1", "i-1 is no managed node of this account in eu-west-1"),
        ("InvalidDocument", "no", "i-1", "the session document Mine does not exist in eu-west-1"),
        (
            CLOSED,
            _KINDS.format("is not supported by this version of ssm agent"),
            "i-1",
            "too old for the session document Mine. Update",
        ),
        (
            CLOSED,
            _KINDS.format("not found"),
            "i-1",
            "cannot begin sessions of the document Mine: it is too old, is just being updated",
        ),
        ("InvalidParameters", "no", "i-1", "with {command} for the value of the one that becomes the session's command"),
        ("NotFoundException", "Invalid arn", "i-1", "the KMS key alias/mine, which does not exist in eu-west-1"),
        ("DisabledException", "is disabled.", "i-1", "the KMS key alias/mine, which is disabled. Enable it"),
        ("KMSInvalidStateException", "pending deletion", "i-1", "the KMS key alias/mine, which cannot be used"),
        (CLOSED, "since RunAs user joe does not exist", "i-1", "have sessions run as a user that i-1 does not have"),
        (CLOSED, "please set the RunAs default user", "i-1", "turn RunAs on and name no user"),
        (CLOSED, "Fetching data key failed: No", "i-1", "the IAM action kms:Decrypt on alias/mine"),
        (CLOSED, "Setting up data channel with id x failed", "i-1", "must allow ssmmessages:CreateDataChannel"),
    ],
)
def test_an_answer_is_told_with_cause_and_advice(code: str, message: str, target: str, words: str) -> None:
    sentence = diagnose(code, message, target=target, region="eu-west-1", document="Mine", key="alias/mine")
    assert sentence is not None
    assert words in sentence
    assert message in sentence


@pytest.mark.parametrize(
    ("code", "message", "target"),
    [
        ("ThrottlingException", "Rate exceeded", "i-1"),
        ("BadRequest", "Something else", "mi-1"),
        ("BadRequest", _TIER, "i-1"),
        (CLOSED, "", "i-1"),
    ],
)
def test_an_answer_about_something_else_is_left_alone(code: str, message: str, target: str) -> None:
    assert diagnose(code, message, target=target) is None


def test_a_sentence_ends_with_what_was_said_when_anything_was() -> None:
    assert str(diagnose("InvalidInstanceId", "No such thing", target="i-1")).endswith(" AWS said: No such thing")
    assert "said" not in str(diagnose("InvalidInstanceId", "", target="i-1"))
