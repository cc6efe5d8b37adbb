# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private network for machines: a bridge in a network namespace of its own, joined to nothing else."""

from __future__ import annotations

import ctypes
import os
import pathlib
import socket
import subprocess
import threading

ADDRESS = "10.250.0.1"
# A second one, for who listens on the same port.
SERVICES_ADDRESS = "10.250.255.1"
_BRIDGE = "bridge"
_CLONE_NEWNET = 0x40000000
_NAMESPACES = pathlib.Path("/run/netns")


class Network:
    """The network and what listens in it; machines are 10.250.0.2 and up."""

    def __init__(self, name: str) -> None:
        self.name = name
        _ip("netns", "add", name)
        try:
            for command in (
                ("link", "set", "lo", "up"),
                ("link", "add", _BRIDGE, "type", "bridge"),
                ("address", "add", f"{ADDRESS}/16", "dev", _BRIDGE),
                ("address", "add", f"{SERVICES_ADDRESS}/16", "dev", _BRIDGE),
                ("link", "set", _BRIDGE, "up"),
            ):
                _ip("-n", name, *command)
        except BaseException:
            self.remove()
            raise

    def listen(self, port: int, address: str = ADDRESS) -> socket.socket:
        """Return a socket that listens in the network; whoever accepts on it may run anywhere."""
        made: list[socket.socket] = []

        # A socket belongs to the namespace it was made in, and each thread can be in one of its own.
        def make() -> None:
            _enter(_NAMESPACES / self.name)
            made.append(socket.create_server((address, port)))

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if not made:
            raise OSError(f"cannot listen on port {port} in network {self.name}")
        return made[0]

    def join(self, machine: str, number: int) -> pathlib.Path:
        """Make the namespace of a machine, with eth0 in this network, and return its path."""
        _ip("netns", "add", machine)
        ours = f"machine{number}"
        _ip("link", "add", ours, "netns", self.name, "type", "veth", "peer", "name", "eth0", "netns", machine)
        _ip("-n", self.name, "link", "set", ours, "master", _BRIDGE, "up")
        for command in (
            ("link", "set", "lo", "up"),
            ("address", "add", f"{address(number)}/16", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
        ):
            _ip("-n", machine, *command)
        return _NAMESPACES / machine

    def remove(self) -> None:
        """Take it away."""
        remove_namespace(self.name)


def address(number: int) -> str:
    """Return the address of a machine, by its number from 2 to 254."""
    return f"10.250.0.{number}"


def remove_namespace(name: str) -> None:
    """Take a namespace away, with the links in it, if it is there."""
    if (_NAMESPACES / name).exists():
        _ip("netns", "delete", name)


def _enter(namespace: pathlib.Path) -> None:
    # os.setns is there from Python 3.12 on only.
    library = ctypes.CDLL(None, use_errno=True)
    with namespace.open("rb") as file:
        if library.setns(file.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns: {os.strerror(ctypes.get_errno())}")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
