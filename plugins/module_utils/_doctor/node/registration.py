# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read what the agent keeps of its registration, without the private key. Pure; runs on nodes, with Python 3.6."""

import calendar
import json
import re
import time
import typing as t


class Registration(t.NamedTuple):
    """A hybrid registration; complete says whether all three parts are there, without which the agent takes it for none."""

    instance_id: str = ""
    region: str = ""
    complete: bool = False


class Fingerprint(t.NamedTuple):
    """What the agent remembers of the machine it was registered on; a threshold of -1 turns the comparison off."""

    machine_id: str = ""
    threshold: int = 0


class Identity(t.NamedTuple):
    """What the running agent found out of itself; expires is in seconds since 1970, 0.0 when there were no credentials yet."""

    instance_id: str = ""
    kind: str = ""
    source: str = ""
    expires: float = 0.0


def vault_registration(text: str) -> Registration:
    """Read Vault/Store/RegistrationKey: agent/managedInstances/registration/instance_info.go."""
    found = _dictionary(text)
    instance_id, region = _text(found, "instanceID"), _text(found, "region")
    return Registration(instance_id, region, bool(instance_id and region and _text(found, "privateKey")))


def registration_file(text: str) -> Registration:
    """Read /var/lib/amazon/ssm/registration, which the agent writes and never reads."""
    found = _dictionary(text)
    return Registration(_text(found, "ManagedInstanceID"), _text(found, "Region"))


def fingerprint(text: str) -> Fingerprint:
    """Read Vault/Store/InstanceFingerprint: agent/managedInstances/fingerprint/fingerprint.go."""
    found = _dictionary(text)
    hashes, threshold = found.get("hardwareHash"), found.get("similarityThreshold")
    machine_id = hashes.get("machine-id", "") if isinstance(hashes, dict) else ""
    return Fingerprint(machine_id.strip() if isinstance(machine_id, str) else "", threshold if isinstance(threshold, int) else 0)


def identity(text: str) -> Identity:
    """Read runtimeconfig/identity_config.json: common/runtimeconfig/identity_runtimeconfig.go."""
    found = _dictionary(text)
    expires = _seconds(_text(found, "CredentialsExpiresAt"))
    return Identity(_text(found, "InstanceId"), _text(found, "IdentityType"), _text(found, "CredentialSource"), expires)


def _dictionary(text: str) -> "t.Dict[str, t.Any]":
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(found: "t.Mapping[str, t.Any]", name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def _seconds(moment: str) -> float:
    """Read RFC 3339 as Go writes it; Go's zero time is the year 1."""
    match = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)$", moment, re.ASCII)
    if not match or moment.startswith("0001-"):
        return 0.0
    try:
        seconds = calendar.timegm(time.strptime(match.group(1), "%Y-%m-%dT%H:%M:%S"))
    except (ValueError, OverflowError):
        return 0.0
    zone = match.group(2)
    return float(seconds - (0 if zone == "Z" else int(zone[0] + "1") * (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60)))
