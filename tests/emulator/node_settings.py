# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a simulated machine is told when it is switched on, and what it hands back.

The seam between the fleet and the simulated agent: ``agent/launch.py`` has ``start_node(settings) -> NodeHandle``. It
returns as soon as the machine's process runs; that the node is online shows in the message service and in
DescribeInstanceInformation, because the agent calls UpdateInstanceInformation and opens its control channel itself.

* EC2 node: ``instance_id`` is an ``i-…`` and the three credential members are set (an instance profile's; static).
* hybrid node: ``activation_id`` and ``activation_code`` are set; the agent registers with them, unless the folder says
  that it has done so before (the real agent's vault), and gets its credentials by RequestManagedInstanceRoleToken.
"""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t


@dataclasses.dataclass(frozen=True)
class NodeSettings:
    """One simulated machine."""

    name: str
    folder: pathlib.Path  # the machine's own: state, log, root overlay; exists and is empty at the first start
    region: str
    ssm_url: str  # http://127.0.0.1:PORT, the API
    messages_url: str  # https://localhost:PORT, ssmmessages
    ca_file: pathlib.Path
    instance_id: str = ""
    access_key: str = ""
    secret_key: str = ""
    session_token: str = ""
    activation_id: str = ""
    activation_code: str = ""
    hostname: str = ""  # the name when empty
    ip_address: str = ""
    platform_type: str = "Linux"
    platform_name: str = "Debian GNU/Linux"
    platform_version: str = "12"
    agent_version: str = "3.3.0.0"
    python: bool = True  # False: a machine on which no Python is to be found until someone runs: packages install
    program_folder: str = ""  # the folder of the real agent's programs; empty: a simulated agent


class NodeHandle(t.Protocol):
    """A machine that was switched on."""

    pid: int
    root: pathlib.Path  # where its files are seen from outside; "/" when it has no root folder of its own

    def is_running(self) -> bool:
        """Whether its process still lives."""

    def stop(self) -> None:
        """Switch it off: no process and no mount is left, its folder stays."""
