# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulator's server side in one process: control plane, message service, moto."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import secrets
import threading
import typing as t

import botocore.session
import werkzeug.serving

from tests.emulator.certificates import Certificates
from tests.emulator.faults import Faults
from tests.emulator.fleet import Fleet, Machine
from tests.emulator.front import Front
from tests.emulator.message_service.service import Service
from tests.emulator.operations import settings
from tests.emulator.state import Credential, State
from tests.emulator.statistics import Statistics

ACCOUNT = "123456789012"  # moto's
ACCESS_KEY, SECRET_KEY = "AKIAEMULATORDEMOKEY0", "emulator/demo/secret/key/0000000000000000"
_IMAGE = "ami-12c6146b"  # one that moto knows from the start
_DESCRIPTION = "emulator.json"


@dataclasses.dataclass(frozen=True)
class Description:
    """What others need to know of a running emulator; kept in its folder."""

    pid: int
    region: str
    url: str
    messages_url: str
    ca_file: str
    identities: dict[str, dict[str, str]]  # by machine: id and credentials of an EC2 instance, or an activation

    def save(self, folder: pathlib.Path) -> None:
        """Write it; whoever reads it can count on a running emulator."""
        path = folder / _DESCRIPTION
        path.with_suffix(".new").touch(mode=0o600)
        path.with_suffix(".new").write_text(json.dumps(dataclasses.asdict(self)), encoding="utf-8")
        path.with_suffix(".new").rename(path)

    @classmethod
    def load(cls, folder: pathlib.Path) -> Description | None:
        """Read it; None when no emulator was started in this folder."""
        try:
            return cls(**json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    @staticmethod
    def remove(folder: pathlib.Path) -> None:
        """Forget it."""
        (folder / _DESCRIPTION).unlink(missing_ok=True)


class Emulator:
    """Everything but the machines.

    :param folder: for certificates.
    :param port: of the control plane; 0 takes a free one.
    :param delay_ms: round trip time added to everything.
    """

    def __init__(self, folder: pathlib.Path, region: str = "us-east-1", port: int = 0, delay_ms: float = 0.0) -> None:
        self.state = State(ACCOUNT, region)
        self.state.credentials[ACCESS_KEY] = Credential(ACCESS_KEY, SECRET_KEY, f"arn:aws:iam::{ACCOUNT}:user/demo")
        self.statistics = Statistics()
        self.faults = Faults(delay_ms)
        self.certificates = Certificates(folder)
        self.service = Service(self.state, self.statistics, self.faults, self.certificates)
        front = Front(self.state, self.statistics, self.faults, self.service)
        self._server = werkzeug.serving.make_server("127.0.0.1", port, front, threaded=True, request_handler=_QuietHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="control-plane", daemon=True)

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Serve."""
        self.service.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self.service.stop()

    def client(self, service: str) -> t.Any:
        """Return a client with the demo user's keys."""
        session = botocore.session.Session()
        session.set_credentials(ACCESS_KEY, SECRET_KEY)
        return session.create_client(service, region_name=self.state.region, endpoint_url=self.url)

    def identities(self, fleet: Fleet) -> dict[str, dict[str, str]]:
        """Have EC2 launch the fleet's instances, and make activations; return by name what their agents are to know."""
        ec2, ssm = self.client("ec2"), self.client("ssm")
        named = {machine.name: machine.missing_patches for machine in fleet.machines}
        self.state.missing_patches = {name: patches for name, patches in named.items() if patches is not None}
        # Without it no hybrid node has sessions.
        ssm.update_service_setting(SettingId=settings.ACTIVATION_TIER, SettingValue=settings.ADVANCED)
        launched = {machine.name: self._launch(ec2, machine) for machine in fleet.machines if machine.kind == "ec2"}
        hybrid = [machine for machine in fleet.machines if machine.kind == "hybrid" and machine.registered]
        return launched | {machine.name: self._activate(ssm, machine) for machine in hybrid}

    def _activate(self, ssm: t.Any, machine: Machine) -> dict[str, str]:
        tags = [{"Key": key, "Value": str(value)} for key, value in {"Name": machine.name, **machine.tags}.items()]
        activation = ssm.create_activation(IamRole="SSMServiceRole", DefaultInstanceName=machine.name, Tags=tags)
        return {"activation_id": activation["ActivationId"], "activation_code": activation["ActivationCode"]}

    def _launch(self, ec2: t.Any, machine: Machine) -> dict[str, str]:
        tags = [{"Key": key, "Value": str(value)} for key, value in {"Name": machine.name, **machine.tags}.items()]
        answer = ec2.run_instances(
            ImageId=_IMAGE, MinCount=1, MaxCount=1, TagSpecifications=[{"ResourceType": "instance", "Tags": tags}]
        )
        instance_id = answer["Instances"][0]["InstanceId"]
        credential = Credential(
            access_key="ASIA" + secrets.token_hex(8).upper(),
            secret_key=secrets.token_urlsafe(30),
            principal=f"arn:aws:sts::{ACCOUNT}:assumed-role/InstanceRole/{instance_id}",
            session_token=secrets.token_urlsafe(60),
            node=instance_id,
        )
        self.state.credentials[credential.access_key] = credential
        return {
            "instance_id": instance_id,
            "access_key": credential.access_key,
            "secret_key": credential.secret_key,
            "session_token": credential.session_token,
        }


class _QuietHandler(werkzeug.serving.WSGIRequestHandler):
    """HTTP/1.1 with kept connections, and no line a request."""

    protocol_version = "HTTP/1.1"

    def log(self, *_arguments: t.Any) -> None:
        """Say nothing."""
