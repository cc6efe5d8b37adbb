# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the emulated account holds: nodes, activations, sessions and commands.

The control plane (werkzeug threads) and the message service (an asyncio thread) both work on it, so every access that
spans more than one attribute takes ``State.lock``. Nothing here knows HTTP, websockets or moto.
"""

from __future__ import annotations

import dataclasses
import datetime
import threading
import typing as t


def now() -> datetime.datetime:
    """The present, with its time zone: botocore's serializer wants one."""
    return datetime.datetime.now(datetime.timezone.utc)


@dataclasses.dataclass
class Node:
    """A managed node, as DescribeInstanceInformation knows it."""

    instance_id: str  # i-… or mi-…
    resource_type: str  # EC2Instance | ManagedInstance
    name: str = ""
    activation_id: str = ""
    public_key: str = ""  # hybrid nodes: base64 DER, what RequestManagedInstanceRoleToken is verified with
    fingerprint: str = ""
    iam_role: str = ""
    registration_date: datetime.datetime | None = None
    last_ping: datetime.datetime | None = None
    agent_version: str = ""
    platform_type: str = "Linux"
    platform_name: str = ""
    platform_version: str = ""
    ip_address: str = ""
    computer_name: str = ""
    tags: dict[str, str] = dataclasses.field(default_factory=dict)  # mi- nodes only; EC2 tags live in moto's ec2
    ping_status: str = ""  # says Online, ConnectionLost or Inactive of a node that has no agent; else it follows the pings
    record: bool = False  # no machine, just a record
    source_type: str = ""  # of the resource behind it, where it is neither an EC2 instance nor a server
    source_id: str = ""


@dataclasses.dataclass(frozen=True)
class Instance:
    """An EC2 instance that is only a record."""

    instance_id: str
    state: str
    tags: dict[str, str]
    instance_type: str
    availability_zone: str
    reservation: str  # the inside of its item in DescribeInstances' answer


@dataclasses.dataclass(frozen=True)
class Credential:
    """An access key the account knows, with what requests are signed with it."""

    access_key: str
    secret_key: str
    principal: str  # an ARN
    session_token: str = ""
    expires: datetime.datetime | None = None
    node: str = ""  # the managed node it was given to


@dataclasses.dataclass
class Activation:
    """A hybrid activation."""

    activation_id: str
    activation_code: str
    iam_role: str
    description: str
    default_instance_name: str
    registration_limit: int
    created: datetime.datetime
    expires: datetime.datetime
    registrations: int = 0
    tags: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Session:
    """A Session Manager session."""

    session_id: str
    target: str
    document_name: str
    document: dict[str, t.Any]
    parameters: dict[str, list[str]]
    owner: str
    reason: str
    run_as: str  # the tag SSMSessionRunAs of whoever started it
    started: datetime.datetime
    idle_limit: float = 0.0  # seconds without input, 0 for no limit
    duration_limit: float = 0.0  # seconds
    ended: datetime.datetime | None = None
    status: str = "Connected"  # Connected | Connecting | Disconnected | Terminated | Terminating | Failed


@dataclasses.dataclass
class Command:
    """One SendCommand and what its nodes answered, keyed by node id."""

    command_id: str
    document_name: str
    parameters: dict[str, list[str]]
    comment: str
    requested: datetime.datetime
    timeout_seconds: int  # for the delivery; how long it may run is the document's executionTimeout
    document: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    instance_ids: list[str] = dataclasses.field(default_factory=list)  # as they were given
    targets: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    invocations: dict[str, Invocation] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Invocation:
    """A command on one node."""

    instance_id: str
    status: str = "Pending"  # Pending | InProgress | Success | Failed | TimedOut | Cancelled | …
    response_code: int = -1
    stdout: str = ""
    stderr: str = ""
    delivered: bool = False  # handed to the message service
    details: str = ""  # StatusDetails where it says more than the status: DeliveryTimedOut, Undeliverable, …
    started: datetime.datetime | None = None
    ended: datetime.datetime | None = None


class Recording(t.Protocol):
    """What sessions carry, when that is ordered; every method may be called from any thread."""

    def order(self, on: bool) -> None:
        """Begin anew, or stop and forget."""

    def content(self) -> dict[str, dict[str, str]]:
        """Return what was typed and printed in each session, in base64."""


class MessageService(t.Protocol):
    """What the control plane asks of the message service; every method may be called from any thread."""

    @property
    def recording(self) -> Recording:
        """What sessions carry, when that is ordered."""

    def is_connected(self, instance_id: str) -> bool:
        """Whether the node's agent has its control channel open."""

    def start_session(self, session: Session) -> str:
        """Tell the node's agent to start the session; return the token for the client's data channel."""

    def resume_session(self, session_id: str) -> str:
        """Return a fresh client token, or an empty text when the session is gone."""

    def terminate_session(self, session_id: str) -> None:
        """Send channel_closed to agent and client."""

    def stream_url(self, session_id: str) -> str:
        """The wss:// address for the client's data channel."""

    def disconnect_node(self, instance_id: str) -> None:
        """Close the node's control channel and end its sessions: it was deregistered."""

    def send_job(self, command: Command, instance_id: str) -> None:
        """Send a Run Command job; the invocation's members change as the agent replies."""


class State:
    """One account in one region."""

    def __init__(self, account: str, region: str, credentials: dict[str, Credential] | None = None) -> None:
        self.account = account
        self.region = region
        self.lock = threading.RLock()
        self.nodes: dict[str, Node] = {}
        self.activations: dict[str, Activation] = {}
        self.sessions: dict[str, Session] = {}
        self.commands: dict[str, Command] = {}
        self.credentials: dict[str, Credential] = {} if credentials is None else credentials  # by access key
        self.instances: dict[str, Instance] = {}  # records only; the others are moto's
        # What is reported of nodes that are records, as the operations answer it; by node id, but for compliance.
        self.patch_states: dict[str, dict[str, t.Any]] = {}
        self.associations: dict[str, list[dict[str, t.Any]]] = {}
        self.inventory: dict[str, dict[str, list[dict[str, str]]]] = {}
        self.compliance: list[dict[str, t.Any]] = []
