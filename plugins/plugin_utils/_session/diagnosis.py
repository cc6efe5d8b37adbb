# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say why there is no session to a node and what to do, from what AWS or the agent answered.

Pure. One table; what is not about sessions (credentials, regions, networks) is told by ``module_utils/_aws/failures.py``.
"""

from __future__ import annotations

import re
import typing as t


class _Entry(t.NamedTuple):
    """An answer, told by AWS's error code or the reason a session was closed with, and the sentence for it.

    :param words: a regular expression found in the message.
    :param target: how the node's id begins.
    """

    code: str
    sentence: str
    words: str = ""
    target: str = ""


CLOSED = "closed"
"""In place of an error code: the agent ended the session before there was any."""

_UPDATE = "aws ssm send-command --document-name AWS-UpdateSSMAgent --instance-ids {target}"

_TABLE = (
    _Entry(
        "TargetNotConnected",
        "{target} is not connected to Systems Manager in {region}, or is a node of another account or region. Check that id and"
        " region are right, that the server runs and its agent is Online (aws ssm get-connection-status --target {target}).",
        target="mi-",
    ),
    _Entry(
        "TargetNotConnected",
        "{target} is not connected to Systems Manager in {region}, or is an instance of another account or region. Check that id"
        " and region are right, that the instance runs with a role that has AmazonSSMManagedInstanceCore, and that its agent is"
        " Online (aws ssm get-connection-status --target {target}).",
    ),
    # Met with this message in aws-samples/sagemaker-ssh-helper, issue 44, and with none at all in amazon-ssm-agent, issue 325.
    _Entry(
        "BadRequest",
        "{target} is a hybrid node of the standard-instances tier, which has no sessions. Turn on the advanced-instances tier in"
        " {region}, which AWS bills for by node and hour (aws ssm update-service-setting"
        " --setting-id /ssm/managed-instance/activation-tier --setting-value advanced), or use Run Command.",
        words="advanced-instances|^$|^BadRequest$",
        target="mi-",
    ),
    _Entry("InvalidInstanceId", "{target} is no managed node of this account in {region}."),
    _Entry("InvalidDocument", "the session document {document} does not exist in {region} or has another type than Session."),
    _Entry(
        "InvalidParameters",
        "the session document {document} takes other parameters than it was given. Say in document_parameters"
        " (ansible_ssm_document_parameters) what it takes, with {{command}} for the value of the one that becomes the session's"
        " command; a document of the type Standard_Stream, which gives a shell, may take none.",
    ),
    _Entry("DoesNotExistException", "the session to {target} does not exist any more."),
    # KMS; an alias or id is looked for in the session's region, where the agent will look for it too.
    _Entry(
        "NotFoundException",
        "sessions to {target} are to be encrypted with the KMS key {key}, which does not exist in {region}; it must be a key of the"
        " nodes' region. Correct the key in the Session Manager preferences or the session document.",
    ),
    _Entry(
        "DisabledException",
        "sessions to {target} are to be encrypted with the KMS key {key}, which is disabled. Enable it, or name another one in the"
        " Session Manager preferences or the session document.",
    ),
    _Entry(
        "KMSInvalidStateException",
        "sessions to {target} are to be encrypted with the KMS key {key}, which cannot be used in the state it is in, for instance"
        " because it is about to be deleted.",
    ),
    # agent/session/shell/shell_unix.go
    _Entry(
        CLOSED,
        "the session document {document}, or the Session Manager preferences, have sessions run as a user that {target} does not"
        " have. Create the user there, or change the RunAs user: runAsDefaultUser, or the tag SSMSessionRunAs of the IAM identity.",
        words="RunAs user .* does not exist",
    ),
    _Entry(
        CLOSED,
        "the session document {document}, or the Session Manager preferences, turn RunAs on and name no user. Set runAsDefaultUser"
        " there, or the tag SSMSessionRunAs of the IAM identity.",
        words="please set the RunAs default user",
    ),
    # agent/session/datachannel/datachannel.go
    _Entry(
        CLOSED,
        "the SSM agent on {target} cannot decrypt the session's key. Allow the node's role (its instance profile or hybrid role)"
        " the IAM action kms:Decrypt on {key}, and let the node reach KMS in {region}.",
        words="Fetching data key failed",
    ),
    # agent/framework/runpluginutil; the session type InteractiveCommands came with agent 2.3.668, sessions with 2.3.68.
    _Entry(
        CLOSED,
        "the SSM agent on {target} is too old for the session document {document}. Update it (" + _UPDATE + ").",
        words="is not supported by this version of ssm agent",
    ),
    # The same place; met with agents that were just updated and with full disks (session-manager-plugin, issue 49).
    _Entry(
        CLOSED,
        "the SSM agent on {target} cannot begin sessions of the document {document}: it is too old, is just being updated, or"
        " cannot write its files, on a full disk for instance. Try again, or update it (" + _UPDATE + ").",
        words="Plugin with name .* not found",
    ),
    _Entry(
        CLOSED,
        "the SSM agent on {target} cannot open the session's data channel. The node's role must allow ssmmessages:CreateDataChannel"
        " and ssmmessages:OpenDataChannel, and the node must reach ssmmessages in {region}.",
        words="Setting up data channel",
    ),
)


def diagnose(code: str, message: str, **about: str) -> str | None:
    """Return the sentence for an error code, or CLOSED, with its message; None when the table has none.

    :param about: target, region, document, key (of KMS), as far as they are known.
    """
    known = {"target": "", "region": "", "document": "", "key": "", **about}
    for entry in _TABLE:
        if entry.code == code and known["target"].startswith(entry.target) and re.search(entry.words, message):
            said = f" {'The agent' if code == CLOSED else 'AWS'} said: {message}" if message else ""
            return entry.sentence.format(**known) + said
    return None
