# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Three bare servers, a bucket with the agent for them, and an emulator behind AWS's names where they can register."""

from __future__ import annotations

import collections.abc
import contextlib
import json
import pathlib
import time
import typing as t

from tests.emulator.server import Description
from tests.integration.machines.playbooks import Playbooks, Run
from tests.integration.running_emulator import RunningEmulator
from tests.machines import agent_packages, bucket, cloudwatch_packages, gateway, signing
from tests.machines.site import Site

STUB_VERSION = "3.3.2.0"
_MEMORY = {"metrics": {"metrics_collected": {"mem": {"measurement": ["mem_used_percent"]}}}}
_CLOUDWATCH_VERSION = "1.300002.0b7"
HOSTS = {"press": "debian", "lathe": "enterprise_linux", "mill": "debian"}
_KINDS = {"debian": ("deb", "debian_amd64"), "enterprise_linux": ("rpm", "linux_amd64")}
_ROLE = "SSMServiceRole"
UNIT = "amazon-ssm-agent.service"
VAULT = "/var/lib/amazon/ssm/Vault/Store/RegistrationKey"
REGISTER = "Register the machine"

# A check has no agent that it could ask, and no node that it could tag.
FORESEEN = {
    "Foresee the registration of an agent that is yet to be": REGISTER,
    "Foresee the tags of a node that is yet to be": "Give the node its tags",
}


class Servers:
    """Three servers, a bucket with the agent, and a region in which they can register."""

    def __init__(self, site: Site, folder: pathlib.Path, serving: bucket.Bucket, emulator: RunningEmulator) -> None:
        self.emulator = emulator
        self.content = serving.content
        self.machines = {
            name: site.boot(f"{name}{len(site.machines)}", base, bucket.NAMES, serving.authority, gateway.NAMES)
            for name, base in HOSTS.items()
        }
        (self.machines["lathe"].root / "root/platform.rpm").write_bytes(agent_packages.platform_rpm(folder))
        self.machines["lathe"].run("rpm", "--install", "/root/platform.rpm")
        self.playbooks = Playbooks(folder, self.machines, emulator.environment)
        self.ssm = emulator.client("ssm")
        # The computer under the tests may be an EC2 instance, which its machines show.
        self.variables: dict[str, t.Any] = {"hybrid_activation_iam_role": _ROLE, "hybrid_activation_allow_ec2": True}

    def run(self, entry: str = "main", **variables: t.Any) -> Run:
        """Check, then run; each task of the check must have foretold what it then did, on each machine."""
        before = self.states()
        checked = self.playbooks.role(entry, {**self.variables, **variables}, "--check", "--diff", name="hybrid_activation")
        assert self.states() == before, "the check changed something"
        run = self.playbooks.role(entry, {**self.variables, **variables}, name="hybrid_activation")
        for host in HOSTS:
            foretold = [FORESEEN.get(task, task) for task in checked.changed(host)]
            assert foretold == run.changed(host), f"{host}: the check foretold something else\n{checked}\n{run}"
        return run

    def bootstrap(self, *arguments: str) -> tuple[Run, float]:
        """Run the playbook that makes nodes of them; return how many seconds it took, too."""
        variables = {
            **self.variables,
            "agent_region": gateway.REGION,
            "bootstrap_become": False,
            "cloudwatch_agent_region": gateway.REGION,
            "cloudwatch_agent_configs": [{"name": "memory", "content": _MEMORY}],
            "hybrid_activation_tags": {"site": "plant7", "Name": "{{ inventory_hostname }}"},
        }
        began = time.monotonic()
        run = self.playbooks.playbook("fleet.ssm.bootstrap_on_prem", "-e", json.dumps(variables), *arguments)
        return run, time.monotonic() - began

    def states(self) -> dict[str, str]:
        """Describe each machine, and the nodes that AWS knows."""
        script = (
            f"cat {VAULT} /etc/machine-id; systemctl show --property=InvocationID,ActiveState {UNIT}; ls -a /var/lib/amazon/ssm"
        )
        known = {"AWS": json.dumps(self.listed(), default=str)}
        return {**known, **{host: machine.run("sh", "-c", script, check=False).stdout for host, machine in self.machines.items()}}

    def listed(self) -> dict[str, t.Any]:
        """Return the nodes that AWS lists, with what does not change by itself."""
        found = self.ssm.describe_instance_information()["InstanceInformationList"]
        return {node["InstanceId"]: (node["PingStatus"], node["ActivationId"]) for node in found}

    def node(self, host: str) -> str:
        """Ask the agent which node it is; nothing when it is none."""
        said = self.machines[host].run("ssm-cli", "get-instance-information", check=False)
        return str(json.loads(said.stdout)["instance-id"]) if said.returncode == 0 else ""

    def tags(self, host: str) -> dict[str, str]:
        """Return the tags of a machine's node."""
        listed = self.ssm.list_tags_for_resource(ResourceType="ManagedInstance", ResourceId=self.node(host))["TagList"]
        return {tag["Key"]: tag["Value"] for tag in listed}

    def no_activation_is_left(self) -> bool:
        """Say whether each run has deleted the activation that it made."""
        return not self.ssm.describe_activations()["ActivationList"]


@contextlib.contextmanager
def serve(
    site: Site, signer: signing.Signer, region: RunningEmulator, folder: pathlib.Path, programs: pathlib.Path | None = None
) -> collections.abc.Iterator[Servers]:
    """Have the servers in a site and a region; their agent is the stub, or the real one of these programs."""
    version = agent_packages.version_of(programs) if programs else STUB_VERSION
    described = Description.load(region.folder)
    assert described is not None
    # One certificate for all of AWS: machines do not tell two authorities of the same name from one another.
    with (
        bucket.Bucket(site.network.listen(443), folder, (*bucket.NAMES, *gateway.NAMES)) as serving,
        gateway.Gateway(site.network.listen(443, gateway.ADDRESS), folder, described),
    ):
        made = Servers(site, folder, serving, region)
        files = {"/amazon-ssm-us-east-1/latest/VERSION": f"{version}\n".encode()}
        for build, base in ((agent_packages.deb, "debian"), (agent_packages.rpm, "enterprise_linux")):
            kind, place = _KINDS[base]
            path = f"/amazon-ssm-us-east-1/{version}/{place}/amazon-ssm-agent.{kind}"
            files[path] = build(folder, version, programs)
            files[f"{path}.sig"] = signer.sign(files[path])
            files |= _cloudwatch_agent(folder, signer, base)
        made.content.heal(files)
        made.variables["agent_signing_keys"] = [signer.public_key]
        made.variables["cloudwatch_agent_signing_key_fingerprints"] = [signer.fingerprint]
        yield made


def _cloudwatch_agent(folder: pathlib.Path, signer: signing.Signer, base: str) -> dict[str, bytes]:
    build, place, kind = {
        "debian": (cloudwatch_packages.deb, "debian/amd64", "deb"),
        "enterprise_linux": (cloudwatch_packages.rpm, "redhat/amd64", "rpm"),
    }[base]
    path = f"/{place}/{_CLOUDWATCH_VERSION}/amazon-cloudwatch-agent.{kind}"
    package = build(folder, _CLOUDWATCH_VERSION)
    return {
        "/info/latest/CWAGENT_VERSION": f"{_CLOUDWATCH_VERSION}\n".encode(),
        "/assets/amazon-cloudwatch-agent.gpg": signer.public_key.encode(),
        path: package,
        f"{path}.sig": signer.sign(package),
    }
