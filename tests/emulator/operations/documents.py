# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents that AWS owns and sessions and commands need; a user's own are moto's affair."""

from __future__ import annotations

import json
import typing as t

import moto.backends

from tests.emulator.answers import ApiError, LeaveToMotoError
from tests.emulator.operations.registry import Answer, Caller, Params, operation

Document = dict[str, t.Any]

PREFERENCES = "SSM-SessionManagerRunShell"


def _text(description: str, **more: t.Any) -> Document:
    return {"type": "String", "description": description, **more}


def _for_platforms(shell: Document) -> Document:
    return {platform: dict(shell) for platform in ("windows", "macos", "linux")}


_COMMAND = {"command": _text("(Required) The command to run on the instance")}
# That AWS's document takes it is told in aws/session-manager-plugin#59; the names of the others are the agent's (ShellConfig).
_SEPARATE = {
    "separateOutputStream": _text("(Optional) Whether standard output and error come apart", default="False"),
    "stdOutSeparatorPrefix": _text("(Optional) What is put before standard output", default=""),
    "stdErrSeparatorPrefix": _text("(Optional) What is put before standard error", default=""),
}
_PORT = {"portNumber": _text("(Optional) Port number of the server on the instance", default="80")}
_LOCAL_PORT = {"localPortNumber": _text("(Optional) Port number on local machine to forward traffic to", default="0")}
_HOST = _text("(Optional) Hostname or IP address of the destination server", default="localhost")

AWS_OWNED: dict[str, Document] = {
    PREFERENCES: {
        "schemaVersion": "1.0",
        "description": "Document to hold regional settings for Session Manager",
        "sessionType": "Standard_Stream",
        "inputs": {
            "s3BucketName": "",
            "s3KeyPrefix": "",
            "s3EncryptionEnabled": True,
            "cloudWatchLogGroupName": "",
            "cloudWatchEncryptionEnabled": True,
            "cloudWatchStreamingEnabled": False,
            "kmsKeyId": "",
            "runAsEnabled": False,
            "runAsDefaultUser": "",
            "idleSessionTimeout": "20",
            "maxSessionDuration": "",
            "shellProfile": {"windows": "", "linux": ""},
        },
    },
    "AWS-StartInteractiveCommand": {
        "schemaVersion": "1.0",
        "description": "Document to run single interactive command on an instance",
        "sessionType": "InteractiveCommands",
        "parameters": _COMMAND,
        "properties": _for_platforms({"commands": "{{command}}", "runAsElevated": False}),
    },
    "AWS-StartNonInteractiveCommand": {
        "schemaVersion": "1.0",
        "description": "Document to run single non interactive command on an instance",
        "sessionType": "NonInteractiveCommands",
        "parameters": {**_COMMAND, **_SEPARATE},
        "properties": _for_platforms(
            {
                "commands": "{{command}}",
                "runAsElevated": False,
                "separateOutputStream": "{{separateOutputStream}}",
                "stdOutSeparatorPrefix": "{{stdOutSeparatorPrefix}}",
                "stdErrSeparatorPrefix": "{{stdErrSeparatorPrefix}}",
            }
        ),
    },
    "AWS-StartPortForwardingSession": {
        "schemaVersion": "1.0",
        "description": "Document to start port forwarding session over Session Manager",
        "sessionType": "Port",
        "parameters": {**_PORT, **_LOCAL_PORT},
        "properties": {"portNumber": "{{ portNumber }}", "type": "LocalPortForwarding", "localPortNumber": "{{ localPortNumber }}"},
    },
    "AWS-StartPortForwardingSessionToRemoteHost": {
        "schemaVersion": "1.0",
        "description": "Document to start port forwarding session over Session Manager to remote host",
        "sessionType": "Port",
        "parameters": {**_PORT, **_LOCAL_PORT, "host": _HOST},
        "properties": {
            "portNumber": "{{ portNumber }}",
            "type": "LocalPortForwarding",
            "localPortNumber": "{{ localPortNumber }}",
            "host": "{{ host }}",
        },
    },
    "AWS-StartSSHSession": {
        "schemaVersion": "1.0",
        "description": "Document to start ssh over Session Manager",
        "sessionType": "Port",
        "parameters": {"portNumber": _text("(Optional) Port number of SSH server on the instance", default="22")},
        "properties": {"portNumber": "{{ portNumber }}"},
    },
    "AWS-RunShellScript": {
        "schemaVersion": "2.2",
        "description": "Run a shell script or specify the commands to run.",
        "parameters": {
            "commands": {"type": "StringList", "description": "(Required) Specify a shell script or a command to run."},
            "workingDirectory": _text("(Optional) The path to the working directory on your instance.", default=""),
            "executionTimeout": _text("(Optional) The time in seconds for a command to complete.", default="3600"),
        },
        "mainSteps": [
            {
                "action": "aws:runShellScript",
                "name": "runShellScript",
                "inputs": {
                    "timeoutSeconds": "{{ executionTimeout }}",
                    "runCommand": "{{ commands }}",
                    "workingDirectory": "{{ workingDirectory }}",
                },
            }
        ],
    },
}


def find(caller: Caller, name: str) -> Document:
    """Return a document's content: the user's own one goes before ours of the same name."""
    backend: t.Any = moto.backends.get_backend("ssm")[caller.state.account][caller.state.region]
    own = backend._documents.get(name)
    if own is not None:
        content = own.find(own.default_version).content
        document: Document = json.loads(content)
        return document
    if name not in AWS_OWNED:
        raise ApiError("InvalidDocument", f"Document with name {name} does not exist.")
    return AWS_OWNED[name]


def for_agent(caller: Caller, document: Document) -> Document:
    """Return what the agent gets: a document without preferences of its own has the account's.

    What AWS's service does here is not known; the agent can do nothing but encrypt, log or run as the user that it is told.
    """
    return document if "inputs" in document else {**document, "inputs": find(caller, PREFERENCES).get("inputs") or {}}


def check_parameters(document: Document, given: dict[str, list[str]]) -> None:
    """Refuse parameters that a document does not have, and the lack of those that it needs."""
    declared = document.get("parameters") or {}
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise ApiError("InvalidParameters", f"Parameters {unknown} are not in the document.")
    missing = sorted(name for name, spec in declared.items() if "default" not in spec and name not in given)
    if missing:
        raise ApiError("InvalidParameters", f"Required parameters {missing} are missing.")


def kind_of(document: Document) -> str:
    """Return the document's type."""
    return "Session" if "sessionType" in document else "Command"


@operation("GetDocument")
def get_document(caller: Caller, params: Params) -> Answer:
    """Return a document of AWS's."""
    document = _ours(caller, params)
    return {
        "Name": params["Name"],
        "DocumentVersion": "1",
        "Status": "Active",
        "Content": json.dumps(document, indent=2),
        "DocumentType": kind_of(document),
        "DocumentFormat": "JSON",
    }


@operation("DescribeDocument")
def describe_document(caller: Caller, params: Params) -> Answer:
    """Describe a document of AWS's."""
    document = _ours(caller, params)
    return {
        "Document": {
            "Name": params["Name"],
            "Owner": "Amazon",
            "Status": "Active",
            "DocumentVersion": "1",
            "Description": document["description"],
            "DocumentType": kind_of(document),
            "SchemaVersion": document["schemaVersion"],
            "DefaultVersion": "1",
            "LatestVersion": "1",
            "PlatformTypes": ["Linux", "MacOS"],
        }
    }


def _ours(caller: Caller, params: Params) -> Document:
    document = find(caller, params["Name"])
    if document is not AWS_OWNED.get(params["Name"]):
        raise LeaveToMotoError
    return document
