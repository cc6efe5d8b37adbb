# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Tell from what a machine says of itself which of AWS's packages it takes. Runs on the node: Python 3.6."""

import typing as t

DEB, RPM, SNAP = "deb", "rpm", "snap"

# By ID and ID_LIKE of os-release(5). Derivatives name what they are like, so these few are enough.
_KINDS = {"debian": DEB, "ubuntu": DEB, "rhel": RPM, "fedora": RPM, "centos": RPM, "amzn": RPM}

# By uname's machine.
_ARCHITECTURES = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "armv6l": "arm",
    "armv7l": "arm",
    "armv8l": "arm",
}

# The unit of each kind of package.
UNITS = {
    DEB: "amazon-ssm-agent.service",
    RPM: "amazon-ssm-agent.service",
    SNAP: "snap.amazon-ssm-agent.amazon-ssm-agent.service",
}


class UnsupportedError(Exception):
    """AWS has no package for this machine, or none that this collection installs."""


def read_os_release(text: str) -> "dict[str, str]":
    """Turn the text of /etc/os-release into its variables."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, _equals, value in pairs}


def package_kind(os_release: "t.Mapping[str, str]") -> str:
    """Return deb or rpm."""
    names = [os_release.get("ID", ""), *os_release.get("ID_LIKE", "").split()]
    for name in names:
        if name in _KINDS:
            return _KINDS[name]
    system = os_release.get("PRETTY_NAME") or os_release.get("ID") or "This system"
    raise UnsupportedError(
        "{0} is neither of the Debian nor of the RHEL family; this collection installs the agent on those only.".format(system)
    )


def architecture(machine: str) -> str:
    """Return amd64, arm64 or arm, from what ``uname -m`` says."""
    if machine not in _ARCHITECTURES:
        raise UnsupportedError("AWS has no SSM agent for machines of the kind {0}.".format(machine))
    return _ARCHITECTURES[machine]
