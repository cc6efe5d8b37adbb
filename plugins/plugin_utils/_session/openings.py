# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say with which session documents a session may be started, one after the other, and what each does with our command.

Pure. A document of the type InteractiveCommands has a parameter that becomes the session's command. One of the type Standard_Stream
gives a shell; the command is typed at it then.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import ActionDenied, ParametersRefused, SessionFailure
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.settings import DocumentParameters

INTERACTIVE_DOCUMENT = "AWS-StartInteractiveCommand"
DEFAULT_DOCUMENT = "SSM-SessionManagerRunShell"
"""The account's own; StartSession takes it when it is given none."""

COMMAND = "{command}"
"""Stands for the command in the values of parameters."""

SESSION_TYPES = ("InteractiveCommands", "Standard_Stream")
"""Those that a session of ours can have: the others have no input, or no process."""


class Opening(t.NamedTuple):
    """One way to start a session.

    :param parameters: as StartSession takes them.
    :param typed: the command is typed at the shell that the session is.
    :param gives_way: the failure after which the next way is tried.
    :param introduction: what stands before the reason why this one failed too.
    """

    document: str
    parameters: dict[str, list[str]]
    typed: bool
    gives_way: type[SessionFailure]
    introduction: str = ""


def openings(document: str, parameters: DocumentParameters | None, command: str) -> list[Opening]:
    """Return the ways to start a session, the best one first.

    :param document: the user's own; empty for none.
    :param parameters: the user's; None when nothing was said of them.
    """
    whole = {"command": [command]}
    if not document:
        introduction = "The account's default session document is denied too: "
        return [
            Opening(INTERACTIVE_DOCUMENT, whole, False, ActionDenied),
            Opening(DEFAULT_DOCUMENT, {}, True, ActionDenied, introduction),
        ]
    if parameters is None:
        return [
            Opening(document, whole, False, ParametersRefused),
            Opening(document, {}, True, ParametersRefused, "Without parameters: "),
        ]
    given = {name: [value.replace(COMMAND, command) for value in values] for name, values in parameters}
    typed = not any(COMMAND in value for _name, values in parameters for value in values)
    return [Opening(document, given, typed, ParametersRefused)]
