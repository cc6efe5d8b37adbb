# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong between a task and its node; every text is ready for the user.

Pure. These cross the socket between broker and worker by class name; only ``connection/session.py`` makes Ansible's errors of them.
"""

from __future__ import annotations


class SessionFailure(Exception):
    """A task's request failed."""


class NodeUnreachable(SessionFailure):
    """There is no session, or it was lost; whether a command under way was carried out is not known."""


class ServiceUnavailable(NodeUnreachable):
    """AWS could not be reached or would not work just now; trying again may help."""


class Throttled(ServiceUnavailable):
    """AWS would take the call later."""


class AccessRefused(NodeUnreachable):
    """AWS does not accept the credentials or denies the action; trying again is of no use."""


class ActionDenied(AccessRefused):
    """AWS denies one action on one thing; another session document may be allowed."""


class DocumentMissing(NodeUnreachable):
    """There is no such session document."""


class ParametersRefused(NodeUnreachable):
    """A session document takes other parameters than it was given."""


class TransferFailed(SessionFailure):
    """A file could not be moved."""


class FileMissing(TransferFailed):
    """The file to be moved does not exist."""


class PythonMissing(SessionFailure):
    """The request needs a Python on the node, and there is none."""


class EscalationFailed(SessionFailure):
    """The become command did not make us the other user."""


class EscalationTimedOut(NodeUnreachable):
    """It did not say so in time."""


class BrokerBroken(SessionFailure):
    """Worker and broker do not understand each other: an error of ours."""


BY_NAME: dict[str, type[SessionFailure]] = {
    kind.__name__: kind
    for kind in (
        SessionFailure,
        NodeUnreachable,
        ServiceUnavailable,
        AccessRefused,
        ActionDenied,
        DocumentMissing,
        ParametersRefused,
        TransferFailed,
        FileMissing,
        PythonMissing,
        BrokerBroken,
    )
}
