# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor on booted machines: whatever is broken there, it names that first; where nothing is, it raises no alarm."""

from __future__ import annotations

import collections.abc
import contextlib
import json
import pathlib
import resource
import shutil
import subprocess
import time
import typing as t

import ansible.release
import pytest

from tests.emulator.certificates import Certificates
from tests.integration.running_emulator import CLONE, Ansible, RunningEmulator
from tests.machines import agent_packages, endpoints, network
from tests.machines.endpoints import Endpoints
from tests.machines.machine import Machine
from tests.machines.site import Site

pytestmark = pytest.mark.long

_UNIT = "amazon-ssm-agent.service"
_SNAP_UNIT = "snap.amazon-ssm-agent.amazon-ssm-agent.service"
_LOG = "/var/log/amazon/ssm/amazon-ssm-agent.log"
_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_PROXY_PORT = 3128
_MODULE = "/opt/doctor/ansible_collections/fleet/ssm/plugins/modules/agent_doctor.py"
_PLAYBOOK_SECONDS = 20.0
# Short, for the sake of the tests: nothing here is further away than the next process.
_PATIENCE = {"timeout": 1.0, "total_timeout": 3.0}

Result = dict[str, t.Any]


class Patient:
    """A machine with a stand-in of the agent that is registered and, as its log says, has got through to AWS."""

    def __init__(self, machine: Machine, package: bytes, node: str) -> None:
        self.machine = machine
        self.node = node
        self.authority = ""
        file = machine.root / "root/agent.deb"
        file.write_bytes(package)
        machine.run("dpkg", "--install", "/root/agent.deb")
        file.unlink()
        # The package's own program would look for AWS; the doctor looks at no more than that there is one which runs.
        self.put("/usr/bin/amazon-ssm-agent", "#!/usr/bin/python3\nimport signal\nsignal.pause()\n")
        self.run(f"systemctl restart {_UNIT}")
        self.put("/var/lib/amazon/ssm/registration", json.dumps({"ManagedInstanceID": node, "Region": endpoints.REGION}))
        vault = {"instanceID": node, "region": endpoints.REGION, "privateKey": "stub"}
        self.put("/var/lib/amazon/ssm/Vault/Store/RegistrationKey", json.dumps(vault))
        identity = machine.output("cat", "/etc/machine-id")
        known = {"hardwareHash": {"machine-id": identity}, "similarityThreshold": 40}
        self.put("/var/lib/amazon/ssm/Vault/Store/InstanceFingerprint", json.dumps(known))
        self.log("amazon-ssm-agent - v3.3.1.0", "Credentials ready", "Set up control channel successfully")

    def put(self, path: str, text: str) -> None:
        """Write a file on the machine."""
        self.run(f"mkdir -p $(dirname {path}); cat > {path}", text)

    def log(self, *messages: str) -> None:
        """Have the agent's log end with these."""
        now = time.strftime("%Y-%m-%d %H:%M:%S.0000", time.gmtime())
        lines = "".join(f"{now} INFO {message}\n" for message in messages)
        self.run(f"mkdir -p $(dirname {_LOG}); cat >> {_LOG}", lines)

    def run(self, script: str, stdin: str = "") -> None:
        """Run a shell script there."""
        self.machine.run("sh", "-ec", script, stdin=stdin.encode())

    def examine(self) -> Result:
        """Run the module by the machine's own Python."""
        arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {"region": endpoints.REGION, **_PATIENCE}})
        done = self.machine.run("env", "PYTHONPATH=/opt/doctor", "/usr/bin/python3", _MODULE, stdin=arguments.encode(), check=False)
        assert done.stdout, done.stderr
        result: Result = json.loads(done.stdout)
        return result


def _install_module(machine: Machine) -> None:
    """Put the module there, and what it imports, as AnsiballZ would with each run."""
    place = machine.root / "opt/doctor"
    ours = place / "ansible_collections/fleet/ssm/plugins"
    leave = shutil.ignore_patterns("__pycache__")
    package = pathlib.Path(ansible.release.__file__).parent
    shutil.copytree(package / "module_utils", place / "ansible/module_utils", ignore=leave)
    (place / "ansible/__init__.py").write_text(f'__version__ = "{ansible.release.__version__}"\n', encoding="utf-8")
    shutil.copytree(CLONE / "plugins/module_utils", ours / "module_utils", ignore=leave)
    (ours / "modules").mkdir()
    shutil.copy(CLONE / "plugins/modules/agent_doctor.py", ours / "modules")


class Ward(t.NamedTuple):
    """The patient, AWS as it sees it, and two more machines that are as well."""

    patient: Patient
    aws: Endpoints
    others: list[Patient]


@pytest.fixture(scope="module")
def emulator_without_machines(
    run_emulator: t.Callable[[pathlib.Path], collections.abc.Iterator[RunningEmulator]], tmp_path_factory: pytest.TempPathFactory
) -> collections.abc.Iterator[RunningEmulator]:
    """AWS as the controller asks it: it knows three hybrid nodes, and has none of its own."""
    fleet = tmp_path_factory.mktemp("fleet") / "fleet.yml"
    fleet.write_text("nodes: []\n", encoding="utf-8")
    for emulator in run_emulator(fleet):
        emulator.add_records({"nodes": [{"count": 3, "kind": "hybrid", "name": "patient"}]})
        trust = {"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole"}
        iam = emulator.client("iam")
        iam.create_role(RoleName="SSMServiceRole", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
        iam.attach_role_policy(RoleName="SSMServiceRole", PolicyArn="arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore")
        yield emulator


@pytest.fixture(scope="module")
def ward(
    site: Site, emulator_without_machines: RunningEmulator, tmp_path_factory: pytest.TempPathFactory
) -> collections.abc.Iterator[Ward]:
    folder = tmp_path_factory.mktemp("ward")
    package = agent_packages.deb(folder, "3.3.1.0")
    certificates = Certificates(folder, endpoints.NAMES)
    authority = certificates.authority.read_text(encoding="ascii")
    nodes = sorted(emulator_without_machines.nodes().values())
    with (
        Endpoints(site.network.listen(443), certificates.server_context()) as aws,
        Endpoints(site.network.listen(_PROXY_PORT)),
    ):
        patients = [
            Patient(site.boot(f"patient-{number}", "debian", endpoints.NAMES, authority), package, node)
            for number, node in enumerate(nodes, 1)
        ]
        _install_module(patients[0].machine)
        patients[0].authority = authority
        yield Ward(patients[0], aws, patients[1:])


def test_a_healthy_machine_raises_no_alarm(ward: Ward) -> None:
    result = ward.patient.examine()
    assert [check for check in result["checks"] if check["status"] in ("fail", "warn", "unknown")] == []
    assert (result["healthy"], result["cause"], result["instance_id"]) == (True, None, ward.patient.node)
    well = {check["id"] for check in result["checks"] if check["status"] == "ok"}
    assert {"N1", "N2", "N3", "N4", "N5", "N6", "N7", "N8", "N9", "N10", "N15", "N16"} <= well


Fault = t.Callable[[Ward], t.ContextManager[None]]


@contextlib.contextmanager
def _done_and_undone(patient: Patient, do: str, undo: str) -> collections.abc.Iterator[None]:
    patient.run(do)
    try:
        yield
    finally:
        patient.run(undo)


@contextlib.contextmanager
def _no_route(ward: Ward) -> collections.abc.Iterator[None]:
    # Its root may not change its network, so that is done from outside.
    change = ["ip", "-n", ward.patient.machine.name, "route"]
    subprocess.run([*change, "delete", "10.250.0.0/16"], check=True)
    try:
        yield
    finally:
        subprocess.run([*change, "add", "10.250.0.0/16", "dev", "eth0", "src", ward.patient.machine.address], check=True)


def _no_answer_of_dns(ward: Ward) -> t.ContextManager[None]:
    # The name server is at an address where nobody is.
    return _done_and_undone(
        ward.patient,
        "cp /etc/hosts /root; grep -v amazonaws /root/hosts > /etc/hosts; echo nameserver 10.250.9.9 > /etc/resolv.conf",
        "cp /root/hosts /etc/hosts; : > /etc/resolv.conf",
    )


@contextlib.contextmanager
def _unknown_authority(ward: Ward) -> collections.abc.Iterator[None]:
    bundle = ward.patient.machine.root / _BUNDLE.lstrip("/")
    trusted = bundle.read_text(encoding="utf-8")
    assert ward.patient.authority in trusted
    ward.patient.put(_BUNDLE, trusted.replace(ward.patient.authority, ""))
    try:
        yield
    finally:
        ward.patient.put(_BUNDLE, trusted)


@contextlib.contextmanager
def _wrong_clock(ward: Ward) -> collections.abc.Iterator[None]:
    ward.aws.seconds_ahead = 700.0
    try:
        yield
    finally:
        ward.aws.seconds_ahead = 0.0


def _proxy_wants_a_password(ward: Ward) -> t.ContextManager[None]:
    drop_in = f"/etc/systemd/system/{_UNIT}.d"
    proxy = f"http://{network.ADDRESS}:{_PROXY_PORT}"
    line = f"Environment=https_proxy={proxy} no_proxy=169.254.169.254"
    restart = f"systemctl daemon-reload; systemctl restart {_UNIT}"
    return _done_and_undone(
        ward.patient,
        f"mkdir -p {drop_in}; printf '[Service]\\n{line}\\n' > {drop_in}/proxy.conf; {restart}",
        f"rm -r {drop_in}; {restart}",
    )


def _full_disk(ward: Ward) -> t.ContextManager[None]:
    return _done_and_undone(
        ward.patient,
        "cp -a /var/lib/amazon /root; mount -t tmpfs -o size=8m tmpfs /var/lib/amazon; cp -a /root/amazon/. /var/lib/amazon;"
        " cat /dev/zero > /var/lib/amazon/ssm/full 2> /dev/null || true",
        "umount /var/lib/amazon; rm -r /root/amazon",
    )


def _snap_and_package(ward: Ward) -> t.ContextManager[None]:
    program = "/snap/amazon-ssm-agent/current/amazon-ssm-agent"
    unit = f"/etc/systemd/system/{_SNAP_UNIT}"
    lines = "[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n"
    return _done_and_undone(
        ward.patient,
        f"mkdir -p $(dirname {program}); ln -s /bin/true {program}; printf '{lines}' > {unit};"
        f" systemctl daemon-reload; systemctl enable --now {_SNAP_UNIT} 2> /dev/null",
        f"systemctl disable --now {_SNAP_UNIT} 2> /dev/null; rm -r /snap {unit}; systemctl daemon-reload",
    )


def _masked(ward: Ward) -> t.ContextManager[None]:
    return _done_and_undone(
        ward.patient,
        f"systemctl mask --now {_UNIT} 2> /dev/null",
        f"systemctl unmask {_UNIT} 2> /dev/null; systemctl start {_UNIT}",
    )


def _not_installed(ward: Ward) -> t.ContextManager[None]:
    return _done_and_undone(
        ward.patient,
        f"systemctl stop {_UNIT}; mv /usr/bin/amazon-ssm-agent /root",
        f"mv /root/amazon-ssm-agent /usr/bin; systemctl start {_UNIT}",
    )


@contextlib.contextmanager
def _clone(ward: Ward) -> collections.abc.Iterator[None]:
    ward.patient.run(f"cp {_LOG} /root/log")
    ward.patient.log("Error: The hardware ID (a1b2) has changed from the registered value (c3d4).")
    try:
        yield
    finally:
        ward.patient.run(f"mv /root/log {_LOG}")


@pytest.mark.parametrize(
    ("fault", "check_id", "words"),
    [
        (_no_route, "N4", "cannot be reached"),
        (_no_answer_of_dns, "N3", "cannot resolve"),
        (_unknown_authority, "N6", "does not trust fleet.ssm emulator"),
        (_wrong_clock, "N5", "The clock is wrong"),
        (_proxy_wants_a_password, "N8", "wants a user and password"),
        (_full_disk, "N16", "The disk is full"),
        (_snap_and_package, "N1", "installed twice"),
        (_masked, "N2", "masked"),
        (_not_installed, "N1", "not installed"),
        (_clone, "N9", "copy of another machine"),
    ],
)
def test_a_fault_is_the_first_cause(ward: Ward, fault: Fault, check_id: str, words: str) -> None:
    with fault(ward):
        result = ward.patient.examine()
    cause = result["cause"]
    assert cause is not None, result
    assert (cause["id"], words in cause["cause"], result["healthy"]) == (check_id, True, False), cause


def test_three_machines_are_examined_by_the_role_in_less_than_20_seconds(
    ward: Ward, emulator_without_machines: RunningEmulator, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runner = Ansible(tmp_path, emulator_without_machines)
    patients = [ward.patient, *ward.others]
    hosts = [f"{patient.node} ansible_host={patient.machine.folder}" for patient in patients]
    settings = ["[all:vars]", "ansible_connection=machine", "ansible_python_interpreter=/usr/bin/python3"]
    (tmp_path / "hosts.ini").write_text("\n".join([*hosts, *settings, ""]), encoding="utf-8")
    (tmp_path / "play.json").write_text(json.dumps([{"import_playbook": "fleet.ssm.doctor"}]), encoding="utf-8")
    begun, busy = time.monotonic(), _processor_seconds()
    run = runner.run(
        *(
            "ansible-playbook",
            "-i",
            "hosts.ini",
            "play.json",
            "-e",
            "doctor_become=false",
            "-e",
            f"doctor_region={endpoints.REGION}",
        ),
        ANSIBLE_CONNECTION_PLUGINS=str(CLONE / "tests/integration/connection_plugins"),
        ANSIBLE_CALLBACK_PLUGINS=str(CLONE / "tests/integration/callback_plugins"),
        ANSIBLE_CALLBACKS_ENABLED="recorder",
        RECORDER_FILE=str(tmp_path / "record"),
        ANSIBLE_REMOTE_TEMP="/tmp/ansible",
        ANSIBLE_PIPELINING="1",
    )
    seconds, busy = time.monotonic() - begun, _processor_seconds() - busy
    with capsys.disabled():
        print(f" [3 machines in {seconds:.1f} s, {busy:.1f} s of them computing] ", end="")
    assert run.code == 0, str(run)
    tasks = [json.loads(line) for line in (tmp_path / "record").read_text(encoding="utf-8").splitlines()]
    judged = {host: result for host, task, result in tasks if task.endswith("Ask AWS about the node")}
    for patient in patients:
        result = judged[patient.node]
        assert len(result["checks"]) == 42
        # As far as machines go all is well; that no agent of theirs talks to the emulator is told.
        alarms = [check["id"] for check in result["checks"] if check["status"] in ("fail", "warn", "unknown")]
        assert (result["instance_id"], alarms) == (patient.node, ["C4"])
    # Of the time it takes, what others do with the processors is no part.
    assert min(seconds, busy) < _PLAYBOOK_SECONDS


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
