# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of the emulator."""

from __future__ import annotations

import collections.abc
import typing as t

import pytest

from tests.integration.emulator.calls import pages
from tests.integration.running_emulator import RunningEmulator


@pytest.fixture
def ssm(emulator: RunningEmulator) -> collections.abc.Iterator[t.Any]:
    """Systems Manager; what the test adds to the account goes when it ends."""
    client = emulator.client("ssm", retries={"total_max_attempts": 1})
    nodes, activations = _ids(client)
    emulator.reset()
    yield client
    emulator.reset()
    emulator.terminate_sessions()
    later = _ids(client)
    for node in later[0] - nodes:
        client.deregister_managed_instance(InstanceId=node)
    for activation in later[1] - activations:
        client.delete_activation(ActivationId=activation)


def _ids(client: t.Any) -> tuple[set[str], set[str]]:
    nodes, activations = pages(client, "describe_instance_information"), pages(client, "describe_activations")
    return {row["InstanceId"] for row in nodes}, {row["ActivationId"] for row in activations}


@pytest.fixture
def tagging(emulator: RunningEmulator) -> t.Any:
    """Resource Groups Tagging."""
    return emulator.client("resourcegroupstaggingapi")
