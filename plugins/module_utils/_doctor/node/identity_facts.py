# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Find out who the node is: registration, fingerprint, credentials, metadata service. I/O; runs on nodes, with Python 3.6."""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent import platforms
from ansible_collections.fleet.ssm.plugins.module_utils._agent.configuration import SHARED_CREDENTIALS
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node import registration
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.machine import Machine, UnreadableError
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.metadata_service import Metadata

_STORE = "/var/lib/amazon/ssm"


class IdentityFacts(t.NamedTuple):
    """Who the node is; unreadable names what this user may not read."""

    vault: registration.Registration
    file: registration.Registration
    fingerprint: registration.Fingerprint
    machine_id: str
    identity: registration.Identity
    credentials: str
    is_ec2: bool
    metadata: Metadata
    unreadable: str

    @property
    def is_hybrid(self) -> bool:
        """Say whether the agent takes itself for a hybrid node."""
        return self.vault.complete

    @property
    def region(self) -> str:
        """Name the region that the node says it belongs to; empty when it does not."""
        return self.vault.region or self.file.region or self.metadata.region

    @property
    def instance_id(self) -> str:
        """Name the node; empty when it does not know itself."""
        if self.is_hybrid:
            return self.vault.instance_id
        return self.metadata.instance_id if self.is_ec2 else self.identity.instance_id


def gather(machine: Machine) -> IdentityFacts:
    """Read all files; the metadata service is asked by whoever has the time, see _replace."""
    texts, unreadable = {}, ""
    for name in (
        _STORE + "/Vault/Store/RegistrationKey",
        _STORE + "/Vault/Store/InstanceFingerprint",
        _STORE + "/registration",
        _STORE + "/runtimeconfig/identity_config.json",
        "/etc/machine-id",
        "/var/lib/dbus/machine-id",
        SHARED_CREDENTIALS,
    ):
        try:
            texts[name] = machine.text(name) or ""
        except UnreadableError as error:
            texts[name], unreadable = "", unreadable or str(error)
    return IdentityFacts(
        vault=registration.vault_registration(texts[_STORE + "/Vault/Store/RegistrationKey"]),
        file=registration.registration_file(texts[_STORE + "/registration"]),
        fingerprint=registration.fingerprint(texts[_STORE + "/Vault/Store/InstanceFingerprint"]),
        machine_id=(texts["/etc/machine-id"] or texts["/var/lib/dbus/machine-id"]).strip(),
        identity=registration.identity(texts[_STORE + "/runtimeconfig/identity_config.json"]),
        credentials=texts[SHARED_CREDENTIALS],
        is_ec2=_is_ec2(machine),
        metadata=Metadata(error="it was not asked"),
        unreadable=unreadable,
    )


def _is_ec2(machine: Machine) -> bool:
    return platforms.is_ec2(lambda name: _text(machine, name))


def _text(machine: Machine, name: str) -> str:
    try:
        return (machine.text(name) or "").strip()
    except UnreadableError:
        return ""
