# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out from a session document whether sessions are logged, and say what the user should know of that.

Pure. The members are those of a Session document's ``inputs``, the Session Manager preferences.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session.openings import DEFAULT_DOCUMENT, INTERACTIVE_DOCUMENT

_DESTINATIONS = (("s3BucketName", "the S3 bucket {}"), ("cloudWatchLogGroupName", "the CloudWatch Logs group {}"))


class UserRemark(t.NamedTuple):
    """Something for the user beside the results: a warning, or for who asks for more (-v)."""

    text: str
    warns: bool


def document_with_preferences(document: str) -> str:
    """Return the document whose preferences hold for sessions of one: AWS's own has none, so the account's hold."""
    return DEFAULT_DOCUMENT if document == INTERACTIVE_DOCUMENT else document


def remark(document: str, region: str, content: str) -> UserRemark | None:
    """Return the warning when a document's content (JSON) has sessions logged."""
    try:
        inputs = json.loads(content).get("inputs") or {}
        where = [words.format(inputs[name]) for name, words in _DESTINATIONS if inputs.get(name)]
    except (ValueError, AttributeError, TypeError):
        return None
    if not where:
        return None
    return UserRemark(
        f"The session document {document} in {region} has what sessions print sent to {' and '.join(where)}. Of Ansible's sessions"
        " that is a stream of base64, which shows nothing to the eye and which whoever may read the log can decode: it holds the"
        " output of tasks, with any secrets in it. Use a document without logging for Ansible (ansible_ssm_document_name), or turn"
        " this warning off (ansible_ssm_logging_warning: false).",
        warns=True,
    )


def unknown(document: str, reason: str) -> UserRemark:
    """Return the remark for who asks for more when the document may not be read."""
    return UserRemark(
        f"It is not known whether sessions are logged: the session document {document} cannot be read. {reason}", warns=False
    )
