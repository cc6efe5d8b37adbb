# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say how a node is reached: what a worker tells the broker with each request.

Pure, and imported by forked workers: nothing of websockets or botocore is behind it.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.requests import MalformedRequest

DocumentParameters = tuple[tuple[str, tuple[str, ...]], ...]
"""Names and values of a session document's parameters, in the order they were given."""


@dataclasses.dataclass(frozen=True, slots=True)
class NodeSettings:
    """What a session to a node is made with; equal settings share a session, and how long one waits makes no difference.

    :param pythons: interpreters to try on the node, in order.
    :param messages_endpoint_url: where data channels are opened; empty for where AWS says.
    :param connection_timeout: seconds from the first request to the program's greeting.
    :param reconnect_timeout: seconds a cut may last.
    :param stall_timeout: seconds for which the node's agent may acknowledge nothing.
    :param persist: seconds for which its session is kept when the controller run has ended.
    :param document_name: the user's own session document; empty for AWS's.
    :param document_parameters: what it is started with, as ``openings.py`` takes it.
    :param logging_warning: whether the user is to be told that sessions are logged.
    :param windows: whether it runs Windows, and has PowerShell in place of a shell and a Python.
    :param download_sessions: whether sessions of another document may be started, for much output.
    """

    target: str
    reason: str
    pythons: tuple[str, ...]
    messages_endpoint_url: str = dataclasses.field(default="", kw_only=True)
    connection_timeout: float = dataclasses.field(compare=False)
    reconnect_timeout: float = dataclasses.field(compare=False)
    stall_timeout: float = dataclasses.field(compare=False)
    persist: float = dataclasses.field(default=0.0, compare=False, kw_only=True)
    document_name: str = ""
    document_parameters: DocumentParameters | None = None
    logging_warning: bool = dataclasses.field(default=False, compare=False)
    windows: bool = False
    download_sessions: bool = True

    @property
    def python_advice(self) -> str:
        """What to tell whoever needs a Python on the node when it has none."""
        return (
            f"{self.target} has no Python 3.6 or newer (looked for {', '.join(self.pythons)}), so only raw, script and other plain"
            " commands work. Name the one it has in ansible_ssm_pythons, or install one, for instance by a task with become,"
            " 'ansible.builtin.raw: apt-get install -y python3', or with Run Command: aws ssm send-command --instance-ids"
            f" {self.target} --document-name AWS-RunShellScript --parameters commands='apt-get install -y python3'"
        )


@dataclasses.dataclass(frozen=True, slots=True)
class BucketSettings:
    """Where large files lie while they are on their way.

    :param prefix: what the names of the objects begin with.
    :param threshold: bytes of the smallest file that goes there.
    :param sse: how S3 encrypts them, ``AES256`` or ``aws:kms``; empty for as the bucket says.
    :param kms_key_id: the key of ``aws:kms``; empty for S3's own.
    """

    name: str
    prefix: str
    threshold: int
    sse: str
    kms_key_id: str


def bucket(described: dict[str, t.Any]) -> BucketSettings | None:
    """Return what a worker says of a bucket, None when it says nothing; raise MalformedRequest when it makes no sense."""
    try:
        return BucketSettings(**described) if described else None
    except TypeError as error:
        raise MalformedRequest(f"a bucket is not described as it should be: {error!r}") from None


def describe(aws: AwsOptions, settings: NodeSettings) -> dict[str, t.Any]:
    """Return both as JSON can hold them."""
    return {"aws": aws.to_mapping(), "settings": dataclasses.asdict(settings)}


def read(described: dict[str, t.Any]) -> tuple[AwsOptions, NodeSettings]:
    """Return what ``describe`` was given; raise MalformedRequest when it was not."""
    try:
        given = dict(described["settings"])
        given["pythons"] = tuple(given["pythons"])
        if given["document_parameters"] is not None:
            given["document_parameters"] = read_parameters(dict(given["document_parameters"]))
        settings = NodeSettings(**given)
        aws = AwsOptions.from_mapping(described["aws"])
        hash(settings)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedRequest(f"a node is not described as it should be: {error!r}") from None
    return aws, settings


def read_parameters(given: t.Any) -> DocumentParameters | None:
    """Return what the user has given for parameters; ValueError when it is no mapping of texts or lists of texts."""
    if given is None:
        return None
    if not isinstance(given, dict):
        raise ValueError("it is no mapping")
    return tuple((str(name), _texts(name, value)) for name, value in given.items())


def _texts(name: t.Any, value: t.Any) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)):
        return tuple(text for item in value for text in _texts(name, item))
    if isinstance(value, dict) or value is None:
        raise ValueError(f"the value of {name} is no text")
    return (str(value),)
