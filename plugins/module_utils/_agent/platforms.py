# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Tell from what a machine says of itself which of AWS's packages it takes. Runs on the node: Python 3.6."""

import re
import typing as t

DEB, RPM, SNAP, PKG = "deb", "rpm", "snap", "pkg"

# By ID and ID_LIKE of os-release(5). Derivatives name what they are like, so these few are enough. Of SUSE's, AWS has the agent for
# SUSE Linux Enterprise Server only (the user guide's list of supported systems), which is like "suse" as openSUSE is.
_KINDS = {"debian": DEB, "ubuntu": DEB, "rhel": RPM, "fedora": RPM, "centos": RPM, "amzn": RPM, "sles": RPM, "sles_sap": RPM}

# By uname's machine.
_ARCHITECTURES = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "i386": "386",
    "i686": "386",
    "aarch64": "arm64",
    "arm64": "arm64",
    "armv6l": "arm",
    "armv7l": "arm",
    "armv8l": "arm",
}

# The SSM agent's name as a package.
NAME = "amazon-ssm-agent"

# Where the agent looks too, common/identity/availableidentities/ec2/ec2detector: Nitro's DMI, Xen's BIOS and UUID.
_SIGNS_OF_EC2 = (
    ("/sys/class/dmi/id/sys_vendor", "Amazon EC2"),
    ("/sys/class/dmi/id/bios_vendor", "Amazon EC2"),
    ("/sys/class/dmi/id/bios_version", r".*\.amazon"),
    ("/sys/hypervisor/uuid", "ec2"),
)

# The unit of each kind of package; on macOS, what launchd knows it by (packaging/darwin of the agent).
UNITS = {
    DEB: "amazon-ssm-agent.service",
    RPM: "amazon-ssm-agent.service",
    SNAP: "snap.amazon-ssm-agent.amazon-ssm-agent.service",
    PKG: "com.amazon.aws.ssm",
}


class UnsupportedError(Exception):
    """AWS has no package for this machine, or none that this collection installs."""


def read_os_release(text: str) -> "dict[str, str]":
    """Turn the text of /etc/os-release into its variables."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, _equals, value in pairs}


def names(os_release: "t.Mapping[str, str]") -> "list[str]":
    """Return what a system calls itself, and then what it is like."""
    return [os_release.get("ID", ""), *os_release.get("ID_LIKE", "").split()]


def package_kind(os_release: "t.Mapping[str, str]") -> str:
    """Return deb or rpm."""
    for name in names(os_release):
        if name in _KINDS:
            return _KINDS[name]
    system = os_release.get("PRETTY_NAME") or os_release.get("ID") or "This system"
    raise UnsupportedError(
        "{0} is neither of the Debian nor of the RHEL family, nor Amazon Linux, nor SUSE Linux Enterprise Server; this collection"
        " installs the agent on those only.".format(system)
    )


def architecture(machine: str) -> str:
    """Return amd64, 386, arm64 or arm, from what ``uname -m`` says."""
    if machine not in _ARCHITECTURES:
        raise UnsupportedError("AWS has no SSM agent for machines of the kind {0}.".format(machine))
    return _ARCHITECTURES[machine]


def is_ec2(read: "t.Callable[[str], str]") -> bool:
    """Say whether EC2 runs a machine; ``read`` returns a file of it without blanks around, empty when it cannot be read.

    The metadata address is not asked: there are networks in which something else answers it.
    """
    return any(re.match(words, read(path), re.IGNORECASE) for path, words in _SIGNS_OF_EC2)
