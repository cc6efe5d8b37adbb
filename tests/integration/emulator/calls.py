# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the emulator ask it."""

from __future__ import annotations

import collections.abc
import contextlib
import typing as t
import urllib.error
import urllib.request

import botocore.exceptions
import pytest

from tests.integration.running_emulator import RunningEmulator

NOWHERE = "i-0123456789abcdef0"
SHELL_SCRIPT = "AWS-RunShellScript"
FLEET = {"web-1", "web-2", "db-1", "snakeless", "aged"}


def pages(client: t.Any, operation: str, **params: t.Any) -> list[dict[str, t.Any]]:
    """Return all rows of a list."""
    everything = client.get_paginator(operation).paginate(**params).build_full_result()
    return next(value for value in everything.values() if isinstance(value, list))


@contextlib.contextmanager
def refused(code: str, words: str = "") -> collections.abc.Iterator[None]:
    """Expect an error of this code, with these words in its message."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        yield
    error = caught.value.response["Error"]
    assert (error["Code"], words in error["Message"]) == (code, True), error


def activation(ssm: t.Any, **params: t.Any) -> dict[str, t.Any]:
    """Make an activation."""
    return dict(ssm.create_activation(**{"IamRole": "Role", **params}))


def described(ssm: t.Any, activation: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return what DescribeActivations tells of an activation."""
    (row,) = activations(ssm, ActivationIds=activation["ActivationId"])
    return row


def activations(ssm: t.Any, **values: str) -> list[dict[str, t.Any]]:
    """Return the activations with these values."""
    filters = [{"FilterKey": key, "FilterValues": [value]} for key, value in values.items()]
    return pages(ssm, "describe_activations", Filters=filters)


def information(ssm: t.Any, **values: str) -> list[dict[str, t.Any]]:
    """Return the nodes with these values."""
    filters = [{"Key": key, "Values": [value]} for key, value in values.items()]
    return pages(ssm, "describe_instance_information", Filters=filters)


def post(emulator: RunningEmulator, page: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Post a body as it is; return the status and the answer."""
    request = urllib.request.Request(emulator.url + page, data=body, headers=headers or {}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
