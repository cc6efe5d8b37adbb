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
    answers: dict[str, t.Any] = dataclasses.field(default_factory=dict)  # of a record: what it answers to commands, if anything
    connected: datetime.datetime | None = None  # when its agent opened the control channel last


@dataclasses.dataclass
class Patch:
    """A patch as it is on one node."""

    kb_id: str
    title: str
    classification: str
    severity: str
    cves: str = ""
    state: str = "Missing"  # Missing | Installed | InstalledPendingReboot | Failed
    installed: datetime.datetime | None = None
    fails: bool = False  # it cannot be installed


@dataclasses.dataclass
class Patching:
    """The patches of one node, and what Patch Manager was told of them last, as DescribeInstancePatches answers it."""

    patches: list[Patch]
    error: str = ""  # why no patching works on it at all
    reported: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class DocumentVersion:
    """One version of a document of the account's own."""

    number: str
    content: str
    content_format: str  # JSON | YAML | TEXT
    created: datetime.datetime
    version_name: str = ""
    display_name: str = ""
    target_type: str = ""
    attachments: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Document:
    """A document of the account's own, all its versions, the oldest first."""

    name: str
    kind: str
    versions: list[DocumentVersion]
    default: str = "1"
    shared: dict[str, str] = dataclasses.field(default_factory=dict)  # the version shared, by account


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


@dataclasses.dataclass(frozen=True)
class Setting:
    """A service setting that somebody has changed."""

    value: str
    changed: datetime.datetime
    user: str  # an ARN


@dataclasses.dataclass(frozen=True)
class AssociationRun:
    """An association carried out once."""

    execution_id: str
    association_id: str
    version: str
    created: datetime.datetime
    command_id: str


@dataclasses.dataclass
class WindowExecution:
    """What a maintenance window did once, as the operations answer it."""

    execution_id: str
    window_id: str
    started: datetime.datetime
    tasks: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    invocations: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class MaintenanceWindow:
    """A maintenance window, as GetMaintenanceWindow answers it, with its targets and tasks by id."""

    described: dict[str, t.Any]
    targets: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    tasks: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    executions: list[WindowExecution] = dataclasses.field(default_factory=list)


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
    document_version: str = ""
    max_concurrency: str = "50"
    max_errors: str = "0"
    bucket: str = ""  # where nodes put their output
    key_prefix: str = ""
    logs: bool = False  # whether they send it to CloudWatch Logs
    log_group: str = ""
    cancelled: bool = False
    stand_in: StandIn | None = None
    instance_ids: list[str] = dataclasses.field(default_factory=list)  # as they were given
    targets: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    invocations: dict[str, Invocation] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Invocation:
    """A command on one node."""

    instance_id: str
    status: str = "Pending"  # Pending | InProgress | Success | Failed | TimedOut | Cancelled | …
    steps: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=dict)  # what the agent reports of each, by its id
    delivered: bool = False  # handed to the message service
    details: str = ""  # StatusDetails where it says more than the status: DeliveryTimedOut, Undeliverable, …
    started: datetime.datetime | None = None
    ended: datetime.datetime | None = None


class StandIn(t.Protocol):
    """What carries out a command in place of the agents; every method may be called from any thread."""

    def reaches(self, instance_id: str) -> bool:
        """Say whether a node is there."""

    def begin(self, instance_id: str) -> None:
        """Carry it out on a node; the invocation's members change as it goes."""


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

    def advance(self, command: Command) -> None:
        """Send a command to as many nodes as may run it now; the invocations' members change as agents reply."""

    def cancel_job(self, command: Command, instance_id: str) -> None:
        """Tell a node's agent to stop a command."""


class State:
    """One account in one region."""

    def __init__(self, account: str, region: str, credentials: dict[str, Credential] | None = None) -> None:
        self.account = account
        self.region = region
        self.opened = now()
        self.lock = threading.RLock()
        self.nodes: dict[str, Node] = {}
        self.activations: dict[str, Activation] = {}
        self.sessions: dict[str, Session] = {}
        self.commands: dict[str, Command] = {}
        self.settings: dict[str, Setting] = {}  # service settings that are not what AWS has them be
        self.credentials: dict[str, Credential] = {} if credentials is None else credentials  # by access key
        self.instances: dict[str, Instance] = {}  # records only; the others are moto's
        self.association_runs: dict[str, list[AssociationRun]] = {}  # by the id of the association, the newest last
        self.windows: dict[str, MaintenanceWindow] = {}  # by id
        self.state_manager: dict[str, dict[str, t.Any]] = {}  # associations, as DescribeAssociation answers them, by id
        self.documents: dict[str, Document] = {}  # by name
        self.patch_baselines: dict[str, dict[str, t.Any]] = {}  # the account's own, as GetPatchBaseline answers them, by id
        self.default_baselines: dict[str, str] = {}  # by operating system, where it is not AWS's
        self.patch_groups: dict[tuple[str, str], str] = {}  # the baseline's id by operating system and group
        self.tags: dict[tuple[str, str], dict[str, str]] = {}  # of things that are ours and no nodes, by ResourceType and id
        self.missing_patches: dict[str, list[str]] = {}  # by computer name, where the fleet file says so
        self.patching: dict[str, Patching] = {}  # by node id
        self.packages: dict[tuple[str, str], str] = {}  # the version that Distributor has installed, by node id and package
        self.package_versions: list[str] = []  # of AWS's packages, the newest last
        self.package_scripts: dict[str, list[str]] = {}  # the program that takes their place, by node id
        # What is reported of nodes that are records, as the operations answer it; by node id, but for compliance.
        self.patch_states: dict[str, dict[str, t.Any]] = {}
        self.associations: dict[str, list[dict[str, t.Any]]] = {}
        self.inventory: dict[str, dict[str, list[dict[str, str]]]] = {}
        self.compliance: list[dict[str, t.Any]] = []
