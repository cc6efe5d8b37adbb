# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Where AWS keeps the packages of the SSM agent, by region, kind of package and architecture. Runs on the node: Python 3.6.

Source: "Manually installing SSM Agent" in the user guide of AWS Systems Manager, and create_rpm.sh, create_deb.sh of the agent.
No signature is beside the packages for macOS, which are signed themselves.
"""

from ansible_collections.fleet.ssm.plugins.module_utils._agent import buckets
from ansible_collections.fleet.ssm.plugins.module_utils._agent.platforms import DEB, PKG, RPM

LATEST, STABLE = "latest", "stable"

# Below it there are a folder for each version, and latest and stable.
BUCKET = buckets.Bucket("https://s3.{0}.{1}/amazon-ssm-{0}", "https://s3.amazonaws.com/ec2-downloads-windows/SSMAgent")

_FILES = {DEB: "amazon-ssm-agent.deb", RPM: "amazon-ssm-agent.rpm", PKG: "amazon-ssm-agent.pkg"}
_FOLDERS = {
    (DEB, "amd64"): "debian_amd64",
    (DEB, "386"): "debian_386",
    (DEB, "arm64"): "debian_arm64",
    (DEB, "arm"): "debian_arm",
    (RPM, "amd64"): "linux_amd64",
    (RPM, "386"): "linux_386",
    (RPM, "arm64"): "linux_arm64",
    (PKG, "amd64"): "darwin_amd64",
    (PKG, "arm64"): "darwin_arm64",
}


def version_url(place: str, channel: str) -> str:
    """Return where it is written which version is ``latest`` or ``stable``."""
    return "{0}/{1}/VERSION".format(place, channel)


def package(place: str, version: str, kind: str, architecture: str) -> buckets.Package:
    """Return where a version is; the number and not ``latest``, so that package and signature are of one version."""
    folder = _FOLDERS.get((kind, architecture))
    if folder is None:
        raise buckets.UnknownSourceError("AWS has no {0} of the SSM agent for {1}.".format(kind, architecture))
    url = "{0}/{1}/{2}/{3}".format(place, version, folder, _FILES[kind])
    return buckets.Package(url, "") if kind == PKG else buckets.signed(url)
