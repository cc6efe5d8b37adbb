# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node as a tree of files, with AWS around it, both healthy; tests then break one thing."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import socket
import textwrap
import time
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.endpoints import SERVICES
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.examination import Findings, Question, examine
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.machine import Machine
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.verdict import Verdict, verdict

from tests.unit.plugins.module_utils._doctor.node.stand_ins import HOST, Authority, Aws, MetadataService, Proxy, Server

REGION = "eu-west-1"
HYBRID, INSTANCE = "mi-0123456789abcdef0", "i-0123456789abcdef0"
MACHINE_ID = "3f2c0a9b8d7e4f6a9b1c2d3e4f5a6b7c"
UNIT = "amazon-ssm-agent.service"
SNAP_UNIT = "snap.amazon-ssm-agent.amazon-ssm-agent.service"
STATE = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "UnitFileState": "enabled",
    "NRestarts": "0",
    "Result": "success",
    "ExecMainStatus": "0",
    "ExecMainStartTimestampMonotonic": "10000000",
}
HEALTHY_LOG = (
    "INFO Proxy environment variables:",
    "INFO https_proxy: ",
    "INFO Checking if agent identity type OnPrem can be assumed",
    "INFO Agent will take identity from OnPrem",
    "INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.987.0",
    "INFO [amazon-ssm-agent] OS: linux, Arch: amd64",
    "INFO [amazon-ssm-agent] Starting Core Agent",
    "INFO [CredentialRefresher] Credentials ready",
    "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Set up control channel successfully",
)


class Node:
    """The tree, and what is said when it is examined."""

    def __init__(self, root: pathlib.Path, authority: Authority) -> None:
        self.root = root
        self.authority = authority
        self.aws: dict[str, Aws] = {}
        self.endpoints: dict[str, str] = {}
        self.metadata_address = "127.0.0.1:1"
        self.timeout = 1.0
        self.total_timeout = 7.0
        self._servers: list[Server] = []

    def write(self, path: str, text: str, mode: int = 0o644) -> pathlib.Path:
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(textwrap.dedent(text), encoding="utf-8")
        place.chmod(mode)
        return place

    def remove(self, path: str) -> None:
        place = self.root / path.lstrip("/")
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink()

    def log(self, *messages: str, ago: float = 3600) -> None:
        """Write a whole log; a second between the lines."""
        begin = time.time() - ago
        rows = [
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(begin + place)) + f".0000 {message}"
            for place, message in enumerate(messages)
        ]
        self.write("/var/log/amazon/ssm/amazon-ssm-agent.log", "\n".join(rows) + "\n")

    def log_after_start(self, *messages: str, ago: float = 600) -> None:
        """Write a log of an agent that started and then met with this."""
        self.log(*HEALTHY_LOG[:7], *messages, ago=ago)

    def hibernate_log(self, ago: float) -> None:
        """Write the log that the agent has for the time of its hibernation."""
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() - ago))
        self.write("/var/log/amazon/ssm/hibernate.log", f"{when} INFO Agent is in hibernate mode. Reducing logging.\n")

    def unit(self, **state: str) -> None:
        """Have systemctl say this of the agent's unit, and nothing of others."""
        said = "".join(f"{name}={value}\n" for name, value in {**STATE, **state}.items())
        script = f"#!/bin/sh\ncase $2 in {UNIT}|{SNAP_UNIT}) cat <<'END'\n{said}END\n;; *) echo LoadState=not-found;; esac\n"
        self.write("/usr/bin/systemctl", script, 0o755)

    def process(self, pid: int, name: str, **environment: str) -> None:
        self.write(f"/proc/{pid}/comm", name + "\n")
        self.write(f"/proc/{pid}/environ", "".join(f"{key}={value}\0" for key, value in environment.items()))

    def registration(self, **changes: t.Any) -> None:
        """Fill the vault."""
        key = {"instanceID": HYBRID, "region": REGION, "privateKey": "MIIEvgIBADAN" + "B" * 60, **changes}
        self.write("/var/lib/amazon/ssm/Vault/Store/RegistrationKey", json.dumps(key))

    def identity(self, expires_in: float, **changes: str) -> None:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + expires_in))
        known = {"InstanceId": HYBRID, "IdentityType": "OnPrem", "CredentialsExpiresAt": moment, "CredentialSource": "", **changes}
        self.write("/var/lib/amazon/ssm/runtimeconfig/identity_config.json", json.dumps(known))

    def be_hybrid(self) -> None:
        self.registration()
        self.write("/var/lib/amazon/ssm/registration", json.dumps({"ManagedInstanceID": HYBRID, "Region": REGION}))
        self.fingerprint()
        self.identity(1800)

    def fingerprint(self, machine_id: str = MACHINE_ID, threshold: int = 40) -> None:
        hashes = {"machine-id": machine_id + "\n", "hostname-info": "web"}
        known = {"fingerprint": "1", "hardwareHash": hashes, "similarityThreshold": threshold}
        self.write("/var/lib/amazon/ssm/Vault/Store/InstanceFingerprint", json.dumps(known))

    def be_instance(self, profile: str = "NodeRole") -> None:
        """Be an EC2 instance; its credentials come from its profile."""
        self.remove("/var/lib/amazon/ssm")
        self.write("/sys/class/dmi/id/sys_vendor", "Amazon EC2\n")
        self.identity(1800, InstanceId=INSTANCE, IdentityType="EC2", CredentialSource="EC2")
        self.serve_metadata(MetadataService(INSTANCE, profile))

    def serve_metadata(self, service: MetadataService) -> None:
        self._servers.append(service)
        self.metadata_address = f"127.0.0.1:{service.port}"

    def go_by_proxy(self, status: int = 200, wants: str = "", sends: str = "") -> Proxy:
        """Have the running agent use a proxy."""
        proxy = Proxy(status, wants)
        self._servers.append(proxy)
        self.process(100, "amazon-ssm-agen", https_proxy=f"http://{sends + '@' if sends else ''}{HOST}:{proxy.port}")
        return proxy

    def connect(self, *services: str, port: int, host: str = HOST) -> None:
        """Have endpoints elsewhere."""
        self.endpoints.update(dict.fromkeys(services or SERVICES, f"https://{host}:{port}"))

    def examine(self, region: str = "") -> Findings:
        question = Question(region, self.endpoints, self.timeout, self.total_timeout)
        return examine(question, Machine(str(self.root)), self.metadata_address)

    def verdict(self, region: str = "") -> Verdict:
        return verdict(self.examine(region).checks)

    def check(self, check_id: str) -> dict[str, t.Any]:
        return next(result for result in self.verdict().checks if result["id"] == check_id)

    def close(self) -> None:
        for server in (*self.aws.values(), *self._servers):
            server.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that nodes trust."""
    return Authority(tmp_path_factory.mktemp("authority"), "Trusted")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that nodes do not trust, as that of a proxy which looks into TLS."""
    return Authority(tmp_path_factory.mktemp("stranger"), "Corporate Inspection CA")


@pytest.fixture
def node(tmp_path: pathlib.Path, authority: Authority) -> t.Iterator[Node]:
    """A hybrid node with a package, in full health."""
    node = Node(tmp_path / "root", authority)
    context = authority.context()
    for service in SERVICES:
        node.aws[service] = Aws(context)
        node.connect(service, port=node.aws[service].port)
    node.write("/usr/bin/amazon-ssm-agent", "")
    node.unit()
    node.process(100, "amazon-ssm-agen", PATH="/usr/bin")
    node.process(101, "ssm-agent-worke", PATH="/usr/bin")
    node.write("/proc/uptime", "100000.00 200000.00\n")
    node.write("/proc/self/mounts", "/dev/vda1 / ext4 rw,relatime 0 0\ntmpfs /tmp tmpfs rw,nosuid,noexec 0 0\n")
    node.write("/proc/meminfo", "MemTotal: 2000000 kB\nMemAvailable:    1000000 kB\n")
    node.write("/proc/locks", "1: POSIX  ADVISORY  WRITE 1234 fd:01:99999999 0 EOF\n")
    node.write("/etc/machine-id", MACHINE_ID + "\n")
    node.write("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nssm-user:x:1001:1001::/home/ssm-user:/bin/sh\n")
    node.write("/etc/sudoers.d/ssm-agent-users", "# User rules for ssm-user\nssm-user ALL=(ALL) NOPASSWD:ALL\n", 0o440)
    node.write("/etc/ssl/certs/ca-certificates.crt", authority.path.read_text(encoding="ascii"))
    node.log(*HEALTHY_LOG)
    node.be_hybrid()
    (node.root / "tmp").mkdir()
    yield node
    node.close()


@pytest.fixture
def is_root() -> bool:
    """Whether this is root."""
    return os.geteuid() == 0


@pytest.fixture
def no_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that never answers."""

    def hang(*_arguments: t.Any) -> t.NoReturn:
        time.sleep(60)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
