# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where AWS keeps the agent."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._agent import sources


@pytest.mark.parametrize(
    ("region", "place"),
    [
        ("eu-west-1", "https://s3.eu-west-1.amazonaws.com/amazon-ssm-eu-west-1"),
        ("cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn/amazon-ssm-cn-north-1"),
        ("us-gov-west-1", "https://s3.us-gov-west-1.amazonaws.com/amazon-ssm-us-gov-west-1"),
    ],
)
def test_each_region_has_a_bucket_in_its_partition(region: str, place: str) -> None:
    assert sources.bucket(sources.REGIONAL, region) == place


@pytest.mark.parametrize("region", ["", "eu-west", "EU-WEST-1", "\u201ceu-west-1\u201d", "eu-west-1/../x", "eu-west-1\n"])
def test_what_is_no_region_is_told(region: str) -> None:
    with pytest.raises(sources.UnknownSourceError, match="not the name of an AWS region"):
        sources.bucket(sources.REGIONAL, region)


@pytest.mark.parametrize("region", ["us-iso-east-1", "us-isob-east-1", "eusc-de-east-1"])
def test_a_partition_that_is_not_known_here_needs_a_mirror(region: str) -> None:
    with pytest.raises(sources.UnknownSourceError, match="mirror"):
        sources.bucket(sources.REGIONAL, region)


def test_the_global_bucket_needs_no_region() -> None:
    assert sources.bucket(sources.GLOBAL) == "https://s3.amazonaws.com/ec2-downloads-windows/SSMAgent"


def test_a_mirror_is_taken_as_it_is_given() -> None:
    assert sources.bucket(sources.MIRROR, "", "https://files.example.com/ssm/") == "https://files.example.com/ssm"


@pytest.mark.parametrize(
    ("kind", "architecture", "file"),
    [
        ("deb", "amd64", "debian_amd64/amazon-ssm-agent.deb"),
        ("deb", "arm64", "debian_arm64/amazon-ssm-agent.deb"),
        ("deb", "arm", "debian_arm/amazon-ssm-agent.deb"),
        ("rpm", "amd64", "linux_amd64/amazon-ssm-agent.rpm"),
        ("rpm", "arm64", "linux_arm64/amazon-ssm-agent.rpm"),
    ],
)
def test_each_architecture_has_a_folder(kind: str, architecture: str, file: str) -> None:
    package = sources.package("https://x", "3.3.1.0", kind, architecture)
    assert package == (f"https://x/3.3.1.0/{file}", f"https://x/3.3.1.0/{file}.sig")


def test_there_is_no_rpm_for_32_bit_arm() -> None:
    with pytest.raises(sources.UnknownSourceError, match="no rpm of the SSM agent for arm"):
        sources.package("https://x", "3.3.1.0", "rpm", "arm")


def test_the_newest_version_is_written_in_the_bucket_itself() -> None:
    assert sources.version_url("https://x", sources.LATEST) == "https://x/latest/VERSION"
