# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents that AWS owns and sessions and commands need, and what there is to know of any document that is used."""

from __future__ import annotations

import re
import typing as t

import yaml

from tests.emulator.answers import ApiError
from tests.emulator.operations.registry import Caller

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
_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
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
    # distributing.py answers in the place of the agents: where they have the packages from is in no public place.
    "AWS-ConfigureAWSPackage": {
        "schemaVersion": "2.2",
        "description": "Install or uninstall a Distributor package.",
        "parameters": {
            "action": _text(
                "(Required) Specify whether or not to install or uninstall the package.", allowedValues=["Install", "Uninstall"]
            ),
            "installationType": _text(
                "(Optional) Specify the type of installation.",
                default="Uninstall and reinstall",
                allowedValues=["Uninstall and reinstall", "In-place update"],
            ),
            "name": _text(
                "(Required) The package to install/uninstall.",
                allowedPattern=r"^arn:[a-z0-9][-.a-z0-9]{0,62}:[a-z0-9][-.a-z0-9]{0,62}:([a-z0-9][-.a-z0-9]{0,62})?:"
                r"([a-z0-9][-.a-z0-9]{0,62})?:(package|document)\/[a-zA-Z0-9/:.\-_]{1,128}$|^[a-zA-Z0-9/:.\-_]{1,128}$",
            ),
            "version": _text("(Optional) The version of the package to install or uninstall.", default=""),
            "additionalArguments": {
                "type": "StringMap",
                "description": "(Optional) The additional parameters to provide to your install, uninstall, or update scripts.",
                "default": {},
            },
        },
        "mainSteps": [
            {
                "action": "aws:configurePackage",
                "name": "configurePackage",
                "inputs": {
                    "name": "{{ name }}",
                    "action": "{{ action }}",
                    "installationType": "{{ installationType }}",
                    "version": "{{ version }}",
                    "additionalArguments": "{{ additionalArguments }}",
                },
            }
        ],
    },
    # What its steps do on a node is in no public place: patching.py answers in the place of the agents.
    "AWS-RunPatchBaseline": {
        "schemaVersion": "2.2",
        "description": "Scans for or installs patches from a patch baseline to a Linux or Windows operating system.",
        "parameters": {
            "Operation": _text("(Required) The update or configuration to perform.", allowedValues=["Scan", "Install"]),
            "AssociationId": _text("(Optional) The association that the compliance is reported for.", default=""),
            "SnapshotId": _text("(Optional) The snapshot ID to use.", default="", allowedPattern=f"(^$)|(^{_UUID}$)"),
            "InstallOverrideList": _text(
                "(Optional) An https URL or an Amazon S3 URL to a list of patches to install.",
                default="",
                allowedPattern="(^$)|^https://.+$|^s3://([^/]+)/(.*?([^/]+))$",
            ),
            "BaselineOverride": _text(
                "(Optional) An https URL or an Amazon S3 URL to baselines to use in place of the default ones.",
                default="",
                allowedPattern="(^$)|^https://.+$|^s3://([^/]+)/(.*?([^/]+))$",
            ),
            "RebootOption": _text(
                "(Optional) Reboot behavior after a patch Install operation.",
                default="RebootIfNeeded",
                allowedValues=["RebootIfNeeded", "NoReboot"],
            ),
        },
        "mainSteps": [
            {
                "action": "aws:runShellScript",
                "name": "PatchLinux",
                "precondition": {"StringEquals": ["platformType", "Linux"]},
                "inputs": {"timeoutSeconds": 7200, "runCommand": []},
            }
        ],
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
    own = caller.state.documents.get(name)
    if own is not None:
        version = next(one for one in own.versions if one.number == own.default)
        document: Document = yaml.safe_load(version.content)
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
    for name, values in given.items():
        _check_values(name, declared[name], values)


def _check_values(name: str, declared: Document, values: list[str]) -> None:
    allowed, pattern = declared.get("allowedValues"), declared.get("allowedPattern")
    for value in values:
        if (allowed and value not in allowed) or (pattern and not re.search(pattern, value)):
            raise ApiError("InvalidParameters", f"The value {value!r} of the parameter {name} is not allowed.")


def kind_of(document: Document) -> str:
    """Return the document's type."""
    if "sessionType" in document:
        return "Session"
    return "Automation" if document.get("schemaVersion") == "0.3" else "Command"
