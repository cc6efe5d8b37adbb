# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Codes of regions, and the domains of their hosts."""

from __future__ import annotations

import botocore.session
import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._agent import regions

_SESSION = botocore.session.Session()
_PARTITIONS = ("aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc")
_REGIONS = sorted(
    {
        region
        for partition in _PARTITIONS
        for service in ("ssm", "ec2")
        for region in _SESSION.get_available_regions(service, partition)
    }
)


@pytest.mark.parametrize("region", _REGIONS)
def test_a_region_is_told_and_has_the_domain_that_botocore_gives_it(region: str) -> None:
    assert regions.is_region(region)
    client = _SESSION.create_client("ssm", region, aws_access_key_id="a", aws_secret_access_key="b")
    assert client.meta.endpoint_url == f"https://ssm.{region}.{regions.domain(region)}"


@pytest.mark.parametrize("text", ["\u201ceu-west-1\u201d", "eu-west-1 ", "eu-west-1\n", "eu-west-1a", "EU-WEST-1", "", "eu"])
def test_what_is_no_region_is_told(text: str) -> None:
    assert not regions.is_region(text)
