# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Where AWS keeps the packages of the SSM agent, by region, kind of package and architecture. Runs on the node: Python 3.6.

Source: "Manually installing SSM Agent" in the user guide of AWS Systems Manager, and create_rpm.sh, create_deb.sh of the agent.
"""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent import regions
from ansible_collections.fleet.ssm.plugins.module_utils._agent.platforms import DEB, RPM

REGIONAL, GLOBAL, MIRROR = "regional", "global", "mirror"
LATEST, STABLE = "latest", "stable"

# Of the regions whose buckets are known: the public ones, AWS China, AWS GovCloud.
_DOMAINS = ("amazonaws.com", "amazonaws.com.cn")

_FILES = {DEB: "amazon-ssm-agent.deb", RPM: "amazon-ssm-agent.rpm"}
_FOLDERS = {
    (DEB, "amd64"): "debian_amd64",
    (DEB, "arm64"): "debian_arm64",
    (DEB, "arm"): "debian_arm",
    (RPM, "amd64"): "linux_amd64",
    (RPM, "arm64"): "linux_arm64",
}


class UnknownSourceError(Exception):
    """There are no packages for what was asked; the text says what to do."""


class Package(t.NamedTuple):
    """Where one package and its signature are."""

    url: str
    signature_url: str


def bucket(source: str, region: str = "", mirror: str = "") -> str:
    """Return the URL below which there are a folder for each version, and latest and stable, without a slash at its end."""
    if source == GLOBAL:
        return "https://s3.amazonaws.com/ec2-downloads-windows/SSMAgent"
    if source == MIRROR:
        return mirror.rstrip("/")
    # A typographic quote that was pasted with the name would only be found by a name server that does not know it.
    if not regions.is_region(region):
        raise UnknownSourceError("{0!r} is not the name of an AWS region; write it like eu-west-1.".format(region))
    domain = regions.domain(region)
    if domain not in _DOMAINS:
        raise UnknownSourceError("The buckets of {0} are not known here; set the source to mirror and give its URL.".format(region))
    return "https://s3.{0}.{1}/amazon-ssm-{0}".format(region, domain)


def version_url(place: str, channel: str) -> str:
    """Return where it is written which version is ``latest`` or ``stable``."""
    return "{0}/{1}/VERSION".format(place, channel)


def package(place: str, version: str, kind: str, architecture: str) -> Package:
    """Return where a version is; the number and not ``latest``, so that package and signature are of one version."""
    folder = _FOLDERS.get((kind, architecture))
    if folder is None:
        raise UnknownSourceError("AWS has no {0} of the SSM agent for {1}.".format(kind, architecture))
    url = "{0}/{1}/{2}/{3}".format(place, version, folder, _FILES[kind])
    return Package(url, url + ".sig")
