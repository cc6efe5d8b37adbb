# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where AWS keeps the agent."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._agent import buckets, sources


def test_the_buckets_are_those_of_the_ssm_agent() -> None:
    assert sources.BUCKET.place(buckets.REGIONAL, "eu-west-1", "") == "https://s3.eu-west-1.amazonaws.com/amazon-ssm-eu-west-1"
    assert sources.BUCKET.place(buckets.GLOBAL, "", "") == "https://s3.amazonaws.com/ec2-downloads-windows/SSMAgent"


@pytest.mark.parametrize(
    ("kind", "architecture", "file"),
    [
        ("deb", "amd64", "debian_amd64/amazon-ssm-agent.deb"),
        ("deb", "386", "debian_386/amazon-ssm-agent.deb"),
        ("deb", "arm64", "debian_arm64/amazon-ssm-agent.deb"),
        ("deb", "arm", "debian_arm/amazon-ssm-agent.deb"),
        ("rpm", "amd64", "linux_amd64/amazon-ssm-agent.rpm"),
        ("rpm", "386", "linux_386/amazon-ssm-agent.rpm"),
        ("rpm", "arm64", "linux_arm64/amazon-ssm-agent.rpm"),
    ],
)
def test_each_architecture_has_a_folder(kind: str, architecture: str, file: str) -> None:
    package = sources.package("https://x", "3.3.1.0", kind, architecture)
    assert package == (f"https://x/3.3.1.0/{file}", f"https://x/3.3.1.0/{file}.sig")


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_a_package_for_macos_has_no_signature_beside_it(architecture: str) -> None:
    package = sources.package("https://x", "3.3.1.0", "pkg", architecture)
    assert package == (f"https://x/3.3.1.0/darwin_{architecture}/amazon-ssm-agent.pkg", "")


def test_there_is_no_rpm_for_32_bit_arm() -> None:
    with pytest.raises(buckets.UnknownSourceError, match="no rpm of the SSM agent for arm"):
        sources.package("https://x", "3.3.1.0", "rpm", "arm")


def test_the_newest_version_is_written_in_the_bucket_itself() -> None:
    assert sources.version_url("https://x", sources.LATEST) == "https://x/latest/VERSION"
