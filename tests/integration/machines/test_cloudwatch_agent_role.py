# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role cloudwatch_agent on booted machines of both families, with a stub of the agent that has the real one's manners."""

from __future__ import annotations

import collections.abc
import json
import pathlib
import sys
import typing as t

import boto3
import moto.server
import pytest

from tests.integration.emulator.calls import post
from tests.integration.machines.playbooks import Playbooks, Run
from tests.integration.running_emulator import RunningEmulator
from tests.machines import agent_packages, bucket, cloudwatch_packages, signing
from tests.machines.machine import Machine
from tests.machines.site import Site

pytestmark = pytest.mark.long

tomllib = pytest.importorskip("tomllib", reason="it is there from Python 3.11 on")

_OLD, _NEW = "1.300001.0b1", "1.300002.0b7"
_FOLDERS = {"debian": "debian/amd64", "rocky": "redhat/amd64"}
_KINDS = {"debian": "deb", "rocky": "rpm"}
_UNIT = "amazon-cloudwatch-agent.service"
_BASE = "/opt/aws/amazon-cloudwatch-agent"
_FRAGMENTS = f"{_BASE}/etc/amazon-cloudwatch-agent.d"
_COMMON_CONFIG = f"{_BASE}/etc/common-config.toml"
_PACKAGE, _CONFIG = "Have the agent's package, verified", "Have the agent configured and its service as wanted"
_DISTRIBUTED = "Have the agent's package from Distributor"
_REPLACED = "Foresee that the agent which Distributor replaces is configured anew"
# What a package of Distributor runs on its node, a machine in this folder: it puts AWS's package in, or takes it out.
_SCRIPTS = """
import json, pathlib, subprocess, sys
folder, kind, action, _name, version = sys.argv[1:]
entry = json.loads((pathlib.Path(folder) / "enter.json").read_text())
if action == "install":
    content = (pathlib.Path(__file__).parent / f"{version}.{kind}").read_bytes()
    (pathlib.Path(folder) / "root/root/distributed").write_bytes(content)
    does = {"deb": ["dpkg", "--install", "/root/distributed"], "rpm": ["rpm", "--upgrade", "/root/distributed"]}
else:
    does = {"deb": ["dpkg", "--purge", "amazon-cloudwatch-agent"], "rpm": ["rpm", "--erase", "amazon-cloudwatch-agent"]}
sys.exit(subprocess.run([*entry, *does[kind]]).returncode)
"""
_INSTALL = {"debian": ["dpkg", "--install"], "rocky": ["rpm", "--install"]}
_CREDENTIALS = '[credentials]\nshared_credential_profile = "default"\nshared_credential_file = "/root/.aws/credentials"\n'
_MEMORY = {"metrics": {"metrics_collected": {"mem": {"measurement": ["mem_used_percent"]}}}}
_LOGS = {"logs": {"logs_collected": {"files": {"collect_list": [{"file_path": "/var/log/syslog", "log_group_name": "${aws:x}"}]}}}}
_PROCESSES = {"metrics": {"metrics_collected": {"processes": {"measurement": ["running"]}}}}


class Fleet:
    """Two bare servers on premises, and the bucket with two versions of the agent."""

    def __init__(self, site: Site, serving: bucket.Bucket, folder: pathlib.Path) -> None:
        self.content = serving.content
        self.machines: dict[str, Machine] = {
            "debian": site.boot("debian", "debian", bucket.NAMES, serving.authority),
            "rocky": site.boot("rocky", "enterprise_linux", bucket.NAMES, serving.authority),
        }
        (self.machines["rocky"].root / "root/platform.rpm").write_bytes(agent_packages.platform_rpm(folder))
        self.machines["rocky"].run("rpm", "--install", "/root/platform.rpm")
        self.playbooks = Playbooks(folder, self.machines)
        self.environment: dict[str, str] = {}
        (folder / "logs.json").write_text(json.dumps(_LOGS), encoding="utf-8")
        self.variables: dict[str, t.Any] = {
            "cloudwatch_agent_region": "us-east-1",
            "cloudwatch_agent_credentials": "ssm",
            "cloudwatch_agent_configs": [
                {"name": "memory", "content": _MEMORY},
                {"name": "logs", "src": str(folder / "logs.json")},
            ],
        }

    def play(self, entry: str, variables: dict[str, t.Any], *arguments: str) -> Run:
        """Run an entry point of the role on all machines."""
        role = {"name": "fleet.ssm.cloudwatch_agent", "tasks_from": entry}
        task = {"name": "Role", "ansible.builtin.import_role": role, "vars": {**self.variables, **variables}}
        return self.playbooks.tasks([{**task, "environment": self.environment}], *arguments)

    def run(self, entry: str = "main", **variables: t.Any) -> Run:
        """Check, then run; each task of the check must have foretold what it then did, on each machine."""
        before = self.states()
        checked = self.play(entry, variables, "--check", "--diff")
        assert self.states() == before, "the check changed something"
        run = self.play(entry, variables)
        assert checked.code == run.code == 0, f"{checked}\n{run}"
        for host in self.machines:
            assert checked.changed(host) == run.changed(host), f"{host}: the check foretold something else\n{checked}\n{run}"
        return run

    def refused(self, **variables: t.Any) -> dict[str, str]:
        """Run what must fail, in the check too and with the same words, and leave everything as it is; return the words."""
        before = self.states()
        checked = self.play("main", variables, "--check")
        run = self.play("main", variables)
        assert self.states() == before
        words = {host: run.failure(host) for host in self.machines}
        assert words == {host: checked.failure(host) for host in self.machines}
        return words

    def states(self) -> dict[str, str]:
        """Describe each machine as far as the role may change it."""
        script = f"""
            dpkg-query -W -f '${{Status}} ${{Version}}\\n' amazon-cloudwatch-agent 2>/dev/null
            rpm -q amazon-cloudwatch-agent 2>/dev/null
            systemctl is-active {_UNIT}; systemctl is-enabled {_UNIT} 2>/dev/null
            systemctl show --property=InvocationID {_UNIT}
            find {_BASE}/etc /root/.aws -type f 2>/dev/null | sort | while read path; do stat -c '%n %a' $path; cat $path; done
            ls /tmp"""
        return {host: machine.run("sh", "-c", script, check=False).stdout for host, machine in self.machines.items()}

    def invocations(self) -> dict[str, str]:
        """Name the run of each agent's service."""
        asked = ("systemctl", "show", "--value", "--property=InvocationID", _UNIT)
        return {host: machine.output(*asked) for host, machine in self.machines.items()}

    def fragments(self, host: str) -> dict[str, t.Any]:
        """Read what the agent keeps."""
        names = self.machines[host].output("ls", _FRAGMENTS).split()
        return {name: json.loads(self.machines[host].output("cat", f"{_FRAGMENTS}/{name}")) for name in names}

    def settings(self, host: str) -> t.Any:
        """Read common-config.toml."""
        return tomllib.loads(self.machines[host].output("cat", _COMMON_CONFIG))

    def status(self, host: str) -> t.Any:
        """Ask the agent's own program."""
        return json.loads(self.machines[host].output(f"{_BASE}/bin/amazon-cloudwatch-agent-ctl", "-a", "status"))


def path_of(host: str, version: str) -> str:
    return f"/{_FOLDERS[host]}/{version}/amazon-cloudwatch-agent.{_KINDS[host]}"


@pytest.fixture(scope="module")
def files(signer: signing.Signer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("packages")
    build = {"debian": cloudwatch_packages.deb, "rocky": cloudwatch_packages.rpm}
    made = {path_of(host, version): build[host](folder, version) for host in build for version in (_OLD, _NEW)}
    signatures = {f"{path}.sig": signer.sign(content) for path, content in made.items()}
    return {**made, **signatures, "/assets/amazon-cloudwatch-agent.gpg": signer.public_key.encode()}


@pytest.fixture(scope="module")
def servers(site: Site, signer: signing.Signer, tmp_path_factory: pytest.TempPathFactory) -> collections.abc.Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("role")
    with bucket.Bucket(site.network.listen(443), folder) as serving:
        made = Fleet(site, serving, folder)
        # The key is loaded from the bucket, as AWS's is; only its fingerprint is another.
        made.variables["cloudwatch_agent_signing_key_fingerprints"] = [signer.fingerprint]
        yield made


@pytest.fixture
def bare(servers: Fleet, files: dict[str, bytes]) -> Fleet:
    """Servers without an agent; a bucket with the older version as the newest."""
    servers.content.heal({**files, "/info/latest/CWAGENT_VERSION": f"{_OLD}\n".encode()})
    purge = {"debian": "dpkg --purge amazon-cloudwatch-agent", "rocky": "rpm -e amazon-cloudwatch-agent"}
    for host, machine in servers.machines.items():
        machine.run("sh", "-c", f"{purge[host]}; rm -rf {_BASE} /root/.aws; systemctl daemon-reload", check=False)
    return servers


@pytest.fixture
def fleet(bare: Fleet) -> Fleet:
    """Servers with the older version, configured and running; made so without Ansible, which takes longer."""
    fragments = {"memory": _MEMORY, "logs": _LOGS, "fleet-ssm-region": {"agent": {"region": "us-east-1"}}}
    for host, machine in bare.machines.items():
        (machine.root / "root/agent").write_bytes(bare.content.files[path_of(host, _OLD)])
        machine.run(*_INSTALL[host], "/root/agent")
        for path, text in (("root/.aws/config", "[default]\nregion = us-east-1\n"), (_COMMON_CONFIG.lstrip("/"), _CREDENTIALS)):
            (machine.root / path).parent.mkdir(exist_ok=True)
            (machine.root / path).write_text(text, encoding="utf-8")
        for number, (name, content) in enumerate(fragments.items()):
            (machine.root / f"root/{name}.json").write_text(json.dumps(content), encoding="utf-8")
            action = ["-a", "append-config" if number else "fetch-config", *(["-s"] if number == len(fragments) - 1 else [])]
            machine.run(f"{_BASE}/bin/amazon-cloudwatch-agent-ctl", *action, "-m", "auto", "-c", f"file:/root/{name}.json")
    return bare


def test_a_bare_server_gets_a_configured_and_running_agent_and_then_stays_as_it_is(bare: Fleet) -> None:
    variables: dict[str, t.Any] = {"cloudwatch_agent_proxy": {"https": "http://proxy.example:3128", "no": ".amazonaws.com"}}
    run = bare.run(**variables)
    for host, machine in bare.machines.items():
        assert run.changed(host) == [_PACKAGE, _CONFIG]
        status = bare.status(host)
        assert (status["status"], status["configstatus"], status["version"]) == ("running", "configured", _OLD)
        assert machine.output("systemctl", "is-enabled", _UNIT) == "enabled"
        assert bare.fragments(host) == {
            "file_memory.json": _MEMORY,
            "file_logs.json": _LOGS,
            "file_fleet-ssm-region.json": {"agent": {"region": "us-east-1"}},
        }
        assert machine.output("cat", "/root/.aws/config") == "[default]\nregion = us-east-1"
        common_config = machine.output("cat", _COMMON_CONFIG)
        assert common_config.startswith("# This common-config is used")
        assert 'https_proxy = "http://proxy.example:3128"' in common_config
        assert run.fact(host, "cloudwatch_agent_found") == {
            "kind": _KINDS[host],
            "version": _OLD,
            "unit": _UNIT,
            "running": True,
            "enabled": True,
            "fragments": ["file_memory.json", "file_logs.json", "file_fleet-ssm-region.json"],
        }

    before = bare.states()
    bare.content.asked.clear()
    again = bare.play("main", variables)
    assert again.code == 0, again
    assert [again.changed(host) for host in bare.machines] == [[], []]
    assert bare.content.asked == []
    assert bare.states() == before


def test_what_was_changed_by_hand_is_repaired_and_a_bad_fragment_changes_nothing(fleet: Fleet) -> None:
    bad = {"name": "bad", "content": {"agent": {"metrics_collection_interval": "often"}}}
    for words in fleet.refused(cloudwatch_agent_configs=[*fleet.variables["cloudwatch_agent_configs"], bad]).values():
        assert words.startswith("The fragment bad.json is refused by the agent's config-translator: ")
        assert "Under path : /agent/metrics_collection_interval | Error : Invalid type. Expected: integer, given: string" in words

    wanted = {host: (fleet.fragments(host), fleet.settings(host)) for host in fleet.machines}
    before = fleet.invocations()
    fleet.machines["debian"].run("systemctl", "disable", "--now", _UNIT)
    fleet.machines["debian"].run("sh", "-c", f"echo '{{}}' > {_FRAGMENTS}/file_memory.json; touch {_FRAGMENTS}/ssm_other")
    fleet.machines["rocky"].run("sed", "-i", "/shared_credential_file/d", _COMMON_CONFIG)
    run = fleet.run()
    assert [run.changed(host) for host in fleet.machines] == [[_CONFIG], [_CONFIG]]
    assert {host: (fleet.fragments(host), fleet.settings(host)) for host in fleet.machines} == wanted
    assert not set(fleet.invocations().values()) & set(before.values())
    for host, machine in fleet.machines.items():
        assert fleet.status(host)["status"] == "running"
        assert machine.output("systemctl", "is-enabled", _UNIT) == "enabled"


def test_fragments_come_and_go_one_from_a_parameter_and_the_agent_is_updated(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    server = moto.server.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    aws = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    try:
        client = boto3.client(
            "ssm",
            region_name="us-east-1",
            endpoint_url=aws["AWS_ENDPOINT_URL"],
            aws_access_key_id="a",
            aws_secret_access_key="b",
        )
        client.put_parameter(Name="/agents/processes", Value=json.dumps(_PROCESSES), Type="SecureString")
        monkeypatch.setattr(fleet, "environment", aws)
        fleet.content.files["/info/latest/CWAGENT_VERSION"] = f"{_NEW}\n".encode()
        run = fleet.run(
            cloudwatch_agent_version="latest",
            cloudwatch_agent_configs=[
                {"name": "processes", "ssm_parameter": "/agents/processes"},
                {"name": "memory", "content": json.dumps(_MEMORY)},
            ],
        )
    finally:
        server.stop()
    for name in fleet.machines:
        assert run.changed(name) == [_PACKAGE, _CONFIG]
        assert set(fleet.fragments(name)) == {"file_processes.json", "file_memory.json", "file_fleet-ssm-region.json"}
        assert fleet.fragments(name)["file_processes.json"] == _PROCESSES
        assert (fleet.status(name)["version"], fleet.status(name)["status"]) == (_NEW, "running")
    assert "mem_used_percent" not in run.output


def test_a_package_that_is_not_whole_or_signed_by_another_is_refused_and_nothing_installed(
    bare: Fleet, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bare.content.tamper(path_of("debian", _OLD))
    with signing.Signer(tmp_path_factory.mktemp("k") / "k") as other:
        rpm = path_of("rocky", _OLD)
        bare.content.files[f"{rpm}.sig"] = other.sign(bare.content.files[rpm])
    words = bare.refused()
    assert "was changed after it was signed" in words["debian"]
    assert "which is none of the given ones" in words["rocky"]


def test_where_systemd_does_not_run_the_playbook_installs_the_agent_and_does_not_configure_it(bare: Fleet) -> None:
    machine = bare.machines["debian"]
    variables = json.dumps({**bare.variables, "cloudwatch_agent_become": False})
    machine.run("mv", "/run/systemd/system", "/run/systemd/elsewhere")
    try:
        run = bare.playbooks.playbook("fleet.ssm.cloudwatch_agent", "-e", variables, "--limit", "debian")
    finally:
        machine.run("mv", "/run/systemd/elsewhere", "/run/systemd/system")
    assert run.code == 0, run
    assert run.changed("debian") == [_PACKAGE]
    assert run.fact("debian", "cloudwatch_agent_found")["running"] is None
    assert bare.machines["debian"].output("ls", _FRAGMENTS) == ""


class Distributor:
    """Has packages put into the machines when Run Command is asked to; the nodes are records of an emulator."""

    def __init__(self, fleet: Fleet, emulator: RunningEmulator, folder: pathlib.Path) -> None:
        self.fleet = fleet
        self._emulator = emulator
        self._program = folder / "scripts.py"
        self._program.write_text(_SCRIPTS, encoding="utf-8")
        for host, kind in _KINDS.items():
            for version in (_OLD, _NEW):
                (folder / f"{version}.{kind}").write_bytes(fleet.content.files[path_of(host, version)])
        emulator.add_records({"nodes": [{"count": 1, "kind": "hybrid", "name": host} for host in fleet.machines]})
        self.nodes = {name.partition("-")[0]: node for name, node in self._names().items()}
        self.variables: dict[str, t.Any] = {
            "cloudwatch_agent_source": "distributor",
            # As the role hybrid_activation has left it.
            "hybrid_activation_result": f"{{{{ {{'node_id': {self.nodes}[inventory_hostname]}} }}}}",
        }
        self.order(versions=[_OLD])
        for host, machine in fleet.machines.items():
            scripts = [sys.executable, str(self._program), str(machine.folder), _KINDS[host]]
            self.order(nodes=[self.nodes[host]], scripts=scripts)

    def order(self, **body: t.Any) -> None:
        """Say what it has, and what its scripts do."""
        assert post(self._emulator, "/_emulator/packages", json.dumps(body).encode())[0] == 200

    def sent(self) -> int:
        """Count the commands so far."""
        return self._emulator.calls("ssm:SendCommand")

    def _names(self) -> dict[str, str]:
        listed = self._emulator.client("ssm").describe_instance_information()["InstanceInformationList"]
        return {node["Name"]: node["InstanceId"] for node in listed}


@pytest.fixture
def distributor(
    bare: Fleet,
    run_emulator: t.Callable[[pathlib.Path], collections.abc.Iterator[RunningEmulator]],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> collections.abc.Iterator[Distributor]:
    """Bare servers that are managed nodes, whose Distributor has the older version."""
    nobody = tmp_path / "fleet.yml"
    nobody.write_text("nodes: []\n", encoding="utf-8")
    for emulator in run_emulator(nobody):
        monkeypatch.setattr(bare, "environment", emulator.environment)
        yield Distributor(bare, emulator, tmp_path)


def test_distributor_installs_the_agent_by_one_command_and_is_left_alone_afterwards(distributor: Distributor) -> None:
    fleet = distributor.fleet
    run = fleet.run(**distributor.variables)
    assert distributor.sent() == 1
    for host in fleet.machines:
        assert run.changed(host) == [_DISTRIBUTED, _CONFIG]
        found = run.fact(host, "cloudwatch_agent_found")
        assert (found["kind"], found["version"], fleet.status(host)["status"]) == (_KINDS[host], _OLD, "running")
    again = fleet.run(**distributor.variables)
    assert [again.changed(host) for host in fleet.machines] == [[], []]
    assert distributor.sent() == 1

    distributor.order(versions=[_OLD, _NEW])
    pinned = {**distributor.variables, "cloudwatch_agent_version": _NEW}
    checked, run = fleet.play("main", pinned, "--check"), fleet.play("main", pinned)
    for host in fleet.machines:
        assert checked.changed(host) == [_DISTRIBUTED, _REPLACED], str(checked)
        assert run.changed(host) == [_DISTRIBUTED, _CONFIG], str(run)
        assert (fleet.status(host)["version"], fleet.status(host)["status"]) == (_NEW, "running")
    latest = fleet.play("main", {**distributor.variables, "cloudwatch_agent_version": "latest"})
    assert [latest.changed(host) for host in fleet.machines] == [[], []]
    assert distributor.sent() == 3
    older = fleet.refused(**distributor.variables, cloudwatch_agent_version=_OLD)
    for words in older.values():
        assert words.startswith(f"Version {_NEW} is installed, which is newer than {_OLD}. Set cloudwatch_agent_allow_downgrade")


def test_what_distributor_fails_of_is_told_of_each_node_by_itself(distributor: Distributor) -> None:
    fleet, node = distributor.fleet, distributor.nodes["debian"]
    distributor.order(nodes=[node], scripts=["sh", "-c", "echo no space left on device >&2; exit 1"])
    run = fleet.play("main", distributor.variables)
    assert run.failure("debian").startswith(f"Distributor did not install the CloudWatch agent on {node} (Failed): ")
    assert "no space left on device" in run.failure("debian")
    assert run.changed("rocky") == [_DISTRIBUTED, _CONFIG]

    # As when somebody removed the package: it is still on the record that the SSM agent keeps.
    fleet.machines["rocky"].run("rpm", "--erase", "amazon-cloudwatch-agent")
    distributor.order(nodes=[node], scripts=[])
    run = fleet.play("main", distributor.variables)
    for host in fleet.machines:
        assert "but the package is not there" in run.failure(host)
        assert "have AWS-ConfigureAWSPackage uninstall AmazonCloudWatchAgent there" in run.failure(host)

    named = fleet.refused(**{**distributor.variables, "cloudwatch_agent_instance_id": "web"})
    assert "which is not the id of a managed node" in named["debian"]

    # A check of a server that it would have registered before.
    to_be = {**distributor.variables, "hybrid_activation_result": {"node_id": ""}}
    assert _DISTRIBUTED in fleet.play("main", to_be, "--check").changed("debian")


def test_an_uninstalled_agent_is_gone_and_uninstalling_it_again_changes_nothing(fleet: Fleet) -> None:
    run = fleet.run("uninstall")
    for host, machine in fleet.machines.items():
        assert run.changed(host) == ["Have no package of the agent"]
        assert machine.run("systemctl", "cat", _UNIT, check=False).returncode != 0
        assert "file_memory.json" in machine.output("ls", _FRAGMENTS)
    everything = fleet.play("uninstall", {"cloudwatch_agent_remove_data": True})
    for host, machine in fleet.machines.items():
        assert everything.changed(host) == ["Have no data of the agent"]
        assert machine.run("test", "-e", _BASE, check=False).returncode != 0
