# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say how each transport reaches its machine: the inventory variables, and why one cannot run here."""

from __future__ import annotations

import abc
import collections.abc
import contextlib
import importlib.util
import os
import pathlib
import subprocess
import sys

from tests.benchmark import ssh_server
from tests.benchmark.delay import DelayedPort
from tests.integration.running_emulator import RunningEmulator

_BUCKET = "benchmark"

OURS, COLD, KEPT = "fleet.ssm.session", "no warm modules", "session kept"
SSH, MITOGEN, LOCAL, AWS_SSM = "ssh", "mitogen", "local", "amazon.aws.aws_ssm"


class Transport(abc.ABC):
    """A connection plugin with a machine at its other end.

    :param folder: for all it writes.
    :param emulator: a running one, with the round trip time to measure at.
    :param delay_ms: that round trip time.
    """

    #: of the timed run, and of what prepares the machine for it
    environment: collections.abc.Mapping[str, str] = {}
    preparation: collections.abc.Mapping[str, str] = {}

    def __init__(self, folder: pathlib.Path, emulator: RunningEmulator, delay_ms: float) -> None:
        self.folder = folder
        self.emulator = emulator
        self.delay_ms = delay_ms

    @staticmethod
    def missing() -> str:
        """Say why it cannot run here; empty when it can."""
        return ""

    @contextlib.contextmanager
    def running(self) -> collections.abc.Iterator[None]:
        """Keep what it needs running."""
        yield

    @abc.abstractmethod
    def one_run(self) -> contextlib.AbstractContextManager[dict[str, str]]:
        """Give the machine's inventory variables for one run, and drop what that leaves for the next: each begins from nothing."""


class OurSession(Transport):
    """fleet.ssm.session."""

    variables: collections.abc.Mapping[str, str] = {}

    def one_run(self) -> contextlib.AbstractContextManager[dict[str, str]]:
        """Leave the machine as it is: the session ends with the run."""
        node = next(iter(self.emulator.nodes().values()))
        return contextlib.nullcontext(
            {"ansible_connection": OURS, "ansible_host": node, "benchmark_folder": "/tmp/benchmark", **self.variables}
        )


class OurSessionCold(OurSession):
    """The same with a fresh interpreter for each module."""

    variables: collections.abc.Mapping[str, str] = {"ansible_ssm_warm_modules": "never"}


class OurSessionKept(OurSession):
    """The same, going on with the session that the run before has kept."""

    variables: collections.abc.Mapping[str, str] = {"ansible_ssm_persist": "20"}
    # So that no run over another transport of ours finds it.
    environment: collections.abc.Mapping[str, str] = {"AWS_ROLE_SESSION_NAME": "kept"}


class Local(Transport):
    """Ansible's own connection to the controller itself: no wire at all."""

    def one_run(self) -> contextlib.AbstractContextManager[dict[str, str]]:
        """Leave the machine as it is."""
        return contextlib.nullcontext({"ansible_connection": "local", "benchmark_folder": str(self.folder / "local")})


class Ssh(Transport):
    """OpenSSH as Ansible runs it, with pipelining and a kept connection."""

    @staticmethod
    def missing() -> str:
        """Say why it cannot run here; empty when it can."""
        return ssh_server.missing()

    @contextlib.contextmanager
    def running(self) -> collections.abc.Iterator[None]:
        """Keep a server running, behind a line of the wanted length."""
        with (
            ssh_server.SshServer(self.folder / type(self).__name__) as self._server,
            DelayedPort(self._server.port, self.delay_ms) as line,
        ):
            self._port = line.port
            yield

    @contextlib.contextmanager
    def one_run(self) -> collections.abc.Iterator[dict[str, str]]:
        """End the kept connection after the run."""
        folder = self._server.folder
        yield {
            **self._server.variables(self._port),
            "ansible_remote_tmp": str(folder / "tmp"),
            "benchmark_folder": str(folder / "target"),
        }
        for control in folder.glob("mux-*"):
            command = ["ssh", "-o", f"ControlPath={control}", "-O", "exit", "127.0.0.1"]
            subprocess.run(command, check=False, capture_output=True)


class Mitogen(Ssh):
    """Mitogen over OpenSSH, by its strategy plugin."""

    @staticmethod
    def missing() -> str:
        """Say why it cannot run here; empty when it can."""
        if importlib.util.find_spec("ansible_mitogen") is None:
            return "mitogen is not installed"
        return ssh_server.missing()

    @contextlib.contextmanager
    def running(self) -> collections.abc.Iterator[None]:
        """Name the strategy; the rest is as with ssh."""
        found = importlib.util.find_spec("ansible_mitogen")
        assert found is not None
        assert found.origin is not None
        strategies = pathlib.Path(found.origin).parent / "plugins" / "strategy"
        self.environment = {
            "ANSIBLE_STRATEGY_PLUGINS": str(strategies),
            "ANSIBLE_STRATEGY": "mitogen_linear",
            "ANSIBLE_HOST_KEY_CHECKING": "false",
        }
        with super().running():
            yield


class AwsSsm(Transport):
    """The community's connection plugin, through the real session-manager-plugin and an S3 bucket."""

    @staticmethod
    def missing() -> str:
        """Say why it cannot run here; empty when it can."""
        if not os.environ.get("SESSION_MANAGER_PLUGIN"):
            return "SESSION_MANAGER_PLUGIN does not name the session-manager-plugin"
        there = [sys.executable, "-c", "import ansible_collections.amazon.aws"]
        if subprocess.run(there, check=False, capture_output=True).returncode != 0:
            return "the ansible package, which has amazon.aws, is not installed"
        return ""

    @contextlib.contextmanager
    def running(self) -> collections.abc.Iterator[None]:
        """Make the bucket."""
        self.environment = self.preparation = {"SSL_CERT_FILE": self.emulator.environment["AWS_CA_BUNDLE"]}
        self.emulator.client("s3").create_bucket(Bucket=_BUCKET)
        yield

    def one_run(self) -> contextlib.AbstractContextManager[dict[str, str]]:
        """Leave the machine as it is: the plugin ends its sessions."""
        variables = {
            "ansible_connection": AWS_SSM,
            "ansible_aws_ssm_instance_id": next(iter(self.emulator.nodes().values())),
            "ansible_aws_ssm_region": self.emulator.environment["AWS_REGION"],
            "ansible_aws_ssm_bucket_name": _BUCKET,
            "ansible_aws_ssm_bucket_endpoint_url": self.emulator.url,
            "ansible_aws_ssm_s3_addressing_style": "path",
            "ansible_aws_ssm_plugin": os.environ["SESSION_MANAGER_PLUGIN"],
            "ansible_remote_tmp": "/tmp/benchmark",
            "benchmark_folder": "/tmp/benchmark-target",
        }
        return contextlib.nullcontext(variables)


TRANSPORTS: dict[str, type[Transport]] = {
    OURS: OurSession,
    COLD: OurSessionCold,
    KEPT: OurSessionKept,
    SSH: Ssh,
    MITOGEN: Mitogen,
    LOCAL: Local,
    AWS_SSM: AwsSsm,
}
