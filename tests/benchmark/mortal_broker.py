# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A broker that is killed with the Nth frame it receives; it is started as the broker is.

N is in the environment, under a name with the controller's process id, so that several can be told apart.
"""

from __future__ import annotations

import itertools
import os
import signal

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import broker
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.protocol import DataChannelProtocol


def variable(controller: int) -> str:
    """Return the name of the variable with N."""
    return f"FLEET_SSM_TEST_BROKER_OF_{controller}_DIES_AFTER"


def main(path: str, controller: str, descriptor: str, identity: str) -> None:
    """Run the broker as long as it may live; the one that is started after it lives on."""
    life = int(os.environ.get(variable(int(controller)), "0"))
    received = itertools.count(1)
    receive = DataChannelProtocol.receive

    def receive_or_die(self: DataChannelProtocol, data: bytes, now: float) -> None:
        if next(received) == life:
            os.kill(os.getpid(), signal.SIGKILL)
        receive(self, data, now)

    DataChannelProtocol.receive = receive_or_die  # type: ignore[method-assign]
    broker.main(path, controller, descriptor, identity)
