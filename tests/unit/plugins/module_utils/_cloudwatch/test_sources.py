# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where AWS keeps the CloudWatch agent."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._agent import buckets
from ansible_collections.fleet.ssm.plugins.module_utils._cloudwatch import sources


def test_the_buckets_are_those_of_the_cloudwatch_agent() -> None:
    place = sources.BUCKET.place(buckets.REGIONAL, "cn-north-1", "")
    assert place == "https://amazoncloudwatch-agent-cn-north-1.s3.cn-north-1.amazonaws.com.cn"
    assert sources.BUCKET.place(buckets.GLOBAL, "", "") == "https://amazoncloudwatch-agent.s3.amazonaws.com"


@pytest.mark.parametrize(
    ("kind", "architecture", "names", "folder"),
    [
        ("deb", "amd64", ["debian"], "debian/amd64"),
        ("deb", "arm64", ["debian"], "ubuntu/arm64"),
        ("deb", "arm64", ["ubuntu", "debian"], "ubuntu/arm64"),
        ("deb", "amd64", ["linuxmint", "ubuntu", "debian"], "ubuntu/amd64"),
        ("rpm", "amd64", ["rocky", "rhel", "centos", "fedora"], "redhat/amd64"),
        ("rpm", "arm64", ["amzn", "fedora"], "amazon_linux/arm64"),
        ("rpm", "amd64", ["ol", "fedora"], "oracle_linux/amd64"),
        ("rpm", "amd64", ["centos", "rhel", "fedora"], "centos/amd64"),
        ("rpm", "arm64", ["sles", "suse"], "suse/arm64"),
        ("rpm", "amd64", ["sles_sap", "sles", "suse"], "suse/amd64"),
    ],
)
def test_each_distribution_has_a_folder(kind: str, architecture: str, names: list[str], folder: str) -> None:
    url = f"https://x/{folder}/1.300073.2b1889/amazon-cloudwatch-agent.{kind}"
    assert sources.package("https://x", "1.300073.2b1889", kind, architecture, names) == (url, f"{url}.sig")


@pytest.mark.parametrize(("architecture", "names"), [("arm", ["debian"]), ("386", ["debian"]), ("amd64", ["other"])])
def test_what_aws_has_no_package_for_is_told(architecture: str, names: list[str]) -> None:
    with pytest.raises(buckets.UnknownSourceError, match="no deb of the CloudWatch agent"):
        sources.package("https://x", "1.300073.2b1889", "deb", architecture, names)


def test_the_newest_version_and_the_key_are_in_the_bucket_itself() -> None:
    assert sources.version_url("https://x", sources.LATEST) == "https://x/info/latest/CWAGENT_VERSION"
    assert sources.key_url("https://x") == "https://x/assets/amazon-cloudwatch-agent.gpg"
