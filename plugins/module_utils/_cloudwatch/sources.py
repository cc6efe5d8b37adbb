# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Where AWS keeps the packages of the CloudWatch agent, its newest version and its key. Runs on the node: Python 3.6.

Source: "Verifying the signature of the CloudWatch agent package" in the user guide of Amazon CloudWatch.
"""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent import buckets
from ansible_collections.fleet.ssm.plugins.module_utils._agent.platforms import DEB, PKG, RPM

LATEST = "latest"

BUCKET = buckets.Bucket(
    "https://amazoncloudwatch-agent-{0}.s3.{0}.{1}",
    "https://amazoncloudwatch-agent.s3.amazonaws.com",
)

_FILE = "{0}/{1}/{2}/{3}/amazon-cloudwatch-agent.{4}"
_ARCHITECTURES = ("amd64", "arm64")
# By ID and ID_LIKE of os-release(5).
_FOLDERS = {
    DEB: {"debian": "debian", "ubuntu": "ubuntu"},
    RPM: {
        "amzn": "amazon_linux",
        "ol": "oracle_linux",
        "rhel": "redhat",
        "centos": "centos",
        "fedora": "redhat",
        "sles": "suse",
        "suse": "suse",
    },
}
# Of Debian there was no package for arm64 for years; Ubuntu's is made of the same files.
_INSTEAD = {("debian", "arm64"): "ubuntu"}


def version_url(place: str, _channel: str) -> str:
    """Return where it is written which version is the newest; there is no other channel."""
    return "{0}/info/latest/CWAGENT_VERSION".format(place)


def key_url(place: str) -> str:
    """Return where the key is that signs the packages."""
    return "{0}/assets/amazon-cloudwatch-agent.gpg".format(place)


def package(place: str, version: str, kind: str, architecture: str, names: "t.Sequence[str]") -> buckets.Package:
    """Return where a version is, for a system that calls itself by these names; raises UnknownSourceError."""
    if kind == PKG:
        raise buckets.UnknownSourceError("This collection does not install the CloudWatch agent on macOS.")
    folder = next((_FOLDERS[kind][name] for name in names if name in _FOLDERS[kind]), "")
    if not folder or architecture not in _ARCHITECTURES:
        raise buckets.UnknownSourceError("AWS has no {0} of the CloudWatch agent for {1}.".format(kind, architecture))
    folder = _INSTEAD.get((folder, architecture), folder)
    return buckets.signed(_FILE.format(place, folder, architecture, version, kind))
