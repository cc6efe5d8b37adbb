# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is timed, at which round trip time, over what, and the ratios that are to be reached."""

from __future__ import annotations

import dataclasses
import pathlib

from tests.benchmark.transports import AWS_SSM, COLD, KEPT, LOCAL, MITOGEN, OURS, SSH

_HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True)
class Workload:
    """One run of one of Ansible's programs.

    :param command: program and arguments, which follow ``-i INVENTORY``.
    :param transports: those that run it; the first is the one that the others are compared with.
    :param writes: it needs the folder ``benchmark_folder``, new.
    :param again: it is run twice, and the second run is timed: what keeps a connection has one then.
    :param before: what a shell does in that folder beforehand.
    """

    name: str
    command: tuple[str, ...]
    round_trips_ms: tuple[float, ...]
    transports: tuple[str, ...]
    writes: bool = False
    again: bool = False
    before: str = "true"


@dataclasses.dataclass(frozen=True)
class Bar:
    """The time over one transport is to be at most ``ratio`` of that over another."""

    workload: str
    round_trip_ms: float
    transport: str
    peer: str
    ratio: float


def _playbook(name: str) -> tuple[str, ...]:
    return ("ansible-playbook", str(_HERE / name))


_PING = ("ansible", "all", "-m", "ansible.builtin.ping")

WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("20 commands", _playbook("commands.yml"), (0.0, 50.0), (OURS, COLD, SSH, MITOGEN, LOCAL, AWS_SSM)),
        Workload("20 modules", _playbook("modules.yml"), (50.0,), (OURS, COLD, SSH, MITOGEN), writes=True),
        Workload("ping", _PING, (0.0,), (OURS, SSH, AWS_SSM)),
        Workload("another ping", _PING, (0.0,), (KEPT, SSH), again=True),
        Workload("copy of 5 MB", _playbook("copy.yml"), (0.0, 50.0), (OURS, SSH, MITOGEN, AWS_SSM), writes=True),
        Workload(
            "fetch of 50 MB",
            _playbook("fetch.yml"),
            (50.0,),
            (OURS, SSH, MITOGEN, AWS_SSM),
            writes=True,
            before="head -c 50000000 /dev/urandom > large.bin",
        ),
    )
}

BARS = (
    Bar("20 commands", 50.0, OURS, SSH, 0.6),
    Bar("20 commands", 50.0, OURS, AWS_SSM, 1 / 9),
    Bar("20 commands", 50.0, COLD, SSH, 0.95),
    Bar("20 commands", 50.0, OURS, MITOGEN, 1.0),
    Bar("20 commands", 0.0, OURS, SSH, 0.65),
    Bar("20 commands", 0.0, OURS, AWS_SSM, 1 / 9),
    Bar("20 commands", 0.0, COLD, SSH, 1.2),
    Bar("20 commands", 0.0, OURS, MITOGEN, 1.0),
    Bar("20 modules", 50.0, OURS, SSH, 0.8),
    Bar("ping", 0.0, OURS, SSH, 1.5),
    Bar("copy of 5 MB", 50.0, OURS, SSH, 1.0),
)
