# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where AWS publishes a program."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._agent import buckets

_BUCKET = buckets.Bucket("https://s3.{0}.{1}/program-{0}", "https://s3.amazonaws.com/program")


@pytest.mark.parametrize(
    ("region", "place"),
    [
        ("eu-west-1", "https://s3.eu-west-1.amazonaws.com/program-eu-west-1"),
        ("cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn/program-cn-north-1"),
        ("us-gov-west-1", "https://s3.us-gov-west-1.amazonaws.com/program-us-gov-west-1"),
    ],
)
def test_each_region_has_a_bucket_in_its_partition(region: str, place: str) -> None:
    assert _BUCKET.place(buckets.REGIONAL, region, "") == place


@pytest.mark.parametrize("region", ["", "eu-west", "EU-WEST-1", "\u201ceu-west-1\u201d", "eu-west-1/../x", "eu-west-1\n"])
def test_what_is_no_region_is_told(region: str) -> None:
    with pytest.raises(buckets.UnknownSourceError, match="not the name of an AWS region"):
        _BUCKET.place(buckets.REGIONAL, region, "")


@pytest.mark.parametrize("region", ["us-iso-east-1", "us-isob-east-1", "eusc-de-east-1"])
def test_a_partition_that_is_not_known_here_needs_a_mirror(region: str) -> None:
    with pytest.raises(buckets.UnknownSourceError, match="mirror"):
        _BUCKET.place(buckets.REGIONAL, region, "")


def test_the_global_bucket_needs_no_region() -> None:
    assert _BUCKET.place(buckets.GLOBAL, "", "") == "https://s3.amazonaws.com/program"


def test_a_mirror_is_taken_as_it_is_given() -> None:
    assert _BUCKET.place(buckets.MIRROR, "", "https://files.example.com/ssm/") == "https://files.example.com/ssm"
