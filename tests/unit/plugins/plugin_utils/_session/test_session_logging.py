# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a session document has sessions logged, and what the user reads of it."""

from __future__ import annotations

import json

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.session_logging import (
    UserRemark,
    document_with_preferences,
    remark,
    unknown,
)


def _content(**inputs: object) -> str:
    return json.dumps({"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": inputs})


def test_all_destinations_are_named() -> None:
    told = remark("Mine", "eu-west-1", _content(s3BucketName="bucket", cloudWatchLogGroupName="group"))
    assert told is not None
    assert told.warns
    assert "document Mine in eu-west-1" in told.text
    assert "sent to the S3 bucket bucket and the CloudWatch Logs group group." in told.text


@pytest.mark.parametrize(
    "content",
    [
        _content(),
        _content(s3BucketName="", cloudWatchLogGroupName=""),
        '{"inputs": null}',
        "{}",
        "[]",
        '{"inputs": "text"}',
        "schemaVersion: '1.0'",
        "",
    ],
)
def test_no_destination_and_no_sense_are_no_warning(content: str) -> None:
    assert remark("Mine", "eu-west-1", content) is None


@pytest.mark.parametrize(
    ("document", "other"),
    [
        ("AWS-StartInteractiveCommand", "SSM-SessionManagerRunShell"),
        ("SSM-SessionManagerRunShell", "SSM-SessionManagerRunShell"),
        ("Mine", "Mine"),
    ],
)
def test_the_accounts_preferences_hold_for_awss_documents(document: str, other: str) -> None:
    assert document_with_preferences(document) == other


def test_what_is_not_known_is_no_warning() -> None:
    assert unknown("Mine", "AWS denied it.") == UserRemark(
        "It is not known whether sessions are logged: the session document Mine cannot be read. AWS denied it.", False
    )
